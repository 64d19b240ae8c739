"""The Measure page in a real browser: a file of prompts, two quantizations of a real model, and what comes of it; then
scripted models that take their time, a reload, and an app that is killed in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.board import expect_states, press
from tests.browser.conftest import ROOT, SYSTEM_CHROMIUM
from tests.browser.downloads import downloaded
from tests.browser.test_accessibility import violations
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python

QUANTIZED = [ROOT / "models" / "gguf" / f"demo-small-{kind}.gguf" for kind in ("Q8_0", "Q4_0")]
_SCRIPTED = "from tests.browser.scripted_app import main; main()"


def prompts_file(folder: Path, count: int = 20) -> Path:
    """Differences and products, some of them too hard for the demo models."""
    rows = ["prompt,expected,compare,tags"]
    for n in range(count):
        one, other = 37 + 13 * n, 11 + 7 * n
        if n % 2:
            rows.append(f'"What is {one} * {other % 9 + 2}?",{one * (other % 9 + 2)},numeric,hard')
        else:
            rows.append(f'"What is {one + 300} - {other}?",{one + 300 - other},numeric,easy')
    path = folder / "sums.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@contextmanager
def running(
    home: Path, models: Path, *, scripts: Path | None = None, cold: bool = False
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The app on a home of its own; whoever kills it has done what the test wanted, and wants a ``cold`` one: only that
    is the process that is returned."""
    # No PyTorch model is asked: nothing is to be imported for one ahead of time.
    own = {"MLC_HOME": str(home), "MLC_MODELS_DIR": str(models), "MLC_FIRST_MODEL": "false"}
    environment = {**os.environ, **own, "MLC_SPARE_PROCESS": "false"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = ["-c", _SCRIPTED, str(scripts)] if scripts else ["app.py"]
    command = [sys.executable if cold else warm_python(APP), *start, "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert "running at" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            psutil.wait_procs(children, timeout=60)
        process.communicate()


def upload(page: Page, path: Path) -> None:
    page.locator(".st-key-measure_upload_0 button").first.click()
    page.locator('input[type="file"]').set_input_files(path)
    expect(page.get_by_text("prompts are kept as")).to_be_visible()


def ended(page: Page) -> None:
    expect(page.locator('[data-measure="done"]')).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def open_row(page: Page, row: int, place: str = "") -> None:
    """Click a cell of the table, which is a canvas (rows are 35 px high under a heading), until its answers are there:
    the table may just be drawn anew, or the page scroll. ``place``: which one of the rows these are said to be.

    The table is brought to the middle: at the upper edge the page's head lies over its first row."""
    answers = page.locator(".st-key-measure_answers")
    there = answers.get_by_text(re.compile(f"^{place} of ")) if place else answers
    for _ in range(12):
        if there.count():
            break
        table = page.get_by_test_id("stDataFrame")
        table.evaluate("element => element.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = table.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + 36 + 35 * row + 17)
        with suppress(AssertionError):
            expect(there).to_be_visible(timeout=8_000)
    expect(there).to_be_visible()


@pytest.mark.slow
@pytest.mark.skipif(not all(path.exists() for path in QUANTIZED), reason="the demo models are not made yet")
@pytest.mark.skipif(not SYSTEM_CHROMIUM.exists(), reason="needs Chromium")
def test_a_file_of_prompts_is_asked_of_two_quantizations_and_each_number_leads_to_its_answers(
    context: BrowserContext, tmp_path: Path
) -> None:
    models = tmp_path / "models" / "gguf"
    models.mkdir(parents=True)
    for path in QUANTIZED:
        (models / path.name).symlink_to(path.resolve())
    with running(tmp_path / "home", models.parent) as (address, _):
        page = context.new_page()
        page.goto(f"{address}/measure?lang=en")
        expect(page.locator(".mlc-hero")).to_be_visible()
        upload(page, prompts_file(tmp_path))
        page.locator(".st-key-measure_start button").first.click()
        ended(page)
        verdict = page.locator(".mlc-verdict")
        expect(verdict).to_contain_text("demo-small")
        expect(page.locator(".mlc-whisker")).to_have_count(2)
        page.get_by_label("Show", exact=True).click()
        page.get_by_role("option", name="models disagree").click()
        expect(page.get_by_text(re.compile("^[1-9] of 20 prompts"))).to_be_visible()
        open_row(page, 0)
        answers = page.locator(".st-key-measure_answers")
        asked = answers.locator(".mlc-prompt").inner_text()
        # One is right and the other wrong: that is why the row is there.
        expect(answers.locator("[data-value]")).to_have_count(2)
        assert sorted(answers.locator("[data-value]").all_inner_texts()) == ["0", "1"]
        press(page, "1", '.st-key-measure_answers :text("yours: 1")')
        page.locator(".st-key-measure_export button").first.click()
        files = downloaded(page, ("CSV", "HTML"), tmp_path)
        assert files["CSV"].count("\n") == 41
        assert "http" not in files["HTML"].replace("http-equiv", "")
        page.keyboard.press("Escape")
        # A number opens the items behind it, and the first of them opens where another row was open before.
        page.locator(".st-key-measure_openers button:enabled").first.click()
        expect(answers).to_have_count(0)
        open_row(page, 0)
        assert "0" in answers.locator("[data-value]").all_inner_texts()
        page.keyboard.press("n")
        expect(answers.get_by_text(re.compile("^2 of "))).to_be_visible()
        # Back by a click: its cell was chosen before, and is not any more.
        asked = answers.locator(".mlc-prompt").inner_text()
        open_row(page, 0, "1")
        open_row(page, 1, "2")
        expect(answers.locator(".mlc-prompt")).to_have_text(asked)
        assert violations(page) == []
        answers.get_by_role("button", name="Ask in Compare").first.click()
        expect_states(page, "done", count=2)
        expect(page.get_by_text(asked).first).to_be_visible()


def scripts_of(folder: Path, **scripts: dict[str, object]) -> Path:
    """A folder with a scripted model for each name."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / f"{name}.json").write_text(json.dumps(script), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not SYSTEM_CHROMIUM.exists(), reason="needs Chromium")
def test_a_judge_is_believed_as_far_as_it_agrees_with_ones_own_scores(context: BrowserContext, tmp_path: Path) -> None:
    # Birch judges too: it prefers what ash wrote, wherever that stands, but of the first poem whatever stands first.
    verdicts = [
        {"pattern": "(?s)are to be compared.*Poem 0", "text": '{"reason": "It is first.", "better": "first"}'},
        {"pattern": "(?s)are to be compared.*First answer:\\s+ash", "text": '{"reason": "A.", "better": "first"}'},
        {"pattern": "are to be compared", "text": '{"reason": "B.", "better": "second"}'},
    ]
    birch: dict[str, object] = {"answers": verdicts, "otherwise": "birch sings"}
    scripts, home = scripts_of(tmp_path / "scripts", ash={"otherwise": "ash sings"}, birch=birch), tmp_path / "home"
    rows = "\n".join(f'"Poem {n}, please",judged' for n in range(12))
    (tmp_path / "poems.csv").write_text(f"prompt,compare\n{rows}\n", encoding="utf-8")
    with running(home, home / "models", scripts=scripts) as (address, _):
        page = context.new_page()
        page.goto(f"{address}/measure?lang=en")
        expect(page.locator(".mlc-hero")).to_be_visible()
        upload(page, tmp_path / "poems.csv")
        # The block of the judge is open: the set has rows for one.
        judge = page.locator('[class*="st-key-measure_setup_judge_"]').get_by_role("combobox").first
        expect(judge).to_be_visible()
        judge.click()
        page.get_by_role("option", name=re.compile("birch")).first.click()
        expect(page.get_by_text("compares two")).to_be_visible()
        page.locator(".st-key-measure_start button").first.click()
        ended(page)
        trust, verdict = page.locator(".mlc-trust").first, page.locator(".mlc-verdict")
        expect(trust).to_contain_text(re.compile("Judged by birch.*, whose agreement with you is not known"))
        expect(trust).to_contain_text("decided in 8% of 12")
        expect(verdict).to_contain_text(re.compile("ash.* is better than birch"))
        open_row(page, 1)
        answers = page.locator(".st-key-measure_answers")
        expect(answers.get_by_text("The judge prefers ash")).to_be_visible()
        for row in range(3):
            press(page, "1", '.st-key-measure_answers :text("yours: 1")')
            press(page, "w", '.st-key-measure_answers :text("yours: 0")')
            # What is said of the judge follows without a reload.
            expect(trust).to_contain_text(f"on {row + 1};")
            page.keyboard.press("n")
            expect(answers.get_by_text("yours")).to_have_count(0)
        page.reload()
        expect(trust).to_contain_text("agreement with your votes kappa")
        expect(verdict).to_contain_text(re.compile("ash.* is better than birch"))


@pytest.mark.slow
@pytest.mark.skipif(not SYSTEM_CHROMIUM.exists(), reason="needs Chromium")
def test_a_saved_prompt_is_put_into_the_box_by_a_slash(context: BrowserContext, tmp_path: Path) -> None:
    home = tmp_path / "home"
    scripts = scripts_of(tmp_path / "scripts", ash={"otherwise": "Paris."}, birch={"otherwise": "Lyon."})
    with running(home, home / "models", scripts=scripts) as (address, _):
        page = context.new_page()
        page.goto(f"{address}/?lang=en")
        page.locator(".st-key-icon_compare_library button").first.click()
        page.get_by_label("Name", exact=True).fill("Capitals")
        page.get_by_label(re.compile("^Prompt; ")).fill("What is the capital of {{country}}?")
        page.get_by_label("Tags, with commas").fill("geography")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved as Capitals")).to_be_visible()
        page.keyboard.press("Escape")
        box, listed = page.get_by_test_id("stChatInputTextArea"), page.locator(".mlc-library")
        box.click()
        # Found by its tag too.
        page.keyboard.type("/geo")
        expect(listed.get_by_role("option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(listed).to_be_hidden()
        expect(box).to_have_value("What is the capital of {{country}}?")
        # The variable is selected: what is typed takes its place.
        page.wait_for_function("() => document.activeElement.selectionEnd > document.activeElement.selectionStart")
        page.keyboard.type("France")
        expect(box).to_have_value("What is the capital of France?")
        page.keyboard.press("Enter")
        expect_states(page, "done", count=2)


@pytest.mark.slow
@pytest.mark.skipif(not SYSTEM_CHROMIUM.exists(), reason="needs Chromium")
def test_an_evaluation_outlives_a_reload_and_is_resumed_after_the_app_was_killed(
    context: BrowserContext, tmp_path: Path
) -> None:
    home, slow = tmp_path / "home", {"otherwise": "It is 7, I think, or something near.", "tokens_per_second": 12}
    scripts = scripts_of(tmp_path / "scripts", ash={**slow}, birch={**slow})
    with running(home, home / "models", scripts=scripts, cold=True) as (address, process):
        page = context.new_page()
        page.goto(f"{address}/measure?lang=en")
        expect(page.locator(".mlc-hero")).to_be_visible()
        upload(page, prompts_file(tmp_path))
        page.locator(".st-key-measure_start button").first.click()
        done = page.locator('[data-subject="a"]:not([data-done="0"])')
        expect(done).to_be_visible()
        expect(page.get_by_text(re.compile("about .* left")).first).to_be_visible()
        page.reload()
        expect(done).to_be_visible()
        run = page.url.partition("run=")[2].partition("&")[0]
        before = int(done.get_attribute("data-done") or 0)
        assert before > 0
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        psutil.wait_procs(children, timeout=60)
    with running(home, home / "models", scripts=scripts) as (address, _):
        page.goto(f"{address}/measure?run={run}&lang=en")
        expect(page.locator('[data-measure="interrupted"]')).to_be_visible()
        page.locator(".st-key-measure_resume button").first.click()
        expect(page.locator('[data-measure="running"]')).to_be_visible()
        ended(page)
        expect(page.locator(".mlc-verdict")).to_contain_text("scored the same on all of 20 prompts")
