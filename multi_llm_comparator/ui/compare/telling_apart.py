"""Says in what the answers of one turn were asked otherwise: above them, and in each head where models are the same."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from multi_llm_comparator.comparison.fairness import distinguishing, pane_of, settings_of_answers
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.ui.kit.html_pieces import letter
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts

# Where the form's word is another than the parameter's.
_WORDS = {"torch_dtype": "dtype", "trust_remote_code": "trust"}


def parameter_name(name: str) -> str:
    """What a parameter is called on the page."""
    key = f"param.{_WORDS.get(name, name)}"
    return t(key) if key in texts(current_language()) else name


def told_apart(answers: Sequence[AnswerSnapshot]) -> list[str]:
    """For each answer what tells it from others of its model; "" where nothing has to."""
    told = distinguishing([pane_of(answer) for answer in answers])
    return [", ".join(f"{parameter_name(name)} {value}" for name, value in one) for one in told]


def differences_line(answers: Sequence[AnswerSnapshot]) -> str:
    """Parameters in which the panes were asked otherwise, each with all values, as HTML; "" where there are none."""
    settings = settings_of_answers(answers) if len(answers) > 1 else []
    if not settings:
        return ""
    parts = []
    for setting in settings:
        values = " · ".join(f"<b>{letter(i)}</b> {escape(value)}" for i, value in enumerate(setting.values))
        parts.append(f"<span>{escape(parameter_name(setting.name))}: {values}</span>")
    return f'<div class="mlc-differs"><i>{escape(t("fair.differs"))}</i>{"".join(parts)}</div>'
