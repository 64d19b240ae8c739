from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.services import hub_worker
from tests.support.hub_server import COMMIT, HubServer, serving


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test of this process may have imported what keeps model processes offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, clock: Any) -> Any:
    """Fetch one file under this clock; what was told, in order."""
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(hub_worker, "now", clock)
    monkeypatch.setattr(hub_worker, "tell", lambda kind, **said: told.append((kind, said)))
    with serving(HubServer({"org/one": {"one.gguf": content}})) as hub:
        request = {
            "repo_id": "org/one",
            "commit": COMMIT,
            "endpoint": hub.url,
            "folder": str(tmp_path),
            "files": [{"name": "one.gguf", "size_bytes": len(content), "sha256": None}],
        }
        hub_worker.Download(request).run()
    assert told.pop() == ("result", {})
    return [(said["state"], said["done_bytes"]) for _, said in told]


def test_first_bytes_are_told_however_soon_they_come_after_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(8 * hub_worker.PIECE_BYTES)
    told = download(tmp_path, monkeypatch, content, lambda: 5.0)
    assert told[0] == ("running", 0)
    (middle,) = told[1:-1]
    assert middle[0] == "running"
    assert 0 < middle[1] <= hub_worker.PIECE_BYTES
    assert told[-1] == ("checking", len(content))


def test_every_piece_is_told_when_time_passes_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(8 * hub_worker.PIECE_BYTES)
    told = download(tmp_path, monkeypatch, content, itertools.count(step=1.0).__next__)
    done = [size for _, size in told]
    assert done == sorted(done)
    assert len(set(done)) > 8


@contextmanager
def beginning_afresh(*bodies: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that knows no ranges: it answers with one whole body after the other, the last one again and again."""
    given: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(bodies[min(len(given), len(bodies) - 1)])
            self.send_response(200)
            self.send_header("Content-Length", str(len(given[-1])))
            self.end_headers()
            self.wfile.write(given[-1])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", given
        finally:
            server.shutdown()
            thread.join()


def fetch_100_bytes(url: str, folder: Path) -> None:
    files = [{"name": "one.gguf", "size_bytes": 100, "sha256": None}]
    request = {"repo_id": "org/one", "commit": COMMIT, "endpoint": url, "folder": str(folder), "files": files}
    hub_worker.Download(request).run()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two failures in a row are enough, so that nothing waits between them."""
    monkeypatch.setattr(hub_worker, "TRIES", 1)
    monkeypatch.setattr(hub_worker, "tell", lambda kind, **said: None)


@pytest.mark.parametrize("lengths", [(50,), (50, 60, 50, 60, 50)])
def test_a_file_that_stays_shorter_than_it_was_listed_is_given_up_as_damaged(
    tmp_path: Path, impatient: None, lengths: tuple[int, ...]
) -> None:
    with beginning_afresh(*map(bytes, lengths)) as (url, given), pytest.raises(hub_worker.DamagedFileError):
        fetch_100_bytes(url, tmp_path)
    assert len(given) <= len(lengths) + 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_has_no_more_of_a_file_is_given_up_as_well(tmp_path: Path, impatient: None) -> None:
    hub = HubServer({"org/one": {"one.gguf": bytes(50)}})
    with serving(hub), pytest.raises(hub_worker.DamagedFileError):
        fetch_100_bytes(hub.url, tmp_path)
    assert [wanted for _, _, wanted in hub.requests] == [None, "bytes=50-"]


def test_a_file_that_grows_with_each_answer_is_fetched_to_its_end(tmp_path: Path, impatient: None) -> None:
    with beginning_afresh(*map(bytes, (10, 20, 30, 40, 100))) as (url, given):
        fetch_100_bytes(url, tmp_path)
    assert len(given) == 5
    assert (tmp_path / "one.gguf").read_bytes() == bytes(100)
