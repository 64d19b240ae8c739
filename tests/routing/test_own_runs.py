"""Learning from evaluations that were really run and stored: the path from the Measure page to a decision."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.routing import Candidate, IntelligentRouter, Surroundings, default_rules
from multi_llm_comparator.routing.learning import Learning, finished_evaluations, outcomes_of
from multi_llm_comparator.routing.statistics import RoutingCounts
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.measuring.making import Saying, asked_all, evaluation, no_tasks, prompt_set
from tests.support.gateways import ActingSource

SUMS = [(f"把{n}和{n + 1}加起来等于几？", str(2 * n + 1)) for n in range(1, 61)]
COLOURS = [(f"Name the colour of object number {n} in the garden", "green") for n in range(1, 61)]


def knows(target: str, request: GenerationRequest) -> str:
    """One adds and knows no colour; the other the reverse."""
    text = request.messages[-1].content
    numbers = [int(found) for found in re.findall(r"\d+", text)]
    if "加" in text:
        return str(sum(numbers)) if target == "adder" else "8"
    return "green" if target == "painter" else "red"


@pytest.fixture
async def evaluations(tmp_path: Path) -> AsyncIterator[EvaluationRegistry]:
    runs = RunRegistry(Store(f"sqlite:///{tmp_path / 'runs.db'}"), save_interval_s=0.02)
    yield EvaluationRegistry(runs, Sources(Saying(knows)), no_tasks)
    await runs.aclose()


async def test_stored_evaluations_teach_who_is_asked_what(tmp_path: Path, evaluations: EvaluationRegistry) -> None:
    for rows in (SUMS, COLOURS):
        await asked_all(evaluations, evaluation(prompt_set(*rows), "adder", "painter"))
    outcomes = outcomes_of(await finished_evaluations(evaluations))
    assert (len(outcomes.questions), outcomes.models, outcomes.unit) == (120, ("adder", "painter"), "s")
    assert outcomes.mean_values.tolist() == [0.5, 0.5]
    learning = Learning(tmp_path / "routing")
    assert learning.current() is None
    learnt = await learning.learn_from(evaluations, default_rules())
    assert learning.current() is learnt
    candidates = (Candidate(name="adder"), Candidate(name="painter"))
    around = Surroundings(ActingSource(), lambda rules: candidates, learnt=learning.current)
    router = IntelligentRouter(around, default_rules(), RoutingCounts())
    for question, target in (
        ("把500和600加起来等于几？", "adder"),
        ("Name the colour of object number 999 in the garden", "painter"),
    ):
        found = router.decide(question, quality_priority=1.0)
        assert (found.target, found.decided_by) == (target, "learnt")
    learning.forget()
    assert learning.current() is None
    assert router.decide("把500和600加起来等于几？", quality_priority=1.0).decided_by == "rules"


async def test_with_nothing_measured_or_too_little_it_is_said(tmp_path: Path, evaluations: EvaluationRegistry) -> None:
    learning = Learning(tmp_path / "routing")
    with pytest.raises(ConfigurationError, match="nothing was measured"):
        await learning.learn_from(evaluations, default_rules())
    await asked_all(evaluations, evaluation(prompt_set(*SUMS[:10]), "adder", "painter"))
    with pytest.raises(ConfigurationError, match="recorded questions"):
        await learning.learn_from(evaluations, default_rules())
