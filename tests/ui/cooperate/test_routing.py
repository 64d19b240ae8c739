"""The section on routing of the Cooperate page."""

from __future__ import annotations

import json

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.routing.curves import Curves, learn_and_judge
from multi_llm_comparator.routing.learnt import save
from multi_llm_comparator.routing.point import chosen_priority
from multi_llm_comparator.ui.cooperate.routing_chart import routing_chart
from multi_llm_comparator.workbench import Workbench
from tests.routing.test_learnt import RULES, made_outcomes


def section() -> None:
    from multi_llm_comparator.ui.cooperate.routing import draw_routing

    draw_routing()


def drawn() -> AppTest:
    return AppTest.from_function(section, default_timeout=60).run()


def test_without_anything_learnt_rules_decide_and_a_question_can_be_tried(bench: Workbench) -> None:
    test = drawn()
    assert not test.exception
    assert "rules decide" in test.info[0].value
    test.text_input(key="routing_question").set_value("Solve *2x* + 3 = 7").run()
    assert not test.exception
    assert any("would answer" in shown.value and "mathematics" in shown.value for shown in test.markdown)
    assert len(test.dataframe[0].value) == 3


def test_before_anything_is_learnt_curves_of_recorded_answers_are_shown(bench: Workbench) -> None:
    test = drawn()
    assert not any("public models" in shown.value for shown in test.caption)
    test.segmented_control(key="routing_curves_False").set_value("MMLU-Pro").run()
    test.slider(key="routing_priority").set_value(0.9).run()
    assert not test.exception
    assert any("public models to MMLU-Pro" in shown.value for shown in test.caption)
    assert any("At this point" in shown.value for shown in test.markdown)


def test_a_point_that_is_kept_holds_for_whoever_routes(bench: Workbench) -> None:
    test = drawn()
    assert test.button(key="routing_keep").disabled
    test.slider(key="routing_priority").set_value(0.25).run()
    test.button(key="routing_keep").click().run()
    assert not test.exception
    folder = bench.settings.home / "routing"
    assert chosen_priority(folder) == 0.25
    (folder / "point.json").write_text('{"quality_priority": 7}')
    assert chosen_priority(folder) is None


def test_with_nothing_measured_learning_says_what_is_missing(bench: Workbench) -> None:
    test = drawn()
    test.button(key="routing_learn").click().run()
    assert not test.exception
    assert "nothing was measured yet" in test.session_state["app_notices"][0][0]


def test_what_was_learnt_is_shown_with_its_verdict_and_can_be_forgotten(bench: Workbench) -> None:
    folder = bench.settings.home / "routing"
    predictor, curves = learn_and_judge(made_outcomes(120), RULES)
    save(predictor, folder, curves.to_dict())
    test = drawn()
    assert not test.exception
    assert any("the learnt router" in shown.value for shown in test.markdown)
    test.button(key="routing_forget").click().run()
    assert not (folder / "learnt.json").exists()
    assert "rules decide" in test.info[0].value


def test_files_that_cannot_be_used_are_told(bench: Workbench) -> None:
    folder = bench.settings.home / "routing"
    folder.mkdir()
    (folder / "learnt.json").write_text("{}")
    test = drawn()
    assert not test.exception
    assert "learn again" in test.warning[0].value


def test_names_of_models_are_no_markup_in_the_chart() -> None:
    outcomes = made_outcomes(120)
    _, curves = learn_and_judge(outcomes, RULES)
    data = curves.to_dict()
    data["singles"][0]["name"] = "<a href='x'>%{y}</a>"
    data["unit"] = "<b>s</b>"
    drawing = json.dumps(routing_chart(Curves.from_dict(data), 0.7, "dark"))
    assert "<a" not in drawing and "%{y}" not in drawing
