"""A plan run as JSON: everything that is known of it."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from typing import Any

from multi_llm_comparator.plans.documents import run_document, step_item
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Outlook, Prediction
from multi_llm_comparator.plans.theory import ModelProfile


def run_data(run: PlanRun, outlook: Outlook | None) -> dict[str, Any]:
    """Everything of a run as plain data."""
    prediction, alone = (outlook.prediction, outlook.alone) if outlook else (None, None)
    return {
        "id": run.id,
        "run": run_document(run).model_dump(mode="json"),
        "steps": [dict(step_item(run.id, step).record) for step in run.steps.values()],
        "metrics": asdict(run_metrics(run)),
        "theory": _theory_data(prediction) if prediction else None,
        "large_alone": asdict(alone) if alone else None,
        # What judges said of it belongs to an evaluation, which puts it here.
        "verdicts": [],
    }


def _theory_data(prediction: Prediction) -> dict[str, Any]:
    schedule = prediction.schedule
    return {
        "total_s": prediction.total_s,
        "actual_s": prediction.actual_s,
        "error": prediction.error,
        "planner_s": prediction.planner.end_s if prediction.planner else None,
        "answer_s": prediction.answer_s,
        "critical_path": schedule.critical_path,
        "critical_path_s": prediction.critical_path_s,
        "usd": schedule.usd,
        "steps": [
            {"id": s.step.id, "target": s.target, "start_s": s.start_s, "first_s": s.first_s, "end_s": s.end_s}
            for s in schedule.steps
        ],
        "profiles": {name: _profile_data(profile) for name, profile in prediction.profiles.items()},
    }


def _profile_data(profile: ModelProfile) -> dict[str, Any]:
    """Its figures, without the answers that they come from."""
    figures = {f.name: getattr(profile, f.name) for f in fields(profile) if f.init and f.name != "seen"}
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in figures.items()
    }
