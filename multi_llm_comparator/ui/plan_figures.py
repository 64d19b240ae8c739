"""The figures of a plan run, each with its unit, and with what it means on hover."""

from __future__ import annotations

from html import escape

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.plans.metrics import RunMetrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.timeline import working_s
from multi_llm_comparator.ui import figures as say
from multi_llm_comparator.ui.choices import tone_of
from multi_llm_comparator.ui.html_pieces import figure
from multi_llm_comparator.ui.i18n import t
from multi_llm_comparator.ui.plan_targets import name_of


def strip(run: PlanRun, metrics: RunMetrics, prediction: Prediction | None) -> str:
    """One line of figures; every one has its place before it is known."""
    wall = metrics.wall_s if run.is_over else working_s(run, run.created_at, now())
    pieces = [
        _figure("wall", say.seconds(wall)),
        _figure("predicted", *_predicted(prediction)),
        _figure("work", say.seconds(metrics.work_s or None)),
        _figure("speed_up", f"{metrics.speed_up:.2f} ×" if metrics.steps_s else say.NOTHING),
        _figure("critical", say.seconds(metrics.critical_path_s or None), path=" → ".join(metrics.critical_path)),
        _figure(
            "compression",
            f"{metrics.compression_ratio:.2f}" if metrics.depth else say.NOTHING,
            depth=metrics.depth,
            steps=metrics.steps,
        ),
        _tokens(run, metrics),
        _figure("cost", cost(metrics.cost_usd)),
    ]
    return f'<div class="mlc-strip">{"".join(pieces)}</div>'


def cost(usd: float | None) -> str:
    """``$0.0012``, ``$3.50``, ``$0``."""
    if not usd:
        return say.NOTHING if usd is None else "$0"
    return f"${usd:.4f}" if usd < 0.995 else f"${usd:,.2f}"


def percent(share: float | None) -> str:
    return say.NOTHING if share is None else f"{share:.0%}"


def _figure(name: str, value: str, more: str = "", **why: object) -> str:
    return figure(value, t(f"plan.figure_{name}"), t(f"plan.figure_{name}_why", **why) + more)


def _predicted(prediction: Prediction | None) -> tuple[str, str]:
    if prediction is None:
        return say.NOTHING, ""
    if prediction.error is None:
        return say.seconds(prediction.schedule.makespan_s), ""
    off = t("plan.figure_predicted_off", actual=say.seconds(prediction.actual_s), error=f"{prediction.error:+.0%}")
    return say.seconds(prediction.schedule.makespan_s), f" {off}"


def _tokens(run: PlanRun, metrics: RunMetrics) -> str:
    """All tokens, with a bar that parts those of steps between the small and the large model."""
    executor = run.options.executor
    why = t(
        "plan.figure_tokens_why",
        small=name_of(executor.small_model),
        large=name_of(executor.large_model),
        share_small=percent(metrics.share_small),
        share_large=percent(metrics.share_large),
        prompt=say.count(metrics.prompt_tokens),
    )
    parts = ((executor.small_model, metrics.share_small), (executor.large_model, metrics.share_large))
    bar = "".join(
        f'<span style="width:{100 * share:.1f}%;--tone:{tone_of(target).css}"></span>' for target, share in parts
    )
    label = escape(t("plan.figure_tokens"))
    return (
        f'<div class="mlc-figure" title="{escape(why)}"><b>{say.count(metrics.tokens)} '
        f"<small>{percent(metrics.share_small)} / {percent(metrics.share_large)}</small></b><i>{label}</i>"
        f'<div class="mlc-share">{bar}</div></div>'
    )
