"""A real app process, real models, a real Chromium."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.groups.config_loader import TASK_GROUPS_FILE
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "pytorch" / "demo-small"
SYSTEM_CHROMIUM = Path("/usr/bin/chromium")
# What pages keep in a browser, beside cookies.
STORED = "local_storage,indexeddb,cache_storage"
# Longer than anything takes on a busy machine of two cores: only a test that fails waits so long.
PATIENCE_MS = 120_000

expect.set_options(timeout=PATIENCE_MS)


# One worker has nothing to do for as long as the other is at the last file: the longest come first.
LONGEST = ("test_deciding", "test_tune", "test_measure", "test_compare", "test_plans", "test_tune_jobs", "test_vote")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@dataclass(frozen=True)
class App:
    """The running app. ``home`` is where it keeps runs and settings, ``groups_file`` what it reads task groups from."""

    process: subprocess.Popen[str]
    address: str
    home: Path
    groups_file: Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two PyTorch checkpoints and their GGUF twins that never end an answer by themselves; made once for all workers,
    each of which sees them in a folder of its own."""
    all_workers = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        all_workers = all_workers.parent
    made, script = all_workers / "endless models", Path(__file__).parent / "endless_models.py"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            part = all_workers / "endless models in the making"
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run([warm_python(), str(script), str(DEMO), str(part)], check=True, env=environment)
            part.rename(made)
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def app(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("home")
    remember_long_answers(models, home)
    groups_file = home / "configs" / TASK_GROUPS_FILE
    groups_file.parent.mkdir(parents=True)
    groups_file.write_text("{}")
    environment = {
        **os.environ,
        "MLC_HOME": str(home),
        "MLC_MODELS_DIR": str(models),
        "MLC_CONFIGS_DIR": str(home / "configs"),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--no-browser"]
    # A session of its own: an interrupt from the keyboard ends the tests first, and they end the app.
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert "running at" in process.stdout.readline()
    yield App(process, f"http://127.0.0.1:{port}", home, groups_file)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert not psutil.wait_procs(children, timeout=60)[1], "model processes outlived the app"


def remember_long_answers(models: Path, home: Path) -> None:
    """Have the four panes set up as a visitor left them: all four models, answers as long as they may be."""
    found = [model.id for model in ModelManager(models).scan_models()]
    remember_panes(home, found, ModelConfig(temperature=0.0, max_tokens=3000, n_ctx=4096))


def remember_panes(home: Path, targets: Iterable[str], config: ModelConfig) -> None:
    """Have a pane for each of these set up, all alike."""
    panes = [{"target": target, "config": asdict(config)} for target in targets]
    (home / "preferences.json").write_text(json.dumps({"language": "en", "panes": panes}), encoding="utf-8")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = str(SYSTEM_CHROMIUM) if SYSTEM_CHROMIUM.exists() else None
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def new_context(chromium: Browser, **options: Any) -> BrowserContext:
    """A desk's window, in English. What moves stands still: to draw it all the time costs a core."""
    asked: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "reduced_motion": "reduce"}
    context = chromium.new_context(**{**asked, **options})
    context.set_default_timeout(PATIENCE_MS)
    return context


class Kept:
    """A context that serves one test after the other: it keeps what it has fetched and compiled of the pages' scripts,
    which takes longer than most tests, and nothing else."""

    def __init__(self, chromium: Browser) -> None:
        self.context = new_context(chromium, accept_downloads=True)
        # It stays open, for what is to be told to the context itself.
        self._blank = self.context.new_page()
        self._told = self.context.new_cdp_session(self._blank)
        self._opened: list[Page] = []
        self.context.on("page", lambda page: self._opened.append(page))

    def forget(self) -> None:
        """Close what was opened; what pages have stored, their cookies and their rights are gone."""
        for page in self.context.pages:
            if page != self._blank:
                page.close()
        places = {urlsplit(page.url) for page in self._opened}
        for origin in sorted({f"{place.scheme}://{place.netloc}" for place in places if place.netloc}):
            self._told.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": STORED})
        self.context.clear_cookies()
        self.context.clear_permissions()
        self._opened.clear()


@pytest.fixture(scope="session")
def kept(chromium: Browser) -> Iterator[Kept]:
    made = Kept(chromium)
    yield made
    made.context.close()


@pytest.fixture
def context(kept: Kept) -> Iterator[BrowserContext]:
    """As good as new."""
    yield kept.context
    kept.forget()


@pytest.fixture
def blank(context: BrowserContext) -> Page:
    """A page that shows nothing yet: for tests that begin elsewhere than on the Compare page."""
    return context.new_page()


@pytest.fixture
def page(context: BrowserContext, app: App, models: Path) -> Page:
    """The Compare page as a visitor left it, whatever the test before this one chose."""
    remember_long_answers(models, app.home)
    page = context.new_page()
    page.goto(f"{app.address}/?lang=en")
    return page
