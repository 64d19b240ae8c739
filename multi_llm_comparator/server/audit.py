"""Who did what, as a log of its own: requests that ask or change something, and refused ones; never their contents."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from starlette.types import Message, Scope, Send

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.log_file import LogFile
from multi_llm_comparator.server.api.request_ids import request_id_of
from multi_llm_comparator.server.callers import caller_of

MAX_BYTES, BACKUPS = 4 * 1024 * 1024, 4
MAX_PATH_CHARS = 200
_REFUSED = (401, 403, 429)
# Streamlit's own, many a minute: they move pages and uploads and change nothing by themselves.
_OF_PAGES = "/_stcore/"

log = logging.getLogger("multi_llm_comparator.audit")
log.propagate = False


def keep_audit(path: Path) -> None:
    """Have it written to ``path``, one JSON object a line, in a bounded number of files.

    Raises:
        OSError: the file cannot be opened.
    """
    handler = LogFile(path, max_bytes=MAX_BYTES, backups=BACKUPS)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def audited(scope: Scope, send: Send) -> Send:
    """``send``, and one line when the response begins: its status, after so many seconds."""
    if scope["path"].startswith(_OF_PAGES):
        return send
    began_at = time.monotonic()

    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = int(message["status"])
            if scope["method"] not in ("GET", "HEAD", "OPTIONS") or status in _REFUSED:
                _note(scope, status, time.monotonic() - began_at)
        await send(message)

    return noted


def _note(scope: Scope, status: int, seconds: float) -> None:
    caller = caller_of(scope)
    note(
        "request",
        caller=caller.id,
        name=caller.name,
        method=scope["method"],
        path=scope["path"][:MAX_PATH_CHARS],
        status=status,
        seconds=round(seconds, 3),
        address=(scope.get("client") or ("",))[0],
        request=request_id_of(scope),
    )


def note(event: str, **about: str | int | float | None) -> None:
    """One line. Values are short and no contents."""
    if log.handlers:
        log.info(json.dumps({"at": round(now(), 3), "event": event, **about}, ensure_ascii=True))
