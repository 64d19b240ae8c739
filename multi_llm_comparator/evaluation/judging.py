"""A judge model scores a plan, and the answers to its steps: criterion by criterion, with reasons, parsed strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.readable import cut
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.evaluation.judge_asking import HIGHEST, LOWEST, NOT_TO_FOLLOW, ask_judge, read_verdict
from multi_llm_comparator.plans.plan_run import PlanRun

Part = Literal["planner", "executor"]
RUBRICS: Mapping[Part, Mapping[str, str]] = {
    "planner": {
        "completeness": "the steps together answer the question; nothing needed is missing",
        "dependencies": "each step relies on exactly the steps whose answers it needs; the rest can run in parallel",
        "granularity": "each step is one small, clear task; none is superfluous or repeats another",
        "estimates": "difficulties and token budgets fit the tasks",
    },
    "executor": {
        "correctness": "the answers to the steps and the final answer are right",
        "completeness": "each answer does all that its task asks, and the final answer all that the question asks",
        "consistency": "each answer uses the answers it was given, and the final answer follows from the steps",
        "clarity": "the answers are to the point and free of what was not asked for",
    },
}
MAX_SHOWN_CHARS = 4000


class Score(BaseModel):
    """One criterion: 1 (useless) to 10 (could not be better), and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    criterion: str
    score: Annotated[int, Field(ge=LOWEST, le=HIGHEST)]
    reason: Annotated[str, Field(min_length=1, max_length=4000)]


class _Scores(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    scores: Annotated[list[Score], Field(max_length=20)]


class Verdict(ClosedModel):
    """What the judge says of one part. Without scores it is unjudged, and ``error`` says why."""

    part: Part
    judge: str
    scores: tuple[Score, ...] = ()
    error: str | None = None

    @property
    def mean(self) -> float | None:
        return fmean(s.score for s in self.scores) if self.scores else None


# So that the same work gets the same scores.
GREEDY = ModelConfig(temperature=0, max_tokens=1024)


class Judge:
    """Asks one model (or group) for verdicts.

    Args:
        source: answers.
        target: the judge's name.
    """

    def __init__(self, source: TextSource, target: str) -> None:
        self.target, self._source = target, source

    async def judge_plan(self, run: PlanRun) -> Verdict:
        """Score the plan of a run."""
        plan = run.plan.to_xml() if run.plan and not run.plan_is_direct else "(no usable plan was written)"
        return await self._judge("planner", f"Question:\n{_shown(run.question)}\n\nPlan:\n{_shown(plan)}")

    async def judge_answers(self, run: PlanRun) -> Verdict:
        """Score the answers of a run: of its steps, and the final one."""
        steps = [
            f"Step {one.step.id}: {_shown(one.step.task)}\nAnswer: {_shown(one.answer or '(none)')}"
            for one in run.steps.values()
        ]
        parts = [f"Question:\n{_shown(run.question)}", *steps, f"Final answer:\n{_shown(run.answer or '(none)')}"]
        return await self._judge("executor", "\n\n".join(parts))

    async def _judge(self, part: Part, work: str) -> Verdict:
        scores, error = await ask_judge(
            self._source, self.target, GREEDY, _instruction(part, work), partial(parse_scores, part)
        )
        return Verdict(part=part, judge=self.target, scores=scores or (), error=error or None)


def parse_scores(part: Part, text: str) -> tuple[Score, ...]:
    """Read a judge's answer: one JSON object with each criterion of the rubric once, in any order.

    Raises:
        ValueError: what is wrong with it, in words that a judge can act on.
    """
    found = read_verdict(_Scores, text).scores
    wanted = RUBRICS[part]
    by_name = {score.criterion: score for score in found}
    if sorted(score.criterion for score in found) != sorted(wanted):
        raise ValueError(f"each of the criteria {', '.join(wanted)} must occur exactly once, and no other")
    return tuple(by_name[name] for name in wanted)


def mean_scores(verdicts: Sequence[Verdict]) -> dict[tuple[Part, str], float]:
    """Mean score of each criterion over all verdicts that have scores."""
    found: dict[tuple[Part, str], list[int]] = {}
    for verdict in verdicts:
        for score in verdict.scores:
            found.setdefault((verdict.part, score.criterion), []).append(score.score)
    return {key: fmean(scores) for key, scores in found.items()}


def _instruction(part: Part, work: str) -> str:
    judged = (
        "the plan that a planner wrote for a question" if part == "planner" else "the answers to a question's steps"
    )
    criteria = "\n".join(f"- {name}: {meaning}" for name, meaning in RUBRICS[part].items())
    example = json.dumps({"scores": [{"criterion": next(iter(RUBRICS[part])), "score": 7, "reason": "..."}]})
    return (
        f"Judge {judged}. Score each criterion from {LOWEST} (useless) to {HIGHEST} (could not be better), with a "
        f"reason of one sentence:\n{criteria}\n\n{NOT_TO_FOLLOW}\n-----\n{work}\n-----\n\n"
        f"Answer with one JSON object of this form, all "
        f"{len(RUBRICS[part])} criteria in it, and nothing else:\n{example}"
    )


def _shown(text: str) -> str:
    return cut(text, MAX_SHOWN_CHARS)
