"""The Tune page in a real browser: a small model is really tuned, by a job of its own, and compared in the end."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.board import wait_until
from tests.browser.conftest import DEMO, ROOT

# A job's process imports torch and more before it begins.
JOB_MS = 600_000
# So many times through the data that the job is at work for as long as somebody reloads and stops it.
EPOCHS = "90"
ROWS = [
    (f"What is {a} + {b}?", f"{a} + {b} = {a + b} (Source: arithmetic.)") for a in range(3, 9) for b in range(11, 18)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the small demo model alone, in a home of its own; its jobs end with it."""
    home, models = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    (models / "pytorch").mkdir()
    (models / "pytorch" / "demo-small").symlink_to(DEMO.resolve())
    environment = {
        **os.environ,
        "MLC_HOME": str(home),
        "MLC_MODELS_DIR": str(models),
        "MLC_CONFIGS_DIR": str(home / "configs"),
        "MLC_FIRST_MODEL": "false",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert "running at" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}/tune?lang=en"
    # Jobs survive the app on purpose.
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    for child in children:
        if child.is_running():
            child.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file in no known form, with a row that is there twice."""
    path = tmp_path / "sums.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "task_de", "solved"])
        writer.writerows([number, *row] for number, row in enumerate([*ROWS, ROWS[0]], 1))
    return path


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


def no_wider_than_the_page(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_from_an_upload_to_base_and_tuned_model_side_by_side(context: BrowserContext, address: str, data: Path) -> None:
    page = context.new_page()
    page.goto(address)
    _set_up(page, data)
    page.locator(".st-key-tune_start button").click()
    expect(state(page)).to_be_visible()
    job = page.url
    wait_for_steps(page)

    page.reload()
    expect(state(page)).to_have_attribute("data-run-state", "running")
    assert page.url == job
    _queue_another(context, address)

    button(page, "stop").click()
    expect_state(page, "stopped")
    stopped_at = steps_done(page)
    button(page, "resume").click()
    wait_for_steps(page, stopped_at)
    expect_state(page, "done")
    expect(page.locator(".mlc-tune-answer").last).to_contain_text("(Source: arithmetic.)")
    expect(page.locator(".st-key-tune_losses .js-line").first).to_be_attached()

    _compare(page)


def _set_up(page: Page, data: Path) -> None:
    """Upload, say which columns are what, look at what cleaning found, and ask for many rounds."""
    pick(page, "data", "Upload")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(data)
    expect(page.get_by_text("None of the known forms")).to_be_visible()
    choose(page, "What is asked", "task_de")
    choose(page, "The answer to learn", "solved")
    learnt = page.locator(".mlc-tune-tokens .mlc-learnt")
    expect(learnt.first).to_be_visible()
    assert "Source" in "".join(learnt.all_inner_texts())

    expect(figure(page, "cleaning", "left out")).to_have_text("1")
    same = page.locator(".st-key-tune_rule_exact_duplicate")
    same.get_by_text("Duplicates").click()
    expect(same).to_contain_text("1 found, kept")
    same.get_by_text("Duplicates").click()
    expect(page.locator(".st-key-tune_rule_near_duplicate")).to_have_count(0)

    page.locator(".st-key-tune_options button").first.click()
    epochs = page.get_by_role("spinbutton", name="Times through the data")
    epochs.fill(EPOCHS)
    epochs.press("Enter")
    expect(page.locator(".st-key-tune_block_preset")).to_contain_text(f"{EPOCHS} ×")
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-tune_start button")).to_be_enabled()


def _queue_another(context: BrowserContext, address: str) -> None:
    """A second job, with the example, set up in Chinese on a narrow page: it waits behind the first."""
    other = context.new_page()
    other.set_viewport_size({"width": 800, "height": 1000})
    other.goto(address.replace("lang=en", "lang=zh"))
    expect(other.get_by_role("heading", name="新的微调")).to_be_visible()
    start = other.locator(".st-key-tune_start button")
    expect(start).to_be_enabled()
    assert no_wider_than_the_page(other)
    start.click()
    expect_state(other, "queued")
    expect(other.locator(".mlc-plan-status")).to_contain_text("等待")
    assert no_wider_than_the_page(other)
    button(other, "stop").click()
    expect_state(other, "stopped")
    other.close()


def _compare(page: Page) -> None:
    button(page, "compare").click()
    expect(page.get_by_role("combobox", name="Model of pane B")).to_have_value(re.compile("^demo-small:"))
    page.locator(".st-key-compare_offered_0 button").click()
    answers = page.locator('[class*="st-key-card_0_"]')
    for index in range(2):
        chip = answers.nth(index).locator("[data-state]")
        expect(chip).to_have_attribute("data-state", "done", timeout=JOB_MS)
    expect(answers.nth(1).locator('[class*="st-key-text_"]')).to_contain_text("(Source: arithmetic.)")
    expect(answers.nth(0).locator('[class*="st-key-text_"]')).not_to_contain_text("Source")
