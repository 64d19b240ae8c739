"""What browsers upload is held in memory by Streamlit until the session ends: together, too, it must stay bounded."""

from __future__ import annotations

from collections import Counter

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

PREFIX = "/_stcore/upload_file/"
MAX_SESSION_BYTES = 96 * 2**20
MAX_ALL_BYTES = 384 * 2**20


class UploadBudget:
    """ASGI middleware: refuses an upload that takes its session, or all sessions, beyond what they may hold."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        # Of each session, what is on its way.
        self._arriving: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PUT" or PREFIX not in scope["path"]:
            await self._inner(scope, receive, send)
            return
        session = scope["path"].partition(PREFIX)[2].partition("/")[0]
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            # Browsers say it; without it nothing could be refused before it is here.
            await PlainTextResponse("say how large the upload is (Content-Length)", 411)(scope, receive, send)
            return
        size = int(length)
        if refusal := self._refusal(session, size):
            await PlainTextResponse(refusal, 413)(scope, receive, send)
            return
        self._arriving[session] += size
        try:
            await self._inner(scope, receive, send)
        finally:
            self._arriving[session] -= size
            if not self._arriving[session]:
                del self._arriving[session]

    def _refusal(self, session: str, size: int) -> str | None:
        held = held_bytes()
        if held[session] + self._arriving[session] + size > MAX_SESSION_BYTES:
            most = MAX_SESSION_BYTES >> 20
            return f"this page has uploaded files of {most} MiB together, and no more are held: reload it to begin anew"
        if held.total() + self._arriving.total() + size > MAX_ALL_BYTES:
            return f"all open pages together hold uploads of {MAX_ALL_BYTES >> 20} MiB: close those that are done"
        return None


def held_bytes() -> Counter[str]:
    """By session, how many bytes of uploads are in memory."""
    manager = Runtime.instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    held: Counter[str] = Counter()
    for session, files in list(manager.file_storage.items()):
        held[session] = sum(len(file.data) for file in list(files.values()))
    return held
