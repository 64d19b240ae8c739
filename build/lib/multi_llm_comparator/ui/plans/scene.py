"""A run as its charts show it: what they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from multi_llm_comparator.charts.graph import Graph
from multi_llm_comparator.charts.lanes import Lanes
from multi_llm_comparator.plans.outlook import Prediction
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_gantt import GanttWords, run_lanes
from multi_llm_comparator.plans.run_graph import run_graph
from multi_llm_comparator.ui.kit.i18n import t


@dataclass(frozen=True)
class Scene:
    """What the charts of a run are drawn from, computed once. ``at`` is now, for what goes on; None when nothing does.

    ``span_s`` makes the time axis longer than the run, so that two runs can be compared; ``page`` is "light" or "dark".
    """

    run: PlanRun
    page: str
    at: float | None = None
    prediction: Prediction | None = None
    critical: tuple[str, ...] = ()
    selected: str | None = None
    span_s: float | None = None

    @cached_property
    def lanes(self) -> Lanes:
        words = GanttWords(
            plan=t("plan.lane_plan"), plan_again=t("plan.lane_plan_again", n="{n}"), answer=t("plan.lane_answer")
        )
        outlines = self.prediction.outlines if self.prediction else None
        return run_lanes(self.run, self.critical, outlines, words, at=self.at)

    @cached_property
    def graph(self) -> Graph:
        return run_graph(self.run, self.critical)

    @property
    def end_s(self) -> float:
        """Seconds from the start to the end of whatever is in the chart."""
        return self.lanes.end_s or 1.0
