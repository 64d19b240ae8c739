"""From finished steps to a profile of the model that solved them.

What a step took is taken to be

    (fixed + per token read * those more than usual + per token * tokens) * (1 + a * beside + b * other models)

and the five figures are found by least squares for each of a grid of a and b: the fit is then the best one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.answer_lengths import SeenAnswer, whole_tasks
from multi_llm_comparator.plans.least_squares import Floats, mean_pace, not_negative, weighted_median
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import WrittenPlan
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.theory import ModelProfile

# Fewer steps than this tell nothing of how prompts and neighbours matter.
MIN_FITTED = 12
MAX_KEPT = 400
# Each so many steps further back, one counts half as much. How figures go together is a model's nature and learnt from
# many; how fast the machine is just now, only its latest steps tell.
HALF_LIFE, HALF_LIFE_OF_PACE = 60.0, 12.0
SLOWDOWNS = np.round(np.arange(0.0, 1.55, 0.1), 1)
# Where nothing is known of how steps slow each other down, a little is assumed.
_USUAL, _CAUTION = 0.3, 0.02


@dataclass(frozen=True, slots=True)
class StepSample:
    """One finished step: what it was, what it took (loading left out), and what was at work beside it on average."""

    target: str
    answer: SeenAnswer
    ttft_s: float
    tokens_per_second: float | None
    duration_s: float
    handoff_s: float | None
    same: float
    others: float


def samples_of(run: PlanRun) -> list[StepSample]:
    """What the steps of a run tell; those that failed, were tried again or took no model tell nothing."""
    spans = list(_spans(run))
    whole = whole_tasks(step.step for step in run.steps.values())
    found: list[StepSample] = []
    for step in run.steps.values():
        progress = _plain_answer(step)
        if progress is None or step.started_at is None or step.ended_at is None:
            continue
        loading_s = progress.load_s or 0.0
        same, others = _company(step, spans)
        found.append(
            StepSample(
                step.attempts[0].target,
                SeenAnswer(
                    step.step.task,
                    whole[step.step.id],
                    step.step.difficulty,
                    step.step.token,
                    progress.tokens,
                    progress.prompt_tokens - progress.cached_tokens,
                    sum(_answer_tokens(run, needed) for needed in step.step.rely),
                ),
                max(0.0, (progress.ttft_s or 0.0) - loading_s),
                progress.tokens_per_second,
                max(1e-6, step.ended_at - step.started_at - loading_s),
                _handoff_s(run, step),
                same,
                others,
            )
        )
    return found


def fitted_profile(samples: Sequence[StepSample], usd_per_token: float) -> ModelProfile:
    """The profile of one target, from at least one sample, the latest last."""
    samples = samples[-MAX_KEPT:]
    speeds = [s.tokens_per_second for s in samples if s.tokens_per_second]
    ttft_s = median(s.ttft_s for s in samples)
    # Answers of a single token have no decoding speed; then the first token is all there is to predict.
    speed = median(speeds) if speeds else float("inf")
    handoffs = [s.handoff_s for s in samples if s.handoff_s is not None]
    known: dict[str, Any] = {
        "usd_per_token": usd_per_token,
        "tokens_per_answer": fmean(s.answer.tokens for s in samples),
        "read_tokens": fmean(s.answer.read_tokens for s in samples),
        "prompts": PromptLengths.fitted([s.answer for s in samples]),
        "handoff_s": max(0.0, median(handoffs)) if handoffs else 0.0,
    }
    seen = tuple(s.answer for s in samples)
    if len(samples) < MIN_FITTED:
        rest = (s.duration_s - ttft_s - (s.answer.tokens - 1) / speed for s in samples)
        return ModelProfile(ttft_s, speed, **known, overhead_s=max(0.0, median(rest)), seen=seen)
    fit = _fit(samples)
    return ModelProfile(
        ttft_s,
        1 / fit.per_token_s if fit.per_token_s > 0 else float("inf"),
        **known,
        overhead_s=fit.fixed_s - ttft_s,
        s_per_read_token=fit.per_read_token_s,
        beside_same=fit.beside_same,
        beside_other=fit.beside_other,
        seen=seen,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    error: float
    fixed_s: float
    per_read_token_s: float
    per_token_s: float
    beside_same: float
    beside_other: float


def _fit(samples: Sequence[StepSample]) -> _Fit:
    took = np.array([s.duration_s for s in samples])
    read = np.array([s.answer.read_tokens for s in samples], dtype=float)
    # Around their mean: prompts that are all alike tell nothing, and then nothing comes out for them.
    facts = np.column_stack((np.ones(len(samples)), read - read.mean(), [s.answer.tokens - 1 for s in samples]))
    same, others = (np.array([getattr(s, name) for s in samples]) for name in ("same", "others"))
    age = np.arange(len(samples))[::-1]
    weight, pace = 0.5 ** (age / HALF_LIFE), 0.5 ** (age / HALF_LIFE_OF_PACE)
    best: _Fit | None = None
    for a in SLOWDOWNS.tolist():
        for b in SLOWDOWNS.tolist():
            stretch = 1 + a * same + b * others
            figures = not_negative(facts * stretch[:, None], took, weight)
            ratio = np.maximum(facts @ figures * stretch, 1e-9) / took
            error = _error(ratio, weight) + _CAUTION * ((a - _USUAL) ** 2 + (b - _USUAL) ** 2)
            if best is None or error < best.error:
                fixed, per_read_token, per_token = (figures * mean_pace(1 / ratio, pace)).tolist()
                best = _Fit(error, fixed, per_read_token, per_token, a, b)
    assert best is not None
    return best


def _error(ratio: Floats, weight: Floats) -> float:
    """How far predicted over actual is from its own middle: a slow moment of the machine makes some steps far too
    long, and shall move nothing else."""
    off = np.minimum(np.abs(np.log(ratio / weighted_median(ratio, weight))), 1.0)
    return float(np.average(off, weights=weight))


def written_plans(run: PlanRun) -> Iterator[WrittenPlan]:
    """What the planner of a run wrote to the end, asked once and not from a cache."""
    for attempt in run.planning:
        progress = attempt.progress
        if progress.state != "done" or progress.ended_at is None or not progress.tokens:
            continue
        if progress.attempts <= 1 and progress.cache_age_s is None:
            took = progress.ended_at - progress.requested_at - (progress.load_s or 0.0)
            yield WrittenPlan(progress.tokens, max(1e-6, took))


def _plain_answer(step: StepRun) -> AnswerProgress | None:
    """The answer of a step that was asked once, of a model and not of a cache."""
    if step.state != "done" or len(step.attempts) != 1:
        return None
    progress = step.attempts[0].progress
    if progress.attempts > 1 or progress.cache_age_s is not None:
        return None
    return progress if progress.tokens and progress.ttft_s is not None else None


def _answer_tokens(run: PlanRun, step_id: str) -> int:
    """How long the answer of a step was; one that needed no model is not counted."""
    step = run.steps.get(step_id)
    return step.attempts[-1].progress.tokens if step and step.attempts else 0


def _handoff_s(run: PlanRun, step: StepRun) -> float | None:
    """From the last end of what the step needed to its start; None if it waited for a worker or for the planner."""
    ends = [run.steps[n].ended_at for n in step.step.rely if n in run.steps]
    last = max((end for end in ends if end is not None), default=None)
    if last is None or step.started_at is None or step.arrived_at > last or (step.queued_s or 0.0) > 0.001:
        return None
    return step.started_at - last


def _spans(run: PlanRun) -> Iterator[tuple[StepRun | None, str, float, float]]:
    """Who kept which target at work, from when to when."""
    for step in run.steps.values():
        if step.attempts and step.started_at is not None and step.ended_at is not None:
            yield step, step.attempts[-1].target, step.started_at, step.ended_at
    for attempt in run.planning:
        if (ended := attempt.progress.ended_at) is not None:
            yield None, run.options.router_model, attempt.progress.requested_at, ended


def _company(step: StepRun, spans: Iterable[tuple[StepRun | None, str, float, float]]) -> tuple[float, float]:
    """How many others were on the same model while the step ran, and how many other models were at work, on average."""
    start, end = step.started_at or 0.0, step.ended_at or 0.0
    length = max(end - start, 1e-9)
    same, beside = 0.0, dict[str, list[tuple[float, float]]]()
    for other, target, begins, ends in spans:
        low, high = max(start, begins), min(end, ends)
        if other is step or high <= low:
            continue
        if target == step.attempts[0].target:
            same += high - low
        else:
            beside.setdefault(target, []).append((low, high))
    return same / length, sum(_covered(parts) for parts in beside.values()) / length


def _covered(parts: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reach = 0.0, float("-inf")
    for low, high in sorted(parts):
        total += max(0.0, high - max(low, reach))
        reach = max(reach, high)
    return total
