from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.judging import RUBRICS, Judge, Part, mean_scores, parse_scores
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan_run import PlanRun
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget


def scores(part: Part, score: object = 7, **more: Any) -> str:
    found = [{"criterion": name, "score": score, "reason": "because"} for name in RUBRICS[part]]
    return json.dumps({"scores": found, **more})


@pytest.fixture
async def run() -> PlanRun:
    plan_run = PlanRun(ByTarget(small="7", large="568"), "What is it?", OPTIONS, run_id="r")
    await plan_run.execute(plan=parse_plan(PLAN))
    return plan_run


async def test_plan_and_answers_are_scored_with_reasons(run: PlanRun) -> None:
    source = ByTarget(judge=[scores("planner", 9), scores("executor", 4)])
    judge = Judge(source, "judge")
    plan, answers = await judge.judge_plan(run), await judge.judge_answers(run)
    assert (plan.part, plan.mean, answers.part, answers.mean) == ("planner", 9, "executor", 4)
    assert [s.criterion for s in plan.scores] == list(RUBRICS["planner"])
    assert mean_scores([plan, answers])["executor", "clarity"] == 4
    asked = [request.messages[-1].content for _, request in source.asked]
    assert PLAN.splitlines()[1] in asked[0].replace("  <Step", "<Step")
    assert "568" in asked[1]


async def test_an_answer_that_cannot_be_read_is_asked_for_once_more_with_the_error(run: PlanRun) -> None:
    source = ByTarget(judge=["It is fine, I think.", f"```json\n{scores('planner')}\n```"])
    verdict = await Judge(source, "judge").judge_plan(run)
    assert verdict.mean == 7
    assert len(source.asked) == 2
    assert "cannot be used" in source.asked[1][1].messages[-1].content


async def test_what_stays_unreadable_is_recorded_as_unjudged(run: PlanRun) -> None:
    source = ByTarget(judge=scores("planner", 11))
    verdict = await Judge(source, "judge").judge_plan(run)
    assert (verdict.scores, len(source.asked)) == ((), 2)
    assert "scores.0.score" in (verdict.error or "")


async def test_a_judge_that_fails_is_not_asked_again(run: PlanRun) -> None:
    source = ByTarget(judge=None)
    verdict = await Judge(source, "judge").judge_answers(run)
    assert (verdict.scores, verdict.error, len(source.asked)) == ((), "out of order", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"scores": []}',
        scores("planner", "7"),
        scores("planner", 7.5),
        scores("planner", 0),
        scores("planner", True),
        scores("planner", note="x"),
        scores("executor"),
        f"Here you are: {scores('planner')}",
        scores("planner").replace("completeness", "dependencies"),
    ],
)
def test_only_the_form_that_was_asked_for_counts(text: str) -> None:
    with pytest.raises(ValueError):
        parse_scores("planner", text)


@given(st.text(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(ValueError):
        parse_scores("executor", text)
