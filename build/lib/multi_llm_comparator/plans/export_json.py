"""A plan run as JSON: everything that is known of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from multi_llm_comparator.plans.documents import run_document, step_item
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.outlook import Outlook, Prediction, target_of
from multi_llm_comparator.plans.plan_run import PlanRun


def run_data(run: PlanRun, outlook: Outlook | None) -> dict[str, Any]:
    """Everything of a run as plain data."""
    prediction, alone = (outlook.prediction, outlook.alone) if outlook else (None, None)
    return {
        "id": run.id,
        "run": run_document(run).model_dump(mode="json"),
        "steps": [dict(step_item(run.id, step).record) for step in run.steps.values()],
        "metrics": asdict(run_metrics(run)),
        "theory": _theory_data(run, prediction) if prediction else None,
        "large_alone": asdict(alone) if alone else None,
        # What judges said of it belongs to an evaluation, which puts it here.
        "verdicts": [],
    }


def _theory_data(run: PlanRun, prediction: Prediction) -> dict[str, Any]:
    schedule = prediction.schedule
    return {
        "total_s": prediction.total_s,
        "actual_s": prediction.actual_s,
        "error": prediction.error,
        "planner_s": prediction.planning_s,
        "answer_s": prediction.answer_s,
        "critical_path": schedule.critical_path,
        "critical_path_s": prediction.critical_path_s,
        "steps": [
            {"id": s.id, "target": target_of(run, run.plan.by_id[s.id]), "start_s": s.start_s, "end_s": s.end_s}
            for s in schedule.steps
            if run.plan
        ],
        "profiles": [
            {
                "target": target,
                "part": part,
                "ttft_s": p.ttft_s,
                "tokens_per_second": p.tokens_per_second,
                "tokens_per_answer": p.tokens,
                "usd_per_token": p.usd_per_token,
                "answers": p.answers,
            }
            for (target, part), p in prediction.profiles.items()
        ],
    }
