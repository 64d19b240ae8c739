"""Memory that runs out while a model learns, in a real browser: what was learnt is kept, and the page offers more."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ROOT
from tests.browser.tuning import app_with, button, expect_state, figure, pick, state, steps_done, wait_for_steps
from tests.support.warm_python import warm_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits a process that runs"),
]
# Wide feed-forward layers: a row of a thousand tokens keeps some hundreds of megabytes, a short one some ten.
MADE = """
import sys
from pathlib import Path
from tests.support.tiny_checkpoint import make_checkpoint
sizes = {"hidden_size": 128, "intermediate_size": 12288, "max_position_embeddings": 2048}
make_checkpoint(Path(sys.argv[1]), eos_token_id=2, **sizes)
"""
SHORT = 800
# What the job may take beyond what it has: enough for short rows, not for the long one.
MORE_BYTES = 120 * 2**20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    command = [warm_python(), "-c", MADE, str(models / "pytorch" / "wide")]
    subprocess.run(command, check=True, cwd=ROOT)
    # What its job holds is counted, and bounded.
    with app_with(models, home, cold=True) as found:
        yield f"{found}/tune?lang=en"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Short rows, and a long one that is learnt when most of them were."""
    rows = [{"prompt": f"{n}?", "completion": f"{n * n}"} for n in range(SHORT)]
    late = int(np.random.default_rng((0, 0)).permutation(SHORT + 1)[SHORT - 40])
    rows.insert(late, {"prompt": "Count.", "completion": " ".join(map(str, range(300)))})
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_what_was_learnt_is_kept_the_page_says_what_to_change_and_the_job_resumes(
    context: BrowserContext, address: str, home: Path, data: Path
) -> None:
    page = context.new_page()
    page.goto(address)
    _set_up(page, data)
    page.locator(".st-key-tune_start button").click()
    expect(state(page)).to_be_visible()
    job = page.url
    wait_for_steps(page)
    (process,) = (psutil.Process(json.loads(file.read_text())["pid"]) for file in home.glob("jobs/*/process.json"))
    at_most = process.memory_info().vms + MORE_BYTES
    resource.prlimit(process.pid, resource.RLIMIT_AS, (at_most, at_most))

    expect_state(page, "failed")
    expect(page.get_by_text("memory ran out during a step; what it learnt in").first).to_be_visible()
    kept = steps_done(page)
    button(page, "next_less_memory").click()
    expect_state(page, "done")
    assert page.url == job and kept > 0
    page.get_by_role("tab", name="What it learns from").click()
    expect(page.get_by_text("Tokens in a pass")).to_be_visible()
    options = json.loads(next(home.glob("jobs/*/job.json")).read_text())["options"]
    assert options["checkpointing"] is True and options["pack_tokens"] < 1024
    losses = [event for event in events(home) if event.get("series") == "loss"]
    assert [event["step"] for event in losses] == sorted({event["step"] for event in losses})


def events(home: Path) -> list[dict[str, Any]]:
    """What the one job has told."""
    (file,) = home.glob("jobs/*/events.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _set_up(page: Page, data: Path) -> None:
    """All rows are learnt, once, in the order that the file was made for."""
    pick(page, "data", "On this machine")
    place = page.locator(".st-key-tune_block_data").get_by_role("textbox").first
    place.fill(str(data))
    place.press("Enter")
    expect(figure(page, "cleaning", "rows read")).to_have_text(f"{SHORT + 1:,}")
    page.locator(".st-key-tune_block_cleaning").get_by_role("slider").first.press("Home")
    expect(figure(page, "cleaning", "to learn")).to_have_text(f"{SHORT + 1:,}")
    page.locator(".st-key-tune_options button").first.click()
    epochs = page.get_by_role("spinbutton", name="Times through the data")
    epochs.fill("1")
    epochs.press("Enter")
    expect(page.locator(".st-key-tune_block_preset")).to_contain_text("1 × through the data")
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-tune_start button")).to_be_enabled()
