"""The figures that the Plans page draws, as plain data."""

from __future__ import annotations

import json

import pytest

from multi_llm_comparator.charts.graph import MAX_NODES
from multi_llm_comparator.charts.lanes import MAX_ROWS
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.plans.export_html import to_svg
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.outlook import Key, Outlook, Prediction, Profile
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.prediction.outlook import outlook_of
from multi_llm_comparator.ui.kit.i18n import LANGUAGES, translate
from multi_llm_comparator.ui.plans.examples import examples, template
from multi_llm_comparator.ui.plans.figures import strip
from multi_llm_comparator.ui.plans.gantt import gantt
from multi_llm_comparator.ui.plans.graph import graph, left_out_of_graph
from multi_llm_comparator.ui.plans.prediction import critical_path
from multi_llm_comparator.ui.plans.scene import Scene
from multi_llm_comparator.ui.plans.state import Setup, restored_setup
from multi_llm_comparator.workbench import Workbench
from tests.support.finished_plan import STEPS, answer, done, finished_plan

SETUP = Setup("ash", "birch", "cedar", workers=2)
PROFILES: dict[Key, Profile] = {
    ("birch", "step"): Profile(0.5, 10.0),
    ("cedar", "step"): Profile(1.0, 5.0),
    ("ash", "plan"): Profile(2.0, 0.5),
}
UNKNOWN = Outlook(None, None)


@pytest.fixture
def run(bench: Workbench) -> PlanRun:
    return finished_plan(SETUP.options())


def predicted(run: PlanRun) -> Prediction:
    prediction = outlook_of(run, PROFILES).prediction
    assert prediction is not None
    return prediction


def test_every_lane_has_its_bars_in_the_colour_of_who_answered(run: PlanRun) -> None:
    figure = gantt(Scene(run, "light"))
    bars = [trace for trace in figure["data"] if trace["type"] == "bar" and trace["y"] != [None]]
    assert {row for trace in bars for row in trace["y"]} == {0, 1, 2, 3}
    writing = {trace["marker"]["color"] for trace in bars if trace["marker"]["color"].endswith(",1.0)")}
    assert len(writing) == 3
    hatched = [trace for trace in bars if "pattern" in trace["marker"]]
    assert hatched, "waiting can be told from writing"


def test_a_click_on_a_bar_picks_its_step(run: PlanRun) -> None:
    figure = gantt(Scene(run, "dark"))
    picked = {c[0] for trace in figure["data"] for c in trace.get("customdata", [])}
    assert picked >= {"1", "2", "3"}


def test_the_critical_path_is_marked_and_dependencies_are_told(run: PlanRun) -> None:
    critical = run_metrics(run).critical_path
    assert critical == ("2", "3")
    figure = gantt(Scene(run, "light", critical=critical))
    labels = figure["layout"]["yaxis"]["ticktext"]
    assert [("◆" in label) for label in labels] == [True, False, True, True]
    hovers = [c[1] for trace in figure["data"] for c in trace.get("customdata", [])]
    assert any("needs: 1, 2" in hover for hover in hovers)
    assert any("needed by: 3" in hover for hover in hovers)


def test_the_prediction_is_drawn_as_outlines(run: PlanRun) -> None:
    prediction = predicted(run)
    figure = gantt(Scene(run, "light", prediction=prediction))
    outlines = [s for s in figure["layout"]["shapes"] if s["line"].get("dash") == "dot"]
    assert len(outlines) == 4
    assert figure["layout"]["xaxis"]["range"][1] > max(s["x1"] for s in outlines)


def test_the_planner_has_an_outline_too_and_loading_moves_it(run: PlanRun) -> None:
    figure = gantt(Scene(run, "light", prediction=predicted(run)))
    outlines = {round(s["y0"] + 0.44): s for s in figure["layout"]["shapes"] if s["line"].get("dash") == "dot"}
    assert outlines.keys() == {0, 1, 2, 3}
    assert (outlines[0]["x0"], outlines[0]["x1"]) == (0.0, 10.0)
    assert figure["layout"]["xaxis"]["range"][1] > 10.0
    outlooks = outlook_of(run, PROFILES), UNKNOWN
    assert [to_svg(run, one, "en").count("stroke-dasharray") for one in outlooks] == [4, 0]
    run.planning[0].progress = answer(100.0, 1.0, loading_at=100.0, load_s=0.5, started_at=100.5, first_token_at=100.6)
    shapes = gantt(Scene(run, "light", prediction=predicted(run)))["layout"]["shapes"]
    assert min(s["x0"] for s in shapes if s["line"].get("dash") == "dot") == 0.5


def test_the_page_and_the_exported_file_draw_the_same_rows(run: PlanRun) -> None:
    critical, outlook = run_metrics(run).critical_path, outlook_of(run, PROFILES)
    page = gantt(Scene(run, "light", critical=critical, prediction=outlook.prediction))["layout"]
    drawn = to_svg(run, outlook, "en")
    marked = ["◆" in label for label in page["yaxis"]["ticktext"]]
    assert marked == [True, False, True, True]
    # The heading is bold as well.
    assert drawn.count('font-weight="bold"') == 1 + sum(marked)
    assert [s["line"].get("dash") for s in page["shapes"]].count("dot") == drawn.count("stroke-dasharray")


def test_two_runs_share_one_clock(run: PlanRun) -> None:
    wide = gantt(Scene(run, "light", span_s=60.0))["layout"]["xaxis"]["range"]
    assert wide[1] > 60.0
    assert Scene(run, "light").end_s == pytest.approx(6.0)


def test_figures_are_plain_data_with_nothing_in_them_that_is_markup(run: PlanRun) -> None:
    run.steps["1"].step = Step("1", "<script>alert(1)</script>", 2, 20)
    for figure in (gantt(Scene(run, "light")), graph(Scene(run, "dark"), 300)):
        assert "<script" not in json.dumps(figure, allow_nan=False)


def test_an_answer_stands_behind_its_bar_without_signs_of_markdown(run: PlanRun) -> None:
    run.steps["1"].answer = "**4 * 9** = 36"
    texts = [text for trace in gantt(Scene(run, "light"))["data"] for text in trace.get("text", [])]
    assert " 4 * 9 = 36" in texts


def test_a_plan_still_being_written_draws_what_is_there(run: PlanRun) -> None:
    run.state, run.phase, run.plan, run.ended_at = "running", "planning", None, None
    run.steps = {"3": StepRun(STEPS[2], arrived_at=101.0)}
    scene = Scene(run, "light", at=102.0)
    assert gantt(scene)["layout"]["yaxis"]["ticktext"][-1].startswith("3 ·")
    assert len(graph(scene, 300)["data"][1]["x"]) == 1
    assert "mlc-strip" in strip(run, run_metrics(run), UNKNOWN)


def test_the_longest_chain_so_far_is_marked_before_anything_can_be_predicted(run: PlanRun) -> None:
    run.state, run.phase, run.plan, run.ended_at, run.answer = "running", "planning", None, None, None
    assert critical_path(run, run_metrics(run), None) == ("2", "3")
    run.plan = Plan(STEPS)
    prediction = predicted(run)
    assert critical_path(run, run_metrics(run), prediction) == prediction.schedule.critical_path
    run.state, run.ended_at = "done", 106.0
    assert critical_path(run, run_metrics(run), prediction) == ("2", "3")


def test_what_there_is_no_room_for_is_counted_and_the_end_stays(run: PlanRun) -> None:
    assert (Scene(run, "light").lanes.left_out, left_out_of_graph(Scene(run, "light"))) == (0, (0, 0))
    run.aggregate = answer(106.0, 1.0)
    for number in range(4, 304):
        step = Step(str(number), "Add.", 2, 20, ("1",))
        run.steps[step.id] = done(step, "birch", 104.0, 1.0, 103.0)
    labels = gantt(Scene(run, "light"))["layout"]["yaxis"]["ticktext"]
    assert len(labels) == MAX_ROWS
    assert labels[-1] == translate("en", "plan.lane_answer")
    # The planner, 303 steps and the aggregation.
    assert Scene(run, "light").lanes.left_out == 305 - MAX_ROWS
    assert left_out_of_graph(Scene(run, "light")) == (303 - MAX_NODES, 302 - (MAX_NODES - 1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_examples_are_valid_plans_in_both_languages(language: Language) -> None:
    found = examples(language)
    assert len(found) >= 5
    for example in found:
        example.plan.validate()
        assert parse_plan(example.plan.to_xml()) == example.plan
        assert template(example.question, language) == example.plan


def test_the_last_setup_comes_back_as_far_as_it_still_holds() -> None:
    targets = {"oak-planner": "oak-planner", "demo-small": "demo-small", "demo-large": "demo-large"}
    kept = {"planner": "gone", "small": "demo-large", "threshold": 99, "workers": "many", "strange": 1}
    setup = restored_setup(kept, targets)
    assert (setup.planner, setup.small, setup.large) == ("oak-planner", "demo-large", "demo-large")
    assert (setup.threshold, setup.workers) == (11, Setup("", "", "").workers)
