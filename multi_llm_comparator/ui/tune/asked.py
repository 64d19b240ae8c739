"""Work that this page waits for, done elsewhere: looked at again with each run of the page, never waited for long."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from html import escape
from typing import Any, Generic, TypeVar

import streamlit as st

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.workbench import get_workbench

T = TypeVar("T")
Known = TypeVar("Known", covariant=True)
# So long a run of the page waits for what is nearly there: what is quick appears at once, without a second drawing.
PATIENCE_S = 0.6
POLL_S = 0.5
_ASKED = "tune_asked"


@dataclass(frozen=True)
class Asked(Generic[Known]):
    """What is known of a piece of work: its ``value``, or why it failed, or neither yet. ``told`` is how far it is."""

    value: Known | None = None
    error: MultiLLMError | None = None
    told: str = ""

    @property
    def is_pending(self) -> bool:
        return self.value is None and self.error is None


class _Work:
    def __init__(self, key: str) -> None:
        self.key, self.told = key, ""
        self.future: Future[Any] | None = None
        # Whether this run of the page drew that it is not there yet.
        self.is_missed = False

    def tell(self, text: str) -> None:
        self.told = text


def asked(name: str, key: str, work: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]]) -> Asked[T]:
    """The result of ``work``, which is begun once for each ``key``; the one before of this ``name`` is cancelled.

    Args:
        name: what it is for; a session has one piece of work for each name.
        key: tells this piece of work from others of its name.
        work: makes the coroutine, given a function that tells how far it is.
    """
    kept: dict[str, _Work] = st.session_state.setdefault(_ASKED, {})
    now = kept.get(name)
    if now is None or now.key != key:
        if now is not None and now.future is not None:
            now.future.cancel()
        now = kept[name] = _Work(key)
        now.future = get_workbench().bridge.submit(work(now.tell))
    assert now.future is not None
    wait([now.future], PATIENCE_S)
    now.is_missed = not now.future.done()
    if now.is_missed:
        return Asked(told=now.told)
    try:
        return Asked(value=now.future.result())
    except CancelledError:
        # The next run of the page begins it anew.
        now.key, now.is_missed = "", True
        return Asked(told=now.told)
    except MultiLLMError as exc:
        return Asked(error=exc)


def forget(name: str) -> None:
    """Have it done anew when it is asked for next."""
    st.session_state.get(_ASKED, {}).pop(name, None)


def watch() -> None:
    """Draw the page anew when something that it misses has come. To be called once, where its words may stand."""
    # Also what came since its place was drawn: nothing else would draw that place again.
    pending = [work for work in st.session_state.get(_ASKED, {}).values() if work.is_missed]
    if not pending:
        return
    for work in pending:
        work.is_missed = False

    @st.fragment(run_every=POLL_S)
    def poll() -> None:
        show_notices()
        if not all(map(_is_running, pending)):
            st.rerun()
        if told := [escape(work.told) for work in pending if work.told]:
            st.html(f'<div class="mlc-muted">{"<br>".join(told)}</div>')

    poll()


def _is_running(work: _Work) -> bool:
    return work.future is not None and not work.future.done()
