"""A server on this machine that speaks the part of the Hub's API that downloads use."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

COMMIT = "c" * 40
PIECE = 64 * 1024


@dataclass
class HubServer:
    """Repositories to serve, and what shall go wrong. ``requests`` is what was asked, as (method, path, Range)."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    stall_after: dict[str, int] = field(default_factory=dict)
    packed: dict[str, bytes] = field(default_factory=dict)  # by file or repository: sent as gzip
    damaged: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    going_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def listing(self, repo: str) -> dict[str, Any]:
        files = self.repositories[repo]
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(content).hexdigest(),
                "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134},
            }
            for name, content in files.items()
        ]
        return {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "gated": False, "siblings": siblings}


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """Serve ``hub`` while the block runs; its address is in ``hub.url``."""

    class Handler(_Handler):
        server_hub = hub

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.going_on.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.server_hub, self.path.partition("?")[0]
        hub.requests.append((self.command, path, self.headers.get("Range")))
        if path == "/api/models":
            self._send(200, json.dumps(self._hits()).encode(), {"Content-Type": "application/json"}, with_body)
            return
        if path.startswith(("/api/models/", "/api/datasets/")):
            repo = path.split("/", 3)[3].partition("/revision/")[0]
            if self._refused(repo):
                return
            if (body := hub.packed.get(repo)) is not None:
                self._send(200, body, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, with_body)
                return
            self._send(200, json.dumps(hub.listing(repo)).encode(), {"Content-Type": "application/json"}, with_body)
            return
        repo, _, rest = path.lstrip("/").removeprefix("datasets/").partition("/resolve/")
        name = rest.partition("/")[2]
        if not self._refused(repo):
            self._send_file(name, hub.repositories[repo].get(name), with_body)

    def _hits(self) -> list[dict[str, Any]]:
        """What the Hub answers to a search with ``expand``: repositories whose name has the words."""
        asked = parse_qs(self.path.partition("?")[2])
        words = asked.get("search", [""])[0].lower().split()
        limit = int(asked.get("limit", ["1000"])[0])
        found = [repo for repo in self.server_hub.repositories if all(word in repo.lower() for word in words)]
        return [
            {
                "_id": "1",
                "id": repo,
                "modelId": repo,
                "downloads": 1000 - number,
                "likes": number,
                "gated": False,
                "tags": ["gguf", "license:apache-2.0"],
                "lastModified": "2026-01-02T03:04:05.000Z",
            }
            for number, repo in enumerate(found[:limit])
        ]

    def _refused(self, repo: str) -> bool:
        code, error = self.server_hub.refusals.get(repo, (0, ""))
        if not code and repo not in self.server_hub.repositories:
            code, error = 404, "RepoNotFound"
        if code:
            self._send(code, b"{}", {"X-Error-Code": error, "X-Error-Message": error}, True)
        return bool(code)

    def _send_file(self, name: str, content: bytes | None, with_body: bool) -> None:
        if content is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        if (body := self.server_hub.packed.get(name)) is not None:
            content, headers["Content-Encoding"] = body, "gzip"
        if name in self.server_hub.damaged:
            content = bytes(len(content))
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if wanted else 200, content[start:], headers, with_body, name)

    def _send(self, code: int, body: bytes, headers: dict[str, str], with_body: bool, name: str = "") -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        hub = self.server_hub
        cut, stall = hub.cut_after.pop(name, None), hub.stall_after.pop(name, None)
        end = len(body) if cut is None else cut
        try:
            for at in range(0, end, PIECE):
                self.wfile.write(body[at : min(at + PIECE, end)])
                if stall is not None and at >= stall:
                    self.wfile.flush()
                    hub.stalled.set()
                    hub.going_on.wait(60)
                    stall = None
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if cut is not None:
            self.close_connection = True
