"""The workbench as a user has it: started from the command line, with a home of its own, and opened in Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Page, async_playwright

from benchmarks.real_models import RealModels
from multi_llm_comparator.conversion.first_forms import form_path

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 120.0


def place_models(models: RealModels, target: Path) -> None:
    """A models folder with just the four, each where the workbench would make it itself: it has nothing to make then,
    and the page's first choice is they."""
    shutil.copytree(
        models.checkpoint, form_path(target, "bfloat16"), copy_function=lambda a, b: _link(Path(a), Path(b))
    )
    (target / "gguf").mkdir()
    for quantization in models.gguf:
        _link(models.file(quantization), form_path(target, quantization))


def _link(source: Path, target: Path) -> None:
    """The same file at another place, copied only where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


@contextmanager
def app(home: Path) -> Iterator[str]:
    """The workbench as a user starts it, with a home of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MLC_HOME": str(home / "home"), "MLC_MODELS_DIR": str(home / "models")}
    log = (home / "app.log").open("w")
    command = [sys.executable, "app.py", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def database(home: Path) -> str:
    """Where the app with this home keeps its runs."""
    return f"sqlite:///{home / 'home' / 'workbench.db'}"


@asynccontextmanager
async def blank_page(address: str, *, width: int) -> AsyncIterator[Page]:
    """An empty page of a browser, once the app listens at the address."""
    await _listening(address)
    async with async_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": width, "height": 900}, locale="en-US")
        page.set_default_timeout(START_TIMEOUT_S * 1000)
        yield page
        await browser.close()


async def _listening(address: str) -> None:
    """The app takes a moment until it listens."""
    target = urlsplit(address)
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(target.hostname, target.port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return
