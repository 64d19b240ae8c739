"""The Plans page without a browser. Plans and answers come from real model processes."""

from __future__ import annotations

import copy
import platform
import subprocess
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.plans.state import Setup
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import PATIENCE_S, html_of, press, run_of
from tests.ui.test_pages import opened as opened_page

QUESTION = "What is (2 + 3) * 4?"
PLAN = (
    '<Plan><Step ID="1" Task="Add 2 and 3." Difficulty="2" Token="20" Rely=""/>'
    '<Step ID="2" Task="Multiply {1} by 4." Difficulty="7" Token="20" Rely="1"/></Plan>'
)


@pytest.fixture
def planner(bench: Workbench, tmp_path: Path) -> Workbench:
    """A workbench with a model that plans, and two that solve."""
    bench.models.available_models = [
        scripted_model(tmp_path, "oak-planner", otherwise=PLAN),
        scripted_model(tmp_path, "demo-small", otherwise="2 + 3 = 5"),
        scripted_model(tmp_path, "demo-large", answers=[{"pattern": "Multiply 5", "text": "5 * 4 = 20"}]),
    ]
    return bench


def opened(**query: str) -> AppTest:
    """The page as a browser opens it at an address."""
    return opened_page("plans", **query)


def widget(widgets: Iterable[Any], name: str) -> Any:
    """The one whose key begins like this: what follows tells openings apart."""
    [found] = [w for w in widgets if w.key and (w.key or "").startswith(name)]
    return found


def finished(bench: Workbench, run_id: str) -> PlanRun:
    assert bench.bridge.run(bench.plans.runs.wait(run_id, timeout_s=PATIENCE_S))
    return bench.bridge.run(bench.plans.get(run_id))


def answered(bench: Workbench, plan: Plan | None = None, question: str = QUESTION, **setup: Any) -> PlanRun:
    """A run that is over."""
    usual = {"planner": "oak-planner", "small": "demo-small", "large": "demo-large", "result_after": "="}
    options = Setup(**{**usual, **setup}).options()
    run = bench.bridge.run(bench.plans.start(question, options, plan=plan), timeout_s=PATIENCE_S)
    return finished(bench, run.id)


def test_an_empty_page_says_what_it_is_for_and_offers_examples(planner: Workbench) -> None:
    test = opened()
    assert i18n.translate("en", "plan.welcome") in html_of(test)
    assert len([b for b in test.button if (b.key or "").startswith("plans_example_")]) >= 5
    assert not test.info


def test_the_models_are_chosen_sensibly_at_the_first_visit(planner: Workbench) -> None:
    test = opened()
    values = {name: widget(test.selectbox, f"plans_setup_{name}").value for name in ("planner", "small", "large")}
    assert values == {"planner": "oak-planner", "small": "demo-small", "large": "demo-large"}


def test_a_planner_plans_and_the_answer_is_shown(planner: Workbench) -> None:
    test = opened()
    test.chat_input(key="plans_question").set_value(QUESTION).run()
    assert not test.exception
    run = finished(planner, run_of(test))
    assert (run.state, run.answer) == ("done", "20")
    test.run()
    assert not test.exception
    assert any(element.value == "20" for element in test.markdown)
    assert test.title[0].value.replace("\\", "") == QUESTION


def test_a_question_that_cannot_be_taken_stays_in_the_box(planner: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> PlanRun:
        raise StoreError("the disk is full")

    monkeypatch.setattr(planner.plans, "start", refuse)
    test = opened()
    test.chat_input(key="plans_question").set_value(QUESTION).run()
    assert not test.exception
    assert "the disk is full" in test.toast[0].value
    assert test.chat_input(key="plans_question").value == QUESTION


def test_without_a_planner_the_page_says_so_and_examples_bring_their_plans(bench: Workbench) -> None:
    test = opened()
    assert test.info[0].value == i18n.translate("en", "plan.no_planner")
    press(test, "plans_example_smallest")
    run = finished(bench, run_of(test))
    assert run.plan is not None and len(run.plan.steps) == 4
    assert run.planning == []


def test_without_a_planner_a_question_opens_the_editor_and_its_plan_runs(bench: Workbench) -> None:
    test = opened()
    test.chat_input(key="plans_question").set_value(QUESTION).run()
    assert not test.exception
    assert QUESTION in widget(test.text_area, "plans_edited_xml").value
    widget(test.text_area, "plans_edited_xml").set_value(PLAN).run()
    press(test, "plans_edit_run")
    run = finished(bench, run_of(test))
    assert run.plan == parse_plan(PLAN)


@pytest.mark.parametrize(
    ("xml", "title"),
    [
        ("nothing", "EmptyPlanError"),
        (PLAN.replace('Rely=""', 'Rely="2"'), "CycleError"),
        (PLAN.replace('Rely="1"', 'Rely="9"'), "UnknownDependencyError"),
    ],
)
def test_the_editor_says_what_is_wrong_with_a_plan_and_does_not_run_it(bench: Workbench, xml: str, title: str) -> None:
    test = opened(lang="zh")
    test.chat_input(key="plans_question").set_value(QUESTION).run()
    widget(test.text_area, "plans_edited_xml").set_value(xml).run()
    assert not test.exception
    assert i18n.translate("zh", f"error.title.{title}") in html_of(test)
    assert test.button(key="plans_edit_run").disabled


def test_the_editor_says_what_it_repaired_and_keeps_what_was_written_until_it_is_cancelled(bench: Workbench) -> None:
    test = opened()
    test.chat_input(key="plans_question").set_value(QUESTION).run()
    widget(test.text_area, "plans_edited_xml").set_value(PLAN.replace('Token="', 'Token="9999', 1)).run()
    repaired = i18n.translate("en", "plan.repaired", what="")
    assert any(caption.value.startswith(repaired) for caption in test.caption)
    widget(test.text_area, "plans_edited_xml").set_value("").run()
    assert i18n.translate("en", "plan.edit_empty") in [caption.value for caption in test.caption]
    press(test, "plans_edit_cancel")
    assert not [area for area in test.text_area if (area.key or "").startswith("plans_edited")]


def test_a_refusal_is_said_in_the_readers_language(bench: Workbench) -> None:
    test = opened(lang="zh", run="doesnotexist")
    assert [t.value for t in test.toast if t.value.startswith(i18n.translate("zh", "error.title.RunNotFoundError"))]


def test_a_run_opens_again_by_its_address_with_its_setup(planner: Workbench) -> None:
    run = answered(planner, threshold=3, workers=2)
    test = opened(run=run.id)
    assert any(element.value == "20" for element in test.markdown)
    assert widget(test.number_input, "plans_setup_threshold").value == 3
    assert widget(test.number_input, "plans_setup_workers").value == 2


def test_older_runs_are_listed_a_dozen_at_a_time(planner: Workbench) -> None:
    def page() -> None:
        from multi_llm_comparator.ui.plans.menu import draw_runs

        draw_runs()

    for number in range(14):
        answered(planner, parse_plan(PLAN), question=f"Question {number}")
    test = AppTest.from_function(page, default_timeout=PATIENCE_S).run()
    assert not test.exception
    assert len([b for b in test.button if (b.key or "").startswith("icon_plans_runs_open_")]) == 12
    press(test, "plans_runs_more")
    assert len([b for b in test.button if (b.key or "").startswith("icon_plans_runs_open_")]) == 14
    assert not [b for b in test.button if b.key == "plans_runs_more"]


def test_an_unknown_run_is_said_and_the_page_works_on(planner: Workbench) -> None:
    test = opened(run="no-such-run")
    assert any("no-such-run" in toast.value for toast in test.toast)
    assert i18n.translate("en", "plan.welcome") in html_of(test)


def test_a_run_is_made_again_with_another_threshold_and_stands_beside_the_first(planner: Workbench) -> None:
    first = answered(planner)
    test = opened(run=first.id)
    widget(test.number_input, "plans_setup_threshold").set_value(1).run()
    press(test, "plans_again_plan")
    again = finished(planner, run_of(test))
    assert again.id != first.id
    assert again.plan == first.plan
    assert {s.target for s in again.steps.values()} == {"demo-large"}
    test.run()
    shown = html_of(test)
    assert i18n.translate("en", "plan.threshold_n", n=5) in shown
    assert i18n.translate("en", "plan.threshold_n", n=1) in shown


def test_a_failed_run_says_what_happened_and_can_be_resumed(planner: Workbench, tmp_path: Path) -> None:
    fault = {"kind": "error", "message": "out of order"}
    planner.models.available_models.append(scripted_model(tmp_path, "yew", faults=[fault]))
    run = answered(planner, small="yew", large="yew")
    assert run.state == "failed"
    test = opened(run=run.id, lang="zh")
    shown = html_of(test)
    assert i18n.translate("zh", "plan.failed_steps") in shown
    assert "out of order" in shown
    assert "Traceback" not in shown
    planner.models.available_models[-1] = scripted_model(tmp_path, "yew", otherwise="it is 20")
    unpredicted = i18n.translate("zh", "plan.no_prediction_of", models="yew, oak-planner")
    assert unpredicted in [caption.value for caption in test.caption]
    press(test, "plans_resume")
    assert finished(planner, run.id).state == "done"
    test.run()
    # Of a first run there is no other to tell what it should take, whatever became of it.
    assert unpredicted in [caption.value for caption in test.caption]


@pytest.mark.parametrize(
    ("failing", "setup"),
    [("demo-small", {"large": "demo-small"}), ("demo-large", {"threshold": 10, "ends_with_last_step": False})],
)
def test_a_run_that_failed_as_a_whole_leads_to_where_that_is_mended(
    planner: Workbench, tmp_path: Path, failing: str, setup: dict[str, Any]
) -> None:
    """All of its steps failed, or what was to make one answer of theirs."""
    fault = {"kind": "error", "error_type": "KeyRefusedError", "message": "the endpoint says 401"}
    model = scripted_model(tmp_path, failing, faults=[fault])
    planner.models.available_models = [model if one.name == failing else one for one in planner.models.available_models]
    run = answered(planner, **setup)
    assert run.state == "failed"
    test = opened(run=run.id)
    assert i18n.translate("en", "error.advice.KeyRefusedError") in html_of(test)
    assert [b.key for b in test.button if b.key == "settings_plans_run"]
    press(test, "groups_plans_run")
    assert test.query_params["entry"] == failing


def test_a_run_that_another_process_works_on_is_followed_and_can_be_resumed_when_that_has_ended(
    planner: Workbench,
) -> None:
    run = copy.copy(answered(planner))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        run.id, run.state = "elsewhere", "running"
        owner = WorkingProcess(platform.node(), other.pid, psutil.Process(other.pid).create_time())
        planner.store.save_run(run.run_record(), owner=owner, lease_s=PATIENCE_S)
        test = opened(run=run.id)
        assert f"in process {other.pid}" in html_of(test)
        assert not [b for b in test.button if b.key in ("plans_stop", "plans_resume")]
    test = opened(run=run.id)
    assert "in process" not in html_of(test)
    assert [b for b in test.button if b.key == "plans_resume"]


def test_an_answer_that_was_cut_is_marked_and_a_first_run_says_of_whom_nothing_is_known(
    planner: Workbench, tmp_path: Path
) -> None:
    long = scripted_model(tmp_path, "demo-small", otherwise="one two three four five six seven eight")
    planner.models.available_models[1] = long
    run = answered(planner, parse_plan(PLAN.replace('Token="20" Rely=""', 'Token="3" Rely=""')))
    test = opened(run=run.id)
    captions = [caption.value for caption in test.caption]
    assert "No prediction: no earlier run tells how these work: demo-small, demo-large. " in "".join(captions)
    widget(test.selectbox, "plans_step_box").set_value("1").run()
    captions = [caption.value for caption in test.caption]
    assert i18n.translate("en", "plan.step_cut", limit="3") in captions


def test_an_unusable_plan_is_told_with_its_reason(planner: Workbench, tmp_path: Path) -> None:
    planner.models.available_models[0] = scripted_model(tmp_path, "oak-planner", otherwise="I would rather not.")
    run = answered(planner)
    assert run.plan_is_direct
    test = opened(run=run.id)
    assert i18n.translate("en", "plan.note_direct") in html_of(test)
    assert escape(i18n.translate("en", "error.title.EmptyPlanError")) in html_of(test)


def test_the_text_of_models_and_people_never_becomes_markup(planner: Workbench) -> None:
    plan = parse_plan(PLAN.replace("Add 2 and 3.", "&lt;img src=x onerror=alert(1)&gt;"))
    run = answered(planner, plan, question="<script>alert(1)</script> **bold**")
    test = opened(run=run.id)
    assert "<img" not in html_of(test)
    assert "<script" not in html_of(test)
    assert "**" not in test.title[0].value


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_opens_in_every_language(planner: Workbench, language: Language) -> None:
    run = answered(planner)
    assert not opened(lang=language).exception
    shown = opened(lang=language, run=run.id)
    assert i18n.translate(language, "plan.figure_speed_up") in html_of(shown)
