from __future__ import annotations

import itertools

from multi_llm_comparator.services import hub_worker
from tests.support.hub_server import COMMIT, HubServer, serving


def download(tmp_path, monkeypatch, content, clock):
    """Fetch one file under this clock; what was told, in order."""
    told = []
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


def test_first_bytes_are_told_however_soon_they_come_after_the_connection(tmp_path, monkeypatch):
    content = bytes(8 * hub_worker.PIECE_BYTES)
    told = download(tmp_path, monkeypatch, content, lambda: 5.0)
    assert told[0] == ("running", 0)
    (middle,) = told[1:-1]
    assert middle[0] == "running"
    assert 0 < middle[1] <= hub_worker.PIECE_BYTES
    assert told[-1] == ("checking", len(content))


def test_every_piece_is_told_when_time_passes_between_them(tmp_path, monkeypatch):
    content = bytes(8 * hub_worker.PIECE_BYTES)
    told = download(tmp_path, monkeypatch, content, itertools.count(step=1.0).__next__)
    done = [size for _, size in told]
    assert done == sorted(done)
    assert len(set(done)) > 8
