"""Evaluations on the page Measure, for its tests."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.making import evaluation, prompt_set
from tests.ui.test_pages import opened as opened_page

PATIENCE_S = 60.0
ROWS = prompt_set(("What is 23 * 17?", "391"), ("What is 2 + 2?", "4"), compare="contains")


def opened(page: str = "measure", **query: str) -> AppTest:
    """The page, as its address opens it."""
    return opened_page(page, **query)


def ended(bench: Workbench, run_id: str) -> EvaluationRun:
    run = bench.bridge.run(bench.evaluations.get(run_id))
    bench.bridge.run(run.wait(), timeout_s=PATIENCE_S)
    return run


def evaluated(bench: Workbench, prompts: Any = ROWS, **more: Any) -> EvaluationRun:
    ids = [model.id for model in bench.models.get_available_models()]
    return ended(bench, bench.bridge.run(bench.evaluations.start(evaluation(prompts, *ids, **more))).id)


def pick(test: AppTest, run: EvaluationRun, number: int) -> AppTest:
    test.session_state[f"measure_picked_{run.id}"] = number
    return test.run()


def field(test: AppTest, name: str) -> Any:
    (found,) = [box for box in test.text_input if str(box.key).startswith(f"measure_setup_{name}")]
    return found
