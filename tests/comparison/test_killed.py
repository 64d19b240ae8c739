from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import answer
from tests.support.scripted_source import ScriptedSource
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
async def test_after_kill_9_the_partial_answer_is_there_and_goes_on(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource, database_url: str
) -> None:
    command = [warm_python(), "-m", "tests.comparison.interrupted_child", database_url]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    pid, _, run_id = child.stdout.readline().strip().partition(" ")
    assert run_id, "the child ended early"
    os.kill(int(pid), signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert [run.status for run in await registry.runs.list()] == ["interrupted"]
    comparison = await registry.get(run_id)
    half = answer(comparison, "a")
    assert (half.text, half.progress.error_type) == ("half an ans", "AnswerInterrupted")
    assert "continue" in (half.progress.error or "")
    assert answer(comparison, "b").text == "whole"
    assert answer(comparison, "b").progress.state == "done"
    await comparison.continue_("a")
    rest = await source.call(0)
    assert rest.request.continue_final
    assert rest.request.messages[-1].content == "half an ans"
    await rest.answer("wer")
    await comparison.wait()
    assert answer(comparison, "a").text == "half an answer"
    assert [record.text for record in store.load_items(run_id)] == ["half an answer", "whole"]
