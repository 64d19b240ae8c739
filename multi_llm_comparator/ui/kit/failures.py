"""What failed, by the type of its error: what happened, what helps, and buttons to the pages where that is done."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

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
_ICONS = {"models": "deployed_code", "groups": "hub", "settings": "settings"}


def failure(error_type: str | None, text: str, title: str = "") -> str:
    """What went wrong as HTML; ``title`` where its type says less than the page knows."""
    return problem(title or error_title(error_type), text, _known("error.advice", error_type))


def error_title(error_type: str | None) -> str:
    """What happened, in a few words, by the type of the error."""
    return _known("error.title", error_type) or t("error.title.other")


def draw_ways_out(error_types: Iterable[str | None], key: str, *, here: str = "") -> None:
    """A button to each page where one of these errors is mended; none to the page that is ``here``."""
    pages = dict.fromkeys(page for kind in error_types for page in PLACES.get(kind or "", ()) if page != here)
    if not pages:
        return
    with st.container(horizontal=True, width="content", gap="small", key=f"ways_out_{key}"):
        for page in pages:
            if quiet_button(f"act.open_{page}", icon=_ICONS[page], key=f"{page}_{key}"):
                go_to(page)


def _known(section: str, error_type: str | None) -> str:
    key = f"{section}.{error_type}"
    return t(key) if key in texts(current_language()) else ""
