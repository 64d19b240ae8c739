"""One column of a comparison: which model answers there, and how."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from multi_llm_comparator.comparison.limits import MAX_PANES, MAX_PROMPT_CHARS, MAX_TARGET_CHARS
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ConfigurationError, InvalidParameterError

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What only fits the very model that it was chosen for.
OF_ONE_MODEL = frozenset({"trust_remote_code", "eos_token_id", "pad_token_id", "adapter_scale", "logit_bias"})


@dataclass(frozen=True, slots=True)
class Pane:
    """A column. ``target`` is a model's id or name, or a group of models; ``config`` is the pane's own copy.

    Two panes may have one model. ``by_hand`` names the parameters that a person chose; None where no account of it was
    kept, as in runs of earlier versions. ``constraint`` is what its answers are held to.
    """

    id: str
    target: str
    config: ModelConfig = field(default_factory=ModelConfig)
    by_hand: frozenset[str] | None = None
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", replace(self.config))

    @classmethod
    def new(cls, target: str, config: ModelConfig | None = None) -> Pane:
        """A pane with an id that no other has."""
        return cls(uuid.uuid4().hex[:8], target, config or ModelConfig())

    def set_by_hand(self, recommended: ModelConfig) -> frozenset[str]:
        """The parameters that a person chose; without an account, those that are not as was recommended."""
        return differing(self.config, recommended) if self.by_hand is None else self.by_hand

    def with_parameters(self, config: ModelConfig, by_hand: frozenset[str]) -> Pane:
        """The pane with other parameters, ``by_hand`` of which a person chose.

        Unless it is among them, ``reproducible`` is on where temperature 0 or a seed was chosen: who asks for what can
        be repeated wants it repeated.
        """
        if "reproducible" not in by_hand:
            is_meant_to_repeat = config.seed is not None or (config.is_greedy and "temperature" in by_hand)
            config = replace(config, reproducible=is_meant_to_repeat)
        return replace(self, config=config, by_hand=by_hand)

    def with_model(
        self, target: str, before: ModelConfig, after: ModelConfig, shared: frozenset[str] = frozenset()
    ) -> Pane:
        """The pane with another model: what a person chose stays, the rest is as is recommended for the new one.

        Args:
            target: the new model.
            before: what was recommended for the old one.
            after: what is recommended for the new one.
            shared: what stays although nobody chose it, because all panes have it.
        """
        kept = self.set_by_hand(before) - OF_ONE_MODEL
        config = replace(after, **{name: getattr(self.config, name) for name in kept | shared})
        changed = replace(self, target=target)
        return replace(changed, config=config, by_hand=kept) if shared else changed.with_parameters(config, kept)


def differing(one: ModelConfig, other: ModelConfig) -> frozenset[str]:
    """The names of the parameters in which two configurations differ."""
    return frozenset(f.name for f in fields(ModelConfig) if getattr(one, f.name) != getattr(other, f.name))


def check_panes(panes: Sequence[Pane]) -> tuple[Pane, ...]:
    """Check what a comparison is to be made of.

    Raises:
        ConfigurationError: none, more than MAX_PANES, two with one id, or an id or target that cannot be.
        InvalidParameterError: a parameter out of its range.
    """
    if not 1 <= len(panes) <= MAX_PANES:
        raise ConfigurationError(f"a comparison has 1 to {MAX_PANES} panes, not {len(panes)}")
    ids = [pane.id for pane in panes]
    if len(set(ids)) != len(ids):
        raise ConfigurationError(f"two panes have the same id in {ids!r}; give each its own")
    for pane in panes:
        _check_pane(pane)
    return tuple(panes)


def _check_pane(pane: Pane) -> None:
    if not _ID.fullmatch(pane.id):
        raise ConfigurationError(f"pane id {pane.id!r} must be 1 to 40 letters, digits, '-' or '_'")
    if not 0 < len(pane.target) <= MAX_TARGET_CHARS:
        raise ConfigurationError(f"pane {pane.id!r} names no model: choose one (at most {MAX_TARGET_CHARS} characters)")
    if len(pane.config.system_prompt) > MAX_PROMPT_CHARS:
        raise InvalidParameterError(f"system_prompt must have at most {MAX_PROMPT_CHARS} characters")
    pane.config.validate()
