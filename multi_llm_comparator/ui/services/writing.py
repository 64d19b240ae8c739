"""Answers on their way, of a service at work: which step each belongs to, for how long, and what it says so far."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.applications.so_far import Writing
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.markdown import bounded

# The latest lines of each answer: more would move the page as it grows.
SHOWN_LINES = 4
MAX_LINE_CHARS = 300


def draw_writing(answers: tuple[Writing, ...]) -> None:
    """What is being written, readable; and all of it as the model wrote it, for who opens that."""
    if answers:
        st.html("".join(_step(answer) for answer in answers))
    if any(answer.text for answer in answers):
        with st.expander(t("services.as_written"), icon=":material/data_object:", key="services_as_written"):
            for answer in answers:
                st.code(answer.text, language=None, wrap_lines=True)


def _step(answer: Writing) -> str:
    facts = [step_name(answer.key), t(f"state.{answer.state}"), say.seconds(answer.for_s)]
    if answer.tokens:
        facts.append(tn("services.tokens", answer.tokens))
    *before, latest = answer.lines[-SHOWN_LINES:] or [""]
    # The latest one grows: its end is what is new.
    shown = [*(cut_line(line, MAX_LINE_CHARS) for line in before), bounded(latest, MAX_LINE_CHARS, from_end=True)]
    lines = "".join(f"<p>{escape(line)}</p>" for line in shown if line)
    return f'<div class="mlc-services-writing"><b>{escape(" · ".join(facts))}</b>{lines}</div>'


def step_name(key: str) -> str:
    """What a question is for, by its key in the run: ``part.3``, ``sum.0.1``, ``wording``."""
    kind, _, number = key.partition(".")
    return t(f"services.step_{kind}", n=number)
