"""What was asked of the API, as a chart over time and a table by key and model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.tracking.usage import By, UsageTotal
from multi_llm_comparator.ui.kit import figures
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.ui.kit.visitor import visitor
from multi_llm_comparator.ui.usage.chart import MEASURES, Measure, usage_chart
from multi_llm_comparator.workbench import get_workbench

HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True)
class Period:
    """A stretch of time that ends now, and of how many seconds each bar of its chart is."""

    seconds: float
    bucket_s: float


SPANS = {
    "hour": Period(HOUR_S, 60),
    "day": Period(DAY_S, HOUR_S),
    "week": Period(7 * DAY_S, 6 * HOUR_S),
    "month": Period(30 * DAY_S, DAY_S),
    "quarter": Period(90 * DAY_S, DAY_S),
}


def draw_usage() -> None:
    """Choices above, the chart, the table."""
    st.caption(t("usage.why"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="usage_choices"):
        span = SPANS[st.selectbox(t("usage.span"), list(SPANS), 1, format_func=_span, key="usage_span", width=200)]
        by: By = st.segmented_control(
            t("usage.by"),
            ["model", "caller"],
            default="model",
            required=True,
            format_func=lambda by: t(f"usage.by_{by}"),
            key="usage_by",
        )
        measure: Measure = st.segmented_control(
            t("usage.show"),
            MEASURES,
            default="requests",
            required=True,
            format_func=lambda shown: t(f"usage.{shown}"),
            key="usage_measure",
        )
    until = now()
    since = until - span.seconds
    usage = get_workbench().store.usage
    totals = attempt(lambda: usage.totals(since)) or []
    if not totals:
        st.info(tm("usage.empty", address=f"{st.context.url or ''}".split("/usage")[0].rstrip("/") + "/v1"))
        return
    names = caller_names()
    buckets = attempt(lambda: usage.over_time(since, until, span.bucket_s, by)) or []
    labels = {getattr(one, by): _caller(one.caller, names) if by == "caller" else one.model for one in buckets}
    figure = usage_chart(buckets, by, labels, measure, (since, until), span.bucket_s, st.context.timezone, page_tone())
    live_chart(figure, "usage_chart", alt=_measure(measure), name="usage")
    st.dataframe(_table(totals, names), hide_index=True, width="stretch", key="usage_table")
    if visitor().is_admin:
        st.caption(tm("usage.audit", path=str(get_workbench().settings.home / "logs" / "audit.log")))


def caller_names() -> dict[str, str]:
    """What callers are called, by their ids."""
    if not visitor().is_admin:
        return {visitor().id: visitor().name}
    keys = attempt(get_workbench().store.api_keys.list) or []
    return {"": t("usage.this_machine"), "token": t("usage.start_token"), **{key.id: key.name for key in keys}}


def _table(totals: list[UsageTotal], names: dict[str, str]) -> pd.DataFrame:
    """Each cell is text: figures with their units, names as they are."""
    rows: list[dict[str, Any]] = [
        {
            t("usage.key"): _caller(one.caller, names),
            t("usage.model"): one.model,
            t("usage.requests"): figures.count(one.requests),
            t("usage.failed"): figures.count(one.failed),
            t("usage.prompt_tokens"): figures.count(one.prompt_tokens),
            t("usage.completion_tokens"): figures.count(one.completion_tokens),
            t("usage.cost"): _cost(one),
            t("usage.p50"): figures.seconds(one.p50_s),
            t("usage.p95"): figures.seconds(one.p95_s),
        }
        for one in totals
    ]
    return pd.DataFrame(rows)


def _caller(caller: str, names: dict[str, str]) -> str:
    if caller.startswith("jwt:"):
        return t("usage.signed", name=caller.removeprefix("jwt:"))
    return names.get(caller, caller)


def _cost(one: UsageTotal) -> str:
    usd = figures.dollars(one.micro_usd / 1e6)
    return t("usage.cost_partly", usd=usd, n=figures.count(one.unpriced)) if one.unpriced else usd


def _span(name: str) -> str:
    return t(f"usage.span_{name}")


def _measure(name: str) -> str:
    return t(f"usage.{name}")
