"""What failed, by the type of its error: what happened, what helps, and buttons to the pages where that is done."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from multi_llm_comparator.core.exceptions import kind_of_all
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.navigation import go_to

# Where it is mended. An endpoint's key is kept in the settings, its address and limits stand with the groups.
_ENDPOINT = ("groups",)
PLACES: dict[str, tuple[str, ...]] = {
    "ModelNotFoundError": ("models",),
    "ModelLoadError": ("models",),
    "UnsupportedModelError": ("models",),
    "InsufficientMemoryError": ("models",),
    "KeyRefusedError": ("settings", "groups"),
    "RateLimitedError": _ENDPOINT,
    "ProviderUnavailableError": _ENDPOINT,
    "FirstTokenTimeoutError": _ENDPOINT,
    "CircuitOpenError": _ENDPOINT,
    "NoModelAvailableError": _ENDPOINT,
    "BudgetExceededError": _ENDPOINT,
}
# The type of an error, and who failed with it: a model, or what was asked where no model had been chosen yet.
Failed = tuple[str | None, str | None]
_ICONS = {"models": "deployed_code", "groups": "hub", "settings": "settings"}


def failure(error_type: str | None, text: str, title: str = "") -> str:
    """What went wrong as HTML; ``title`` where its type says less than the page knows."""
    return problem(title or error_title(error_type), text, _known("error.advice", error_type))


def error_title(error_type: str | None) -> str:
    """What happened, in a few words, by the type of the error."""
    return _known("error.title", error_type) or t("error.title.other")


def failed_with(progress: AnswerProgress, target: str) -> Failed:
    """What an answer failed with, and who: of a group that was asked, the model that was tried last."""
    return progress.error_type, progress.answered_by or target


def draw_ways_out(failed: Iterable[Failed], key: str, *, here: str = "") -> None:
    """A button to each page where one of these errors is mended; none to the page that is ``here``. Groups opens at
    the entry of who failed first."""
    pages: dict[str, str] = {}
    for kind, who in failed:
        for page in PLACES.get(kind or "", ()):
            if page != here:
                pages[page] = pages.get(page) or who or ""
    if not pages:
        return
    with st.container(horizontal=True, width="content", gap="small", key=f"ways_out_{key}"):
        for page, who in pages.items():
            if quiet_button(f"act.open_{page}", icon=_ICONS[page], key=f"{page}_{key}"):
                go_to(page, **({"entry": who} if page in _ENDPOINT and who else {}))


def draw_failed_run(title: str, text: str, failed: Iterable[Failed], key: str) -> None:
    """Why a whole run failed, what helps if all of it ``failed`` alike, and where that is mended."""
    failed = list(dict.fromkeys(failed))
    st.html(failure(kind_of_all(kind or "" for kind, _ in failed), text, title))
    draw_ways_out(failed, key)


def _known(section: str, error_type: str | None) -> str:
    key = f"{section}.{error_type}"
    return t(key) if key in texts(current_language()) else ""
