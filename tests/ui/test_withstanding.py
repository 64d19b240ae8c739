"""What a page says when models are still being looked for, a save fails, or another program writes the same run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.core.log_file import LogFile
from multi_llm_comparator.ui.kit import logs
from multi_llm_comparator.workbench import Workbench, scan_again
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import PATIENCE_S, asked, asked_of, html_of, opened

FULL = Path("/dev/full")


def told(test: Any) -> list[str]:
    return [element.value for element in (*test.caption, *test.info, *test.warning, *test.toast)]


@pytest.mark.parametrize("page", ["compare", "models", "plans"])
def test_while_models_are_being_looked_for_the_page_says_so(bench: Workbench, page: str) -> None:
    bench.models.available_models = []
    bench.models.announce_scan()
    test = opened(page)
    assert any("Looking for models" in text for text in told(test))
    assert "No models found" not in html_of(test)
    scan_again()
    assert bench.models.wait_for_scan(PATIENCE_S)
    assert not any("Looking for models" in text for text in told(opened(page)))


def test_panes_used_last_are_not_lost_for_models_that_are_still_to_be_found(bench: Workbench) -> None:
    asked(bench, "cedar")
    test = opened()
    chosen = [pane.target for pane in test.session_state["compare_panes"]]
    known, bench.models.available_models = bench.models.available_models, []
    bench.models.announce_scan()
    test = opened()
    assert "compare_panes" not in test.session_state
    bench.models.available_models = known
    bench.models._scanned.set()
    test.run()
    assert [pane.target for pane in test.session_state["compare_panes"]] == chosen


def test_a_save_that_fails_shows_while_the_answer_is_being_written(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise StoreError("the disk of the database is full; make room and try again")

    slow = scripted_model(tmp_path, "slow", otherwise="one two three", faults=[{"kind": "hang", "after_tokens": 1}])
    bench.models.available_models.append(slow)
    monkeypatch.setattr(bench.store, "save_run", full)

    async def ask() -> Any:
        comparison = await bench.comparisons.create([Pane.new(slow.id)])
        await comparison.send("hello")
        await comparison._recorder.flush()
        return comparison

    comparison = bench.bridge.run(ask(), timeout_s=PATIENCE_S)
    assert comparison.is_running
    test = opened(run=comparison.id)
    assert any("not saved yet: the disk of the database is full" in text for text in told(test))
    monkeypatch.undo()
    bench.bridge.run(comparison.stop(), timeout_s=PATIENCE_S)


def test_a_run_that_another_program_changed_goes_on_here_and_the_page_says_so(bench: Workbench) -> None:
    comparison = asked(bench, "ash")
    before = comparison.id
    stored = bench.store.load_run(before)
    bench.store.save_run(type(stored)(**{**_fields(stored), "updated_at": stored.updated_at + 1}))
    bench.bridge.run(comparison.rename("sums"), timeout_s=PATIENCE_S)
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    test = opened(run=before)
    assert test.query_params["run"] in (comparison.id, [comparison.id])
    assert any("Another program changed this run" in text for text in told(test))
    assert {run.title for run in bench.store.list_runs()} == {stored.title, "sums (2)"}


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@pytest.mark.parametrize("page", ["compare", "plans"])
def test_a_prompt_that_is_too_long_stays_in_the_box_and_the_limit_is_said(bench: Workbench, page: str) -> None:
    asked_of(bench, bench.models.get_available_models()[0].id)
    test = opened(page)
    (box,) = test.chat_input
    box.set_value("x" * (MAX_PROMPT_CHARS + 1)).run()
    assert any("200,001 characters; at most 200,000" in text for text in told(test))
    assert len(bench.store.list_runs()) == 1
    assert not box.proto.max_chars


def failing_page() -> None:
    from multi_llm_comparator.ui.kit.logs import explain_script_error

    explain_script_error(ZeroDivisionError("of no page's doing"))


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_an_error_that_could_not_be_logged_does_not_point_to_the_log() -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    logs.start_logging()
    (log,) = (handler for handler in root.handlers if handler not in before)
    assert isinstance(log, LogFile)
    full = os.open(FULL, os.O_WRONLY)
    assert log.stream is not None
    os.dup2(full, log.stream.fileno())
    (said,) = (element.value for element in AppTest.from_function(failing_page).run().error)
    root.removeHandler(log)
    os.close(full)
    assert "No space left" in said
    assert "ZeroDivisionError" in said
    assert "workbench.log" not in said
