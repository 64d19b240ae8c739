"""The options of a tuning: what is suggested for this model and data, and what the reader changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision

Kind = Literal["real", "whole", "choice", "switch", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """How one option is shown. ``choices`` of a ``choice``; ``form`` and ``step`` of a number; ``can_be_off``: a whole
    number that may also be none."""

    name: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    form: str | None = None
    step: float = 1
    can_be_off: bool = False


# In the order of the menu: what is changed most often first, by groups with a heading each.
GROUPS: Mapping[str, tuple[Field, ...]] = {
    "learning": (
        Field("method", "choice", choices=("lora", "qlora", "dpo")),
        Field("epochs", "real", form="%.2f", step=0.5),
        Field("learning_rate", "real", form="%.1e", step=1e-5),
        Field("schedule", "choice", choices=("cosine", "linear", "constant")),
        Field("warmup_share", "real", form="%.2f", step=0.01),
        Field("batch_size", "whole"),
        Field("accumulation", "whole"),
        Field("seed", "whole"),
    ),
    "adapter": (
        Field("rank", "whole"),
        Field("alpha", "real", form="%.0f", step=1, can_be_off=True),
        Field("dropout", "real", form="%.2f", step=0.01),
        Field("weight_decay", "real", form="%.3f", step=0.005),
        Field("targets", "text"),
    ),
    "computing": (
        Field("max_tokens", "whole", step=64),
        Field("packing", "switch"),
        Field("pack_tokens", "whole", step=256),
        Field("precision", "choice", choices=("auto", "float32", "bfloat16")),
        Field("checkpointing", "choice", choices=("auto", True, False)),
    ),
    "watching": (
        Field("evaluate_every", "whole", can_be_off=True),
        Field("early_stopping_patience", "whole", can_be_off=True),
        Field("keep_best", "switch"),
        Field("sample_tokens", "whole"),
        Field("mlflow_uri", "text"),
    ),
}
FIELDS: Mapping[str, Field] = {field.name: field for group in GROUPS.values() for field in group}
# What stands for "none" in an option that has it.
_NONE: Mapping[str, Any] = {"evaluate_every": "auto"}


def draw_options(options: TuningOptions, suggested: TuningOptions) -> None:
    """All options, with what they are now; what differs from the suggestion can be taken back at once."""
    changed = [name for name in current_draft().changes if name in FIELDS]
    quiet_button("tune.options_reset", _reset, icon="restart_alt", key="tune_options_reset", disabled=not changed)
    for group, fields in GROUPS.items():
        st.markdown(f"**{t(f'tune.group_{group}')}**")
        columns = st.columns(2, gap="small")
        for place, field in enumerate(fields):
            with columns[place % 2]:
                _draw_field(field, getattr(options, field.name), getattr(suggested, field.name))


def _reset() -> None:
    change_draft(changes={})
    st.session_state["tune_options_made"] = _made() + 1


def _made() -> int:
    return int(st.session_state.get("tune_options_made", 0))


def _draw_field(field: Field, value: Any, suggested: Any) -> None:
    name, label, why = field.name, t(f"tune.option_{field.name}"), t(f"tune.option_{field.name}_why")
    key = f"tune_option_{name}_{draft_revision()}_{_made()}"

    def changed() -> None:
        set_option(name, read(field, st.session_state[key]), suggested)

    if field.kind == "choice":
        st.selectbox(
            label,
            list(field.choices),
            field.choices.index(value) if value in field.choices else 0,
            key=key,
            format_func=lambda choice: choice_name(name, choice),
            help=why,
            on_change=changed,
        )
    elif field.kind == "switch":
        st.toggle(label, bool(value), key=key, help=why, on_change=changed)
    elif field.kind == "text":
        said = ", ".join(value) if isinstance(value, tuple) else value or ""
        st.text_input(label, said, key=key, help=why, max_chars=2000, on_change=changed)
    else:
        _draw_number(field, value, label, why, key, changed)


def _draw_number(field: Field, value: Any, label: str, why: str, key: str, changed: Any) -> None:
    low, high = bounds(field.name)
    now = None if value in (None, "auto") else value
    placeholder = t("tune.option_auto") if field.can_be_off else None
    number: Any = int if field.kind == "whole" else float
    least, most, step = number(low), number(high), number(field.step)
    shown = None if now is None else number(now)
    given: dict[str, Any] = {"key": key, "placeholder": placeholder, "help": why, "on_change": changed}
    st.number_input(label, least, most, shown, step, format=field.form, **given)


def choice_name(option: str, value: Any) -> str:
    """What a choice is called: methods and schedules by their own names, the rest in the reader's language."""
    return t(f"tune.choice_{option}_{str(value).lower()}")


def read(field: Field, value: Any) -> Any:
    """What a widget's value means as an option."""
    if field.name == "targets":
        return tuple(filter(None, (part.strip() for part in value.split(","))))
    if field.kind == "text":
        return value.strip() or None
    return _NONE.get(field.name) if value is None else value


def set_option(name: str, value: Any, suggested: Any) -> None:
    """Change one option; one that is as suggested follows the suggestion again."""
    changes = {other: kept for other, kept in current_draft().changes.items() if other != name}
    change_draft(changes=changes if value == suggested else {**changes, name: value})


def bounds(name: str) -> tuple[float, float]:
    """The least and the most that an option may be, as its model says."""
    limits: dict[str, float] = {}
    for piece in _constraints(TuningOptions.model_fields[name]):
        for limit in ("ge", "gt", "le", "lt"):
            if (at := getattr(piece, limit, None)) is not None:
                limits[limit] = float(at)
    low = limits.get("ge", limits.get("gt", 0.0))
    high = limits.get("le", limits["lt"] - 1 if "lt" in limits else float(2**31))
    return low, min(high, float(2**53 - 1))


def _constraints(field: Any) -> list[Any]:
    """Of an option that may also be a word or none, those of its number."""
    found = [*field.metadata]
    for argument in getattr(field.annotation, "__args__", ()):
        for piece in getattr(argument, "__metadata__", ()):
            found += getattr(piece, "metadata", [piece])
    return found
