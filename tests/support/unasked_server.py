"""A server that must not be asked: it notes every request, and holds a page that tries to reach an app."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class UnaskedServer:
    """Its address, what was asked of it, and the page that it gives at ``/page``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.page = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_page = self.path == "/page"
                if not is_page and self.path != "/favicon.ico":
                    outer.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if is_page else "image/svg+xml")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                self.wfile.write(outer.page.encode() if is_page else b'<svg xmlns="http://www.w3.org/2000/svg"/>')

            def log_message(self, *_: object) -> None:
                """Nothing: what was asked is in the list."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[UnaskedServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
