"""The workbench in one process: `python app.py`, or `streamlit run app.py`.

    python app.py [--host 127.0.0.1] [--port 8501] [--no-browser]

Beyond 127.0.0.1 anyone who reaches the port can use the models: there is no sign-in on the pages.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import streamlit as st
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit import config

from multi_llm_comparator.ui.assets import asset_routes
from multi_llm_comparator.ui.browser import has_viewer, open_in_browser
from multi_llm_comparator.ui.logs import explain_script_error
from multi_llm_comparator.ui.starting import open_workbench
from multi_llm_comparator.ui.uploads import UploadBudget
from multi_llm_comparator.ui.workbench import close_workbench, get_workbench, prepare_first_model

LOOPBACK = ("127.0.0.1", "localhost", "::1")
wants_browser = threading.Event()
sets_database_aside = threading.Event()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any] | None]:
    """Open the workbench before the first page and end every model process after the last."""
    workbench = open_workbench(set_database_aside=sets_database_aside.is_set())
    workbench.lock.tell(address())
    workbench.bridge.submit(workbench.engine.start())
    prepare_first_model()
    print(f"Multi-LLM Comparator is running at {address()}  (Ctrl+C ends it)", flush=True)
    # The server's socket listens by now; what comes before the first page can be made waits there.
    if wants_browser.is_set() and has_viewer():
        open_in_browser(address())
    try:
        yield None
    finally:
        close_workbench()


async def metrics(_: Request) -> Response:
    """The gateway's figures for Prometheus: counts and times by the names of models and groups, no texts, no keys."""
    workbench = get_workbench()

    async def render() -> bytes:
        return workbench.gateway.parts.metrics.render()

    # They are read on the event loop that changes them.
    body = await asyncio.wrap_future(workbench.bridge.submit(render()))
    return Response(body, media_type=CONTENT_TYPE_LATEST)


def address() -> str:
    """Where a browser on this machine finds the pages."""
    host = config.get_option("server.address") or "localhost"
    shown = {"0.0.0.0": "localhost", "::": "localhost", "::1": "[::1]"}.get(host, host)
    return f"http://{shown}:{config.get_option('server.port')}"


app = st.App(
    "multi_llm_comparator/ui/main.py",
    lifespan=lifespan,
    routes=[Route("/metrics", metrics), *asset_routes()],
    middleware=[Middleware(UploadBudget)],
    on_script_error=explain_script_error,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Multi-LLM Comparator: local models side by side in the browser")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8501, or the next free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    parser.add_argument(
        "--set-database-aside", action="store_true", help="rename a damaged database with the date and begin a new one"
    )
    arguments = parser.parse_args()
    if not arguments.no_browser:
        wants_browser.set()
    if arguments.set_database_aside:
        sets_database_aside.set()
    overrides: dict[str, Any] = {"server.address": arguments.host}
    if arguments.host not in LOOPBACK:
        overrides["server.allowedHosts"] = []
    if arguments.port is not None:
        overrides["server.port"] = arguments.port
    # The server has shut down in good order by the time it passes the interrupt on.
    with suppress(KeyboardInterrupt):
        app.run(config=overrides)


if __name__ == "__main__":
    main()
