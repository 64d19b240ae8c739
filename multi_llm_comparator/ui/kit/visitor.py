"""Who looks at a page, as the gate told it, and what of the pages is theirs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from multi_llm_comparator.core.callers import OPEN, Caller, current_caller, look_for_callers_by
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.core.page_headers import CALLER_HEADER, NAME_HEADER, SCOPES_HEADER
from multi_llm_comparator.tracking.api_keys import ApiKey
from multi_llm_comparator.workbench import get_workbench

# Pages that are not about this machine's models, files and settings: a workspace is offered no others.
WORKSPACE_PAGES = ("compare", "vote", "plans", "cooperate", "services", "history", "usage")
# Who came past the gate, or not by it, is nobody.
NOBODY = Caller("-", "-", frozenset())
# How long it is believed who a visitor is, and what a key may.
BELIEVED_S, MAX_REMEMBERED = 2.0, 1000
T = TypeVar("T")


class _Remembered(Generic[T]):
    """What was found a moment ago, by name."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def get(self, name: str, find: Callable[[str], T]) -> T:
        with self._lock:
            known = self._known.get(name)
        if known is not None and time.monotonic() - known[0] < BELIEVED_S:
            return known[1]
        found = find(name)
        with self._lock:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[name] = (time.monotonic(), found)
        return found

    def last(self, name: str, otherwise: T) -> T:
        """What was found last, however long ago."""
        with self._lock:
            return self._known.get(name, (0.0, otherwise))[1]

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


_keys: _Remembered[ApiKey | None] = _Remembered()
_sessions: _Remembered[Caller] = _Remembered()


def visitor() -> Caller:
    """For whom the page is drawn."""
    return current_caller()


def offers(page: str) -> bool:
    """Whether the visitor is offered a page."""
    return visitor().is_admin or page in WORKSPACE_PAGES


def may_ask(name: str) -> bool:
    """Whether the visitor may ask a model, group or cooperation of this name."""
    return visitor().limits.may_ask(name)


def caller_name(caller_id: str) -> str:
    """What the callers of runs are called: keys by their names."""
    if caller_id.startswith(("jwt:", "oidc:")):
        return caller_id.partition(":")[2]
    try:
        key = _key(caller_id)
    except StoreError:
        key = None
    return key.name if key is not None else caller_id


def forget() -> None:
    """Look again who visitors are."""
    _keys.clear()
    _sessions.clear()


def _looked_for() -> Caller | None:
    """Whom the running script draws for; None outside of one, and where a test runs it without a browser."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    headers = st.context.headers
    if headers:
        return _sessions.get(context.session_id, lambda _: _told(headers))
    # A browser that went away while its page was drawn leaves none behind: the page stays whose it was.
    is_real = type(runtime.get_instance()) is runtime.Runtime
    return _sessions.last(context.session_id, NOBODY) if is_real else None


def _told(headers: Mapping[str, str]) -> Caller:
    """Whom the headers of a page name. A key is as of a moment ago: a session that is open when it is revoked shows
    nothing any more."""
    if CALLER_HEADER not in headers:
        return NOBODY
    caller_id, name = unquote(headers[CALLER_HEADER]), unquote(headers[NAME_HEADER])
    scopes = frozenset(headers[SCOPES_HEADER].split())
    if "admin" in scopes:
        return OPEN if not caller_id else Caller(caller_id, name, scopes, OPEN.limits)
    if caller_id.startswith("jwt:"):
        return Caller(caller_id, name, scopes)
    key = _key(caller_id)
    if key is None or key.state != "valid":
        return NOBODY
    return Caller(key.id, key.name, key.scopes & scopes, key.limits)


def _key(key_id: str) -> ApiKey | None:
    return _keys.get(key_id, get_workbench().store.api_keys.get)


look_for_callers_by(_looked_for)
