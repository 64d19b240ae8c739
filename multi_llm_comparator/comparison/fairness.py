"""What panes have in common and what not: a comparison says of its models only what their parameters leave to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from multi_llm_comparator.comparison.pane import OF_ONE_MODEL, Pane
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.config import LOAD_FIELDS, ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.readable import NOTHING, cut_line

# In the order in which they are declared. What is kept beside an answer changes nothing of it.
_NAMES = tuple(f.name for f in fields(ModelConfig) if f.name != "top_logprobs")
# What may be the same for any models: sampling, seed, system prompt, budget. Loading belongs to each model.
SHARED = frozenset(_NAMES) - OF_ONE_MODEL - frozenset(LOAD_FIELDS)
CONSTRAINT = "constraint"
# Temperatures that show what chance does to one model, from none to much.
SPREAD_TEMPERATURES = (0.0, 0.4, 0.8, 1.2)
MAX_VALUE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter in which panes differ: its name, and each pane's value in their order."""

    name: str
    values: tuple[str, ...]


def with_same(panes: Sequence[Pane], leader: Pane) -> list[Pane]:
    """All panes with the leader's sampling, seed, system prompt, budget and constraint; models and loading stay."""
    shared = {name: getattr(leader.config, name) for name in SHARED}
    chosen = (leader.by_hand or frozenset()) & SHARED
    return [
        pane
        if pane.id == leader.id
        else replace(
            pane,
            config=replace(pane.config, **shared),
            by_hand=(pane.by_hand or frozenset()) - SHARED | chosen,
            constraint=leader.constraint,
        )
        for pane in panes
    ]


def are_same(panes: Sequence[Pane]) -> bool:
    """Whether all panes have the same of what can be the same for any models."""
    return not any(s.name in SHARED or s.name == CONSTRAINT for s in differing_settings(panes))


def repeatable(config: ModelConfig, seed: int) -> ModelConfig:
    """Nothing left to chance: the likeliest token always, one seed, and the same answer whatever else runs."""
    return replace(config, temperature=0.0, seed=seed, reproducible=True)


def spread(pane: Pane) -> list[Pane]:
    """One model at four temperatures; the first of the panes is the one that is there."""
    panes = []
    for position, temperature in enumerate(SPREAD_TEMPERATURES):
        config = replace(pane.config, temperature=temperature)
        by_hand = (pane.by_hand or frozenset()) | {"temperature"}
        one = replace(pane, config=config, by_hand=by_hand)
        panes.append(one if position == 0 else replace(one, id=Pane.new("").id))
    return panes


def differing_settings(panes: Sequence[Pane]) -> list[Setting]:
    """Every parameter that is not the same in all panes, in the order of ModelConfig."""
    found = []
    known = [_values(pane.config, pane.constraint) for pane in panes]
    for name in (*_NAMES, CONSTRAINT):
        values = [values[name] for values in known]
        if any(value != values[0] for value in values):
            found.append(Setting(name, tuple(shown(value) for value in values)))
    return found


def settings_of_answers(answers: Sequence[AnswerSnapshot]) -> list[Setting]:
    """As :func:`differing_settings`, of what was asked for then."""
    return differing_settings([pane_of(answer) for answer in answers])


def distinguishing(panes: Sequence[Pane]) -> list[tuple[tuple[str, str], ...]]:
    """For each pane what tells it from other panes of its model: names and values; nothing where it has none."""
    told = []
    for pane in panes:
        twins = [other for other in panes if other.target == pane.target]
        at = next(position for position, other in enumerate(twins) if other is pane)
        told.append(tuple((setting.name, setting.values[at]) for setting in differing_settings(twins)))
    return told


def labels(answers: Sequence[AnswerSnapshot]) -> list[str]:
    """Names of answers that stand side by side: the model's, and what tells it from others of the same model."""
    told = distinguishing([pane_of(answer) for answer in answers])
    return [
        " · ".join((answer.model_name, *(f"{name} {value}" for name, value in told[position])))
        for position, answer in enumerate(answers)
    ]


def pane_of(answer: AnswerSnapshot) -> Pane:
    """The pane as it was asked for an answer."""
    return Pane(answer.pane_id, answer.target, answer.config, constraint=answer.constraint)


def shown(value: Any) -> str:
    """A parameter's value in a few words."""
    if value is None or value in ("", ()):
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return cut_line(", ".join(map(repr, value)), MAX_VALUE_CHARS)
    if isinstance(value, Mapping):
        return cut_line(", ".join(f"{key}: {number:+g}" for key, number in value.items()), MAX_VALUE_CHARS)
    return cut_line(str(value), MAX_VALUE_CHARS)


def _values(config: ModelConfig, constraint: Constraint | None) -> dict[str, Any]:
    values = {name: getattr(config, name) for name in _NAMES}
    return {**values, CONSTRAINT: constraint and (constraint.regex or constraint.json_schema or constraint.lark)}
