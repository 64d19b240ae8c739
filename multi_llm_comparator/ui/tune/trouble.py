"""What went wrong with a job, and the next step as a button."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot, Trouble
from multi_llm_comparator.ui.kit.buttons import main_button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.tune.again import duplicate, with_less_memory

# By the type of the error: what helps.
_MEMORY = ("InsufficientMemoryError", "ModelProcessOverLimit")
_DATA = ("DocumentError",)


def draw_trouble(job: JobSnapshot) -> None:
    """Nothing for a job that runs or is done; what happened to the others, and what one can do about it."""
    if job.state == "interrupted":
        st.warning(t("tune.interrupted"), icon=":material/power_off:")
        return
    if job.state != "failed" or job.error is None:
        return
    known = f"error.title.{job.error.type}"
    title = t(known if known in texts(current_language()) else "tune.failed")
    st.html(problem(title, job.error.text))
    with st.container(horizontal=True, key="tune_next_step"):
        if _is_about_memory(job.error):
            _button("less_memory", "compress", with_less_memory, job)
        elif job.error.type in _DATA:
            _button("change_data", "dataset", duplicate, job)
        else:
            _button("change", "content_copy", duplicate, job)


def _is_about_memory(error: Trouble) -> bool:
    """A training that ran out of memory on its way is a failed training, which says so."""
    return error.type in _MEMORY or (error.type == "TrainingError" and "memory" in error.text)


def _button(name: str, icon: str, act: Callable[[JobSnapshot], object], job: JobSnapshot) -> None:
    main_button(f"tune.next_{name}", act, job, icon=icon, key=f"tune_next_{name}", why=True)
