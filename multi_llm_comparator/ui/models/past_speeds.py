"""How fast a model was, over time: the answers that it wrote alone, with what it held and how long it took to load."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.chart_look import FAINT, Figure, layout
from multi_llm_comparator.ui.kit.html_pieces import facts
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.palette import model_tone
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.workbench import get_workbench

# So many of the latest comparisons are looked at.
MAX_RUNS = 40
HEIGHT_PX = 180


@dataclass(frozen=True, slots=True)
class Lone:
    """An answer that nothing else was computed beside. Seconds since the epoch, tokens/s, bytes, seconds."""

    at: float
    tokens_per_s: float
    memory_bytes: int | None
    load_s: float | None


def draw_past_speeds(model: ModelInfo) -> None:
    with st.expander(
        t("models.past"), icon=":material/timeline:", key=f"models_past_{model.id}", on_change="rerun"
    ) as box:
        if not box.open:
            return
        found = perform(_lone_answers(model)) or []
        if not found:
            st.caption(t("models.past_none"))
            return
        loads = [one.load_s for one in found if one.load_s]
        memory = next((one.memory_bytes for one in reversed(found) if one.memory_bytes), None)
        middle = median(one.tokens_per_s for one in found)
        rows = [
            (
                t("models.past_speed"),
                f"{say.speed(middle)} {t('figure.speed_unit')} · {tn('models.past_n', len(found))}",
            ),
            (t("models.past_memory"), say.size(memory)),
            (t("models.past_load"), say.seconds(median(loads)) if loads else say.NOTHING),
        ]
        st.html(facts(rows))
        if len(found) > 1:
            page = page_tone()
            figure = speed_chart(found, model_tone(model.id).on(page), page)
            live_chart(figure, f"models_past_chart_{model.id}", alt=t("models.past"), name=model.name)


async def _lone_answers(model: ModelInfo) -> list[Lone]:
    """The oldest first."""
    workbench = get_workbench()
    found: list[Lone] = []
    for summary in await workbench.runs.list(RunFilter(kind=Comparison.kind, model=model.name), MAX_RUNS):
        try:
            snapshot = (await workbench.comparisons.get(summary.id)).snapshot()
        except MultiLLMError:
            # What cannot be read any more says nothing of the model.
            continue
        for turn in snapshot.turns:
            for attempts in turn.attempts.values():
                for answer in attempts:
                    of = answer.figures
                    was_alone = not of.contended_by and not of.batched_with
                    if answer.model.id == model.id and of.tokens_per_second and was_alone:
                        found.append(Lone(answer.created_at, of.tokens_per_second, of.memory_bytes, of.load_s))
    return sorted(found, key=lambda one: one.at)


def speed_chart(found: list[Lone], colour: str, page: str) -> Figure:
    """Tokens/s of each answer over time, as plain data for Plotly."""
    unit = t("figure.speed_unit")
    points = {
        "type": "scatter",
        "mode": "markers+lines",
        "x": [one.at * 1000 for one in found],
        "y": [one.tokens_per_s for one in found],
        "marker": {"color": colour, "size": 7},
        "line": {"color": colour, "width": 1},
        "hovertemplate": f"%{{y:.1f}} {unit}<extra></extra>",
    }
    look: Figure = {
        **layout(page),
        "height": HEIGHT_PX,
        "margin": {"l": 48, "r": 8, "t": 8, "b": 32},
        "xaxis": {"type": "date", "gridcolor": FAINT[page], "fixedrange": True},
        "yaxis": {"rangemode": "tozero", "gridcolor": FAINT[page], "fixedrange": True, "title": unit},
    }
    return {"data": [points], "layout": look}
