"""Figures of a plan run as people read them, on pages and in exported files."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.core.readable import NOTHING
from multi_llm_comparator.core.words import Say
from multi_llm_comparator.plans.metrics import RunMetrics
from multi_llm_comparator.plans.outlook import LargeAlone


def speed_up(metrics: RunMetrics) -> str:
    return NOTHING if metrics.speed_up is None else f"{metrics.speed_up:.2f} ×"


def chain_words(steps: Sequence[str], is_planned: bool, is_aggregated: bool, say: Say) -> str:
    """What is on a critical path, in its order."""
    before, after = [say("lane_plan")] * is_planned, [say("lane_answer")] * is_aggregated
    return " → ".join([*before, *steps, *after])


def path_words(metrics: RunMetrics, say: Say) -> str:
    """What is on the critical path of a run."""
    return chain_words(metrics.critical_path, bool(metrics.critical_planning_s), bool(metrics.answer_s), say)


def cost(usd: float | None) -> str:
    """``$0.0012``, ``$3.50``, ``$0``."""
    if not usd:
        return NOTHING if usd is None else "$0"
    return f"${usd:.4f}" if usd < 0.995 else f"${usd:,.2f}"


def beside_alone(metrics: RunMetrics, alone: LargeAlone, say: Say) -> str:
    """Whether splitting the question paid, in time."""
    together_s = (metrics.wall_s or 0.0) - metrics.loading_s
    if together_s <= 0 or alone.seconds <= 0:
        return ""
    gain = alone.seconds / together_s
    return say("together_faster" if gain >= 1 else "together_slower", n=f"{max(gain, 1 / gain):.2g}")
