"""From a click to the event loop, and from an error back to words on the page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import streamlit as st

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.markdown import bounded
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.workbench import get_workbench

T = TypeVar("T")

# Clicks start work, they never wait for an answer: a longer wait means that the loop is stuck.
TIMEOUT_S = 15.0
MAX_NOTICE_CHARS = 2000

logger = logging.getLogger(__name__)


def perform(work: Coroutine[Any, Any, T], run_id: str = "-", *, timeout_s: float = TIMEOUT_S) -> T | None:
    """Run ``work`` on the event loop. If it fails the reader is told why and None comes back."""
    try:
        return get_workbench().bridge.run(work, timeout_s=timeout_s)
    except MultiLLMError as exc:
        logger.info("refused: %s", exc, extra={"run": run_id})
        warn(refusal(exc))
    except TimeoutError:
        logger.error("no reply within %s s", timeout_s, extra={"run": run_id})
        warn(t("error.timeout", seconds=f"{timeout_s:.0f}"))
    return None


def attempt(work: Callable[[], T], run_id: str = "-") -> T | None:
    """As :func:`perform`, for short work that needs no event loop."""
    try:
        return work()
    except MultiLLMError as exc:
        logger.info("refused: %s", exc, extra={"run": run_id})
        warn(refusal(exc))
    return None


def refusal(error: MultiLLMError) -> str:
    """What went wrong in the reader's language, where that is known, and the details in the words of who refused."""
    key = f"error.title.{type(error).__name__}"
    why = said(str(error))
    return f"{t(key)}: {why}" if key in texts(current_language()) else why


def warn(text: str) -> None:
    """Say what went wrong, in a corner, over whatever page comes next."""
    st.session_state.setdefault("app_notices", []).append((text, ":material/error:"))


def inform(text: str) -> None:
    """Say what was done, in a corner."""
    st.session_state.setdefault("app_notices", []).append((text, ":material/check_circle:"))


def show_notices() -> None:
    """Show what was said since the last time; once in every run of a page and of a fragment."""
    for text, icon in st.session_state.pop("app_notices", []):
        st.toast(
            plain(bounded(text, MAX_NOTICE_CHARS)),
            icon=icon,
            duration="long" if icon == ":material/error:" else "short",
        )
