"""What went wrong with a job, and the next step as a button."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot, Trouble
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.tune.again import duplicate, with_less_memory
from multi_llm_comparator.ui.tune.jobs import resume

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
            _button("less_memory", ":material/compress:", with_less_memory, job)
        elif job.error.type in _DATA:
            _button("change_data", ":material/dataset:", duplicate, job)
        else:
            _button("change", ":material/content_copy:", duplicate, job)
        quiet_button("tune.resume", resume, job.id, icon="resume", key="tune_next_resume", why=True)


def _is_about_memory(error: Trouble) -> bool:
    """A training that ran out of memory on its way is a failed training, which says so."""
    return error.type in _MEMORY or (error.type == "TrainingError" and "memory" in error.text)


def _button(name: str, icon: str, act: object, job: JobSnapshot) -> None:
    st.button(
        t(f"tune.next_{name}"),
        icon=icon,
        type="primary",
        key=f"tune_next_{name}",
        help=t(f"tune.next_{name}_why"),
        on_click=act,  # type: ignore[arg-type]
        args=(job,),
    )
