"""What a person sees and does on the Tune page, in the words of its tests; and an app to do it in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from playwright.sync_api import Locator, Page, expect

from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.process import find_process
from tests.browser.board import wait_until
from tests.browser.conftest import DEMO, ROOT
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python

# A job's process imports torch and more before it begins.
JOB_MS = 600_000


def with_demo_small(models: Path) -> Path:
    """A folder of models with the small demo model alone."""
    (models / "pytorch").mkdir(parents=True)
    (models / "pytorch" / "demo-small").symlink_to(DEMO.resolve())
    return models


@contextmanager
def tuning_app(home: Path, models: Path, **variables: str) -> Iterator[str]:
    """The address of the app with the small demo model alone, while it runs; its jobs end with it.

    Args:
        home: where it keeps what is the user's.
        models: an empty folder.
        variables: more of its environment.
    """
    with app_with(with_demo_small(models), home, cold=False, **variables) as found:
        yield found


@contextmanager
def app_with(models: Path, home: Path, *, cold: bool = False, **variables: str) -> Iterator[str]:
    """The same with the models of a folder. App and jobs begin with their imports done, unless they are ``cold``."""
    environment = {
        **os.environ,
        "MLC_HOME": str(home),
        "MLC_MODELS_DIR": str(models),
        "MLC_CONFIGS_DIR": str(home / "configs"),
        "MLC_FIRST_MODEL": "false",
        "MLC_SPARE_PROCESS": "false",
        **variables,
    }
    # Another test of this process may have imported what keeps model processes offline.
    environment.pop("HF_HUB_OFFLINE", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable if cold else warm_python(APP), "app.py", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert "running at" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    # Jobs survive the app on purpose.
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    for place in (home / "jobs").glob("*"):
        if (job := find_process(JobFolder(place))) is not None:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(job.pid).kill()


def pick(page: Page, block: str, name: str) -> None:
    """One of a row of choices."""
    page.locator(f".st-key-tune_block_{block}").get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def figure(page: Page, block: str, name: str) -> Locator:
    """A number of a block, by what stands beneath it."""
    return page.locator(f".st-key-tune_block_{block} .mlc-figure", has_text=name).locator("b")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")


def state(page: Page) -> Locator:
    return page.locator(".mlc-plan-status [data-run-state]").first


def expect_state(page: Page, wanted: str) -> None:
    expect(state(page)).to_have_attribute("data-run-state", wanted, timeout=JOB_MS)


def button(page: Page, name: str) -> Locator:
    """A button that is explained on hover is there twice, once for fingers: the one that is seen."""
    return page.locator(f".st-key-tune_{name} button:visible")


def steps_done(page: Page) -> int:
    said = page.locator(".mlc-strip .mlc-figure").first.locator("b").inner_text()
    done = said.partition(" / ")[0].replace(",", "")
    return int(done) if done.isdecimal() else 0


def wait_for_steps(page: Page, more_than: int = 0) -> None:
    wait_until(
        page,
        """(least) => {
          const said = document.querySelector(".mlc-strip .mlc-figure b")?.innerText ?? "";
          return Number(said.split(" / ")[0].replaceAll(",", "")) > least;
        }""",
        more_than,
    )
