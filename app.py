"""The workbench in one process, pages and API: `python app.py`, or `streamlit run app.py`.

    python app.py [--host 127.0.0.1] [--port 8501] [--allowed-host NAME] [--no-browser]

Beyond 127.0.0.1 the pages open to whoever has the token: it is made at the start and printed in a link, unless
``MLC_ACCESS_TOKEN`` or the settings give one.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from streamlit import config

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.garbage import pass_over_what_is_loaded
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.shipped import app_options
from multi_llm_comparator.server.access import WILDCARDS, Access, access_by_settings, machine_names
from multi_llm_comparator.server.api.application import Beside, make_api
from multi_llm_comparator.server.audit import keep_audit
from multi_llm_comparator.server.guard import Guard
from multi_llm_comparator.server.oidc import Provider, provider_by_settings
from multi_llm_comparator.server.serving import Served, served_from
from multi_llm_comparator.ui.kit.assets import asset_routes, page_script_hashes
from multi_llm_comparator.ui.kit.browser import has_viewer, open_in_browser
from multi_llm_comparator.ui.kit.logs import explain_script_error
from multi_llm_comparator.ui.kit.monitor import monitor_routes
from multi_llm_comparator.ui.kit.navigation import page_scripts
from multi_llm_comparator.ui.kit.page_imports import begin_imports
from multi_llm_comparator.ui.kit.starting import open_workbench, refuse_to_start
from multi_llm_comparator.ui.kit.uploads import UploadBudget
from multi_llm_comparator.workbench import close_workbench, get_workbench, prepare_first_model

# Of the package that is in use, be it a checkout's or installed.
MAIN = Path(str(files("multi_llm_comparator"))) / "ui" / "main.py"
wants_browser = threading.Event()
sets_database_aside = threading.Event()
asked_hosts: list[str] = []


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any] | None]:
    """Open the workbench before the first page and end every model process after the last."""
    begin_imports([MAIN, *page_scripts()])
    workbench = open_workbench(set_database_aside=sets_database_aside.is_set())
    first, *more = links()
    # Who cannot start beside it is told where it is, not how to get in.
    workbench.lock.tell(first.partition("/?")[0])
    keep_audit(workbench.settings.home / "logs" / "audit.log")
    workbench.bridge.submit(workbench.engine.start())
    prepare_first_model()
    pass_over_what_is_loaded()
    print(f"Multi-LLM Comparator is running at {first}  (Ctrl+C ends it)", *more, sep="\n  also at ", flush=True)
    # The server's socket listens by now; what comes before the first page can be made waits there.
    if wants_browser.is_set() and has_viewer():
        # Without the token: others on this machine can read what a process was started with.
        open_in_browser(first.partition("/?")[0])
    try:
        yield None
    finally:
        close_workbench()


def served() -> Served:
    """What the API answers with: the very models that the pages show."""
    workbench = get_workbench()
    return served_from(workbench, workbench.bridge.loop)


def access_at(address: str) -> Access:
    """Who may ask, by the address that is listened at, the settings and the command line; or the end of the process."""
    try:
        settings = get_settings()
        return access_by_settings(address, settings, asked_hosts)
    except (MultiLLMError, OSError) as exc:
        refuse_to_start(exc)


@cache
def access() -> Access:
    return access_at(config.get_option("server.address") or "")


@cache
def provider() -> Provider | None:
    """Who signs people in; or the end of the process."""
    try:
        return provider_by_settings(get_settings())
    except MultiLLMError as exc:
        refuse_to_start(exc)


def links() -> list[str]:
    """Where browsers find the pages, with the token that lets them in; one that was given here is not shown."""
    host = config.get_option("server.address") or ""
    names = [*machine_names(), "localhost"] if host in WILDCARDS else [host]
    token = "" if access().token is None else f"/?token={'YOUR-TOKEN' if access().is_own_token else access().token}"
    port = config.get_option("server.port")
    return [f"http://{f'[{name}]' if ':' in name else name}:{port}{token}" for name in names]


def guarded(inner: ASGIApp) -> Guard:
    return Guard(
        inner, access(), page_script_hashes(), keys=lambda: get_workbench().store.api_keys, provider=provider()
    )


def beside_api(inner: ASGIApp) -> Beside:
    return Beside(inner, make_api(served))


app = st.App(
    MAIN,
    lifespan=lifespan,
    routes=[*asset_routes(), *monitor_routes()],
    middleware=[Middleware(guarded), Middleware(UploadBudget), Middleware(beside_api)],
    on_script_error=explain_script_error,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Multi-LLM Comparator: local models side by side in the browser")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8501, or the next free one)")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer under this name too; may be repeated",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    parser.add_argument(
        "--set-database-aside", action="store_true", help="rename a damaged database with the date and begin a new one"
    )
    arguments = parser.parse_args()
    if not arguments.no_browser:
        wants_browser.set()
    if arguments.set_database_aside:
        sets_database_aside.set()
    asked_hosts.extend(arguments.allowed_host)
    access_at(arguments.host)
    overrides: dict[str, Any] = {**app_options(), "server.address": arguments.host}
    if arguments.port is not None:
        overrides["server.port"] = arguments.port
    # The server has shut down in good order by the time it passes the interrupt on.
    with suppress(KeyboardInterrupt):
        app.run(config=overrides)


if __name__ == "__main__":
    main()
