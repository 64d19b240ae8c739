"""The figures of a plan run, each with its unit, and with what it means on hover."""

from __future__ import annotations

from html import escape

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import percent
from multi_llm_comparator.plans.metrics import RunMetrics
from multi_llm_comparator.plans.outlook import LargeAlone, Outlook, Prediction
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_words import beside_alone, cost, path_words, speed_up
from multi_llm_comparator.plans.timeline import working_s
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import figure
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.plans.targets import name_of


def strip(run: PlanRun, metrics: RunMetrics, outlook: Outlook) -> str:
    """One line of figures; every one has its place before it is known."""
    wall = metrics.wall_s if run.is_over else working_s(run, run.created_at, now())
    pieces = [
        _figure("wall", say.seconds(wall)),
        *([_figure("loading", say.seconds(metrics.loading_s))] if metrics.loading_s else []),
        _predicted(outlook),
        _alone(run, metrics, outlook.alone),
        _figure("work", say.seconds(metrics.work_s or None)),
        _figure("speed_up", speed_up(metrics)),
        _figure("critical", say.seconds(metrics.critical_path_s or None), path=path_words(metrics, say_plan)),
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


def say_plan(key: str, /, **values: object) -> str:
    """A word of plan runs in the reader's language."""
    return t(f"plan.{key}", **values)


def _figure(name: str, value: str, more: str = "", **why: object) -> str:
    return figure(value, t(f"plan.figure_{name}"), t(f"plan.figure_{name}_why", **why) + more)


def _predicted(outlook: Outlook) -> str:
    if (prediction := outlook.prediction) is None:
        return _figure("predicted", say.NOTHING, f" {no_prediction(outlook)}")
    return _figure("predicted", *_predicted_words(prediction))


def no_prediction(outlook: Outlook) -> str:
    """Why there is none."""
    if outlook.unknown:
        return t("plan.no_prediction_of", models=", ".join(map(name_of, outlook.unknown)))
    return t("plan.no_prediction")


def _predicted_words(prediction: Prediction) -> tuple[str, str]:
    if prediction.error is None:
        return say.seconds(prediction.total_s), ""
    off = t("plan.figure_predicted_off", actual=say.seconds(prediction.actual_s), error=f"{prediction.error:+.0%}")
    return say.seconds(prediction.total_s), f" {off}"


def _alone(run: PlanRun, metrics: RunMetrics, alone: LargeAlone | None) -> str:
    model = name_of(run.options.executor.large_model)
    if alone is None:
        if run.is_over and run.answer is not None:
            why = t("plan.figure_alone_unknown", model=model)
            return figure(t("plan.alone_unknown"), t("plan.figure_alone"), why)
        return figure(say.NOTHING, t("plan.figure_alone"), t("plan.figure_alone_later", model=model))
    why = t("plan.figure_alone_why", model=model, tokens=say.count(alone.tokens), answers=say.count(alone.answers))
    return figure(say.seconds(alone.seconds), t("plan.figure_alone"), why, beside_alone(metrics, alone, say_plan))


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
