"""Questions of parallel look-ups through planner, executor and scoring; the models are scripts."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.dataset_run import DatasetRun, OutcomeJournal
from multi_llm_comparator.evaluation.datasets import read_dataset
from multi_llm_comparator.evaluation.solving import Solver
from multi_llm_comparator.plans.plan import Plan, Step
from tests.plans.test_plan_run import OPTIONS
from tests.support.material import files

QUESTIONS = files("parallel_questions.json", "llmcompiler", "parallelqa_dataset.json")


class Planning:
    """Plans as many look-ups side by side as the data says there are, and one step that concludes from them."""

    def __init__(self, branches: dict[str, int], answers: dict[str, str]) -> None:
        self._branches, self._answers = branches, answers

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        asked = request.messages[-1].content
        if target == "planner":
            text = self.plan(asked).to_xml()
        elif target == "small":
            text = "found"
        else:
            text = f"The answer is {next(a for q, a in self._answers.items() if q in asked)}"
        yield Started(request_id=request.id, prompt_tokens=1)
        for number, start in enumerate(range(0, len(text), 7), 1):
            yield TextDelta(request_id=request.id, text=text[start : start + 7], tokens=number)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)

    def plan(self, question: str) -> Plan:
        lookups = [
            Step(str(n), f"Look up part {n} of: {question}", 2, 64) for n in range(1, 1 + self._branches[question])
        ]
        last = Step("end", f"Conclude: {question}", 8, 64, tuple(step.id for step in lookups))
        return Plan((*lookups, last))


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
async def test_every_question_is_planned_solved_in_parallel_and_scored(path: Path, tmp_path: Path) -> None:
    entries = json.loads(path.read_text(encoding="utf-8"))
    branches = {entry["question"].strip(): entry["branch"] for entry in entries}
    questions = read_dataset(path)
    source = Planning(branches, {q.text: q.answer or "" for q in questions})
    run = DatasetRun(questions, OutcomeJournal(tmp_path / "run", {}), Solver(source, OPTIONS), in_flight=8)
    outcomes = await run.run()
    assert len(outcomes) == len(entries)
    assert {(o.state, o.correct, o.plan_is_direct) for o in outcomes} == {("done", True, False)}
    for outcome in outcomes:
        assert outcome.metrics is not None
        assert (outcome.metrics.steps, outcome.metrics.depth) == (branches[outcome.question] + 1, 2)
        assert outcome.metrics.repairs == outcome.metrics.replans == 0
