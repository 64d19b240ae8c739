from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from multi_llm_comparator.comparison.importing import MAX_IMPORT_BYTES
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.ui.kit import uploads
from multi_llm_comparator.ui.kit.uploads import PREFIX, UploadBudget

ROOT = Path(__file__).parents[3]


class Held:
    """A runtime as far as uploads are concerned."""

    def __init__(self) -> None:
        self.uploaded_file_mgr = MemoryUploadedFileManager("/upload")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    held = Held()
    monkeypatch.setattr(Runtime, "_instance", held)
    monkeypatch.setattr(uploads, "MAX_SESSION_BYTES", 3 << 20)
    monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 5 << 20)
    return held.uploaded_file_mgr


def hold(manager: MemoryUploadedFileManager, session: str, size: int) -> None:
    manager.add_file(session, UploadedFileRec(f"f{size}", "runs.json", "application/json", bytes(size)))


async def upload(session: str, length: int | None, method: str = "PUT") -> tuple[int, str]:
    """The status and text of the answer; 200 is what stands behind the budget."""
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": f"{PREFIX}{session}/f1", "headers": headers}
    await UploadBudget(inner)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def test_a_session_may_hold_so_much_and_no_more(manager: MemoryUploadedFileManager) -> None:
    hold(manager, "s", 2 << 20)
    assert (await upload("s", 1 << 20))[0] == 200
    status, said = await upload("s", (1 << 20) + 1)
    assert (status, "this page has uploaded files of 3 MiB together" in said) == (413, True)
    assert (await upload("other", 2 << 20))[0] == 200


async def test_all_sessions_together_are_bounded_too(manager: MemoryUploadedFileManager) -> None:
    for session in ("a", "b"):
        hold(manager, session, 2 << 20)
    status, said = await upload("c", 2 << 20)
    assert (status, "all open pages together" in said) == (413, True)


async def test_what_does_not_say_how_large_it_is_is_refused(manager: MemoryUploadedFileManager) -> None:
    assert (await upload("s", None))[0] == 411
    assert (await upload("s", None, method="DELETE"))[0] == 200


def test_what_the_pages_promise_is_what_streamlit_takes() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] << 20 == MAX_UPLOAD_BYTES == MAX_IMPORT_BYTES
