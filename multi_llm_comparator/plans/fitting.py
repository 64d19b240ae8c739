"""From finished steps to a profile of the model that solved them.

A step has two phases. Each takes what it would take alone, and what its company (:mod:`plans.company`) costs it:

    reading   fixed + per token * those to be read beyond the usual
    writing   fixed + (per token + per token before it * those beyond the usual) * tokens after the first
    both      + share of speed lost to each part of the company * seconds that it was there

What it takes alone and what it loses are found in turn, by least squares that heed far outliers less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from multi_llm_comparator.plans.company import LEAST_SPEED, Slowdown
from multi_llm_comparator.plans.least_squares import Floats, mean_pace, not_negative, seconds_fitted
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.step_samples import PhaseSample, StepSample
from multi_llm_comparator.plans.theory import ModelProfile

# Fewer steps than this tell nothing of how prompts and neighbours matter.
MIN_FITTED = 12
MAX_KEPT = 400
# Each so many steps further back, one counts half as much. How figures go together is a model's nature and learnt from
# many; how fast the machine is just now, only its latest steps tell.
HALF_LIFE, HALF_LIFE_OF_PACE = 60.0, 12.0
# Least squares are weighed again so many times, by how far off each step is: then they come near the middle of what
# scatters, and a slow moment of the machine moves little. Nearer than this, in shares of what a step took, all count.
_ROUNDS, _NEAR = 20, 0.02
# What company costs where nothing is known of it, and how many steps that had it half of their time say so.
_USUAL_LOSS, _CAUTION = 0.2, 0.1


def fitted_profile(samples: Sequence[StepSample], usd_per_token: float) -> ModelProfile:
    """The profile of one target, from at least one sample, the latest last."""
    samples = samples[-MAX_KEPT:]
    # Answers of a single token have no decoding speed; then the first token is all there is to predict.
    speeds = [s.tokens_per_second for s in samples if s.tokens_per_second]
    handoffs = [s.handoff_s for s in samples if s.handoff_s is not None]
    seen = tuple(s.answer for s in samples)
    known: dict[str, Any] = {
        "usd_per_token": usd_per_token,
        "tokens_per_answer": fmean(s.tokens for s in seen),
        "read_tokens": fmean(s.read_tokens for s in seen),
        "read": PromptLengths.fitted("read_tokens", seen),
        "prompts": PromptLengths.fitted("prompt_tokens", seen),
        "handoff_s": max(0.0, median(handoffs)) if handoffs else 0.0,
        "seen": seen,
    }
    if len(samples) < MIN_FITTED:
        speed = median(speeds) if speeds else float("inf")
        rest = (s.writing.seconds - (s.answer.tokens - 1) / speed for s in samples)
        ttft_s = median(s.reading.seconds for s in samples)
        return ModelProfile(ttft_s, speed, **known, overhead_s=max(0.0, median(rest)))
    return _fitted(samples, known)


def _fitted(samples: Sequence[StepSample], known: dict[str, Any]) -> ModelProfile:
    read = np.array([s.answer.read_tokens for s in samples], dtype=float)
    tokens = np.array([s.answer.tokens for s in samples], dtype=float)
    more, context = tokens - 1, np.array([s.answer.prompt_tokens for s in samples]) + tokens / 2
    usual = float(np.average(context, weights=more)) if more.any() else 0.0
    took = np.array([s.duration_s for s in samples])
    # Around their mean: prompts that are all alike tell nothing, and then nothing comes out for them.
    reading_facts = np.column_stack((np.ones(len(samples)), read - read.mean()))
    writing_facts = np.column_stack((np.ones(len(samples)), more, more * (context - usual)))
    age = np.arange(len(samples))[::-1]
    weight, pace = 0.5 ** (age / HALF_LIFE), 0.5 ** (age / HALF_LIFE_OF_PACE)
    reading = _fit([s.reading for s in samples], reading_facts, took, weight)
    writing = _fit([s.writing for s in samples], writing_facts, took, weight)
    slower = mean_pace(took / np.maximum(reading.predicted + writing.predicted, 1e-9), pace)
    fixed, per_read_token = (reading.figures * slower).tolist()
    overhead, per_token, per_token_before = (writing.figures * slower).tolist()
    return ModelProfile(
        fixed,
        1 / per_token if per_token > 0 else float("inf"),
        **known,
        overhead_s=overhead,
        s_per_read_token=per_read_token,
        usual_context=usual,
        s_per_token_before=per_token_before,
        reading=reading.slowdown,
        writing=writing.slowdown,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """The figures of a phase, and the seconds that each sample should have taken."""

    figures: Floats
    slowdown: Slowdown
    predicted: Floats


def _fit(samples: Sequence[PhaseSample], alone: Floats, took: Floats, weight: Floats) -> _Fit:
    """What the phase takes alone, and what it loses to company, each found in turn with the other as it is.

    Both at once would find that steps which always had company take no time of their own, and lose all of it. Errors
    are relative to what the whole steps ``took``: a short phase matters little.

    Args:
        samples: what the phase took, and in what company.
        alone: what it would take alone, one column for each figure.
        took: seconds of the whole steps.
        weight: how much each counts.
    """
    seconds = np.maximum([s.seconds for s in samples], 1e-9)
    shares = np.array([s.beside for s in samples]) / seconds[:, None]
    parts = shares.shape[1]
    lost, kept = np.full(parts, _USUAL_LOSS), np.ones(len(samples))
    # A few steps that had each part of the company for half of their time, and lost what is lost as a rule.
    assumed = 0.5 * np.eye(parts)
    weight = weight * (seconds / took) ** 2
    heeded = np.ones(len(samples))
    for _ in range(_ROUNDS):
        counts, kept = heeded * weight, np.maximum(LEAST_SPEED, 1.0 - shares @ lost)
        figures = seconds_fitted(alone, seconds * kept, counts)
        # Least squares of relative errors come out low, by which company would cost a little more each time.
        low = float(np.average(alone @ figures / (seconds * kept), weights=counts))
        figures = figures / low if low > 0 else figures
        needs = np.maximum(alone @ figures, 0.0)
        lost = not_negative(
            np.vstack((shares, assumed)),
            np.concatenate((1.0 - needs / seconds, assumed @ np.full(parts, _USUAL_LOSS))),
            np.concatenate((counts, np.full(parts, _CAUTION * counts.mean()))),
            np.concatenate((kept, np.ones(parts))),
        )
        predicted = needs / np.maximum(LEAST_SPEED, 1.0 - shares @ lost)
        heeded = 1 / np.maximum(np.abs(predicted - seconds) / took, _NEAR)
    return _Fit(figures, Slowdown(*np.minimum(lost, 1.0).tolist()), predicted)
