"""The page Cooperate without a browser. Answers come from real model processes."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.spec import MODES, checked_spec
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.making import evaluation, prompt_set
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import PATIENCE_S, asked_of, html_of, press, run_of
from tests.ui.test_pages import opened as opened_page

QUESTION = "What is 17 * 23?"


def opened(**query: str) -> AppTest:
    """The page as a browser opens it at an address."""
    return opened_page("cooperate", **query)


def widget(widgets: Any, name: str) -> Any:
    """The one whose key begins like this."""
    [found] = [w for w in widgets if w.key and (w.key or "").startswith(name)]
    return found


def finished(bench: Workbench, run_id: str) -> CooperationRun:
    assert bench.bridge.run(bench.runs.wait(run_id, timeout_s=PATIENCE_S))
    return bench.bridge.run(bench.cooperations.get(run_id))


def answered(bench: Workbench, mode: str = "voting", *members: str, **more: Any) -> CooperationRun:
    targets = tuple({"target": name} for name in members or ("ash", "birch", "cedar"))
    spec = checked_spec(**{"mode": mode, "members": targets, "question": QUESTION, **more})
    run = bench.bridge.run(bench.cooperations.start(spec), timeout_s=PATIENCE_S)
    return finished(bench, run.id)


def test_an_empty_page_says_what_it_is_for_and_that_nothing_is_measured(bench: Workbench) -> None:
    test = opened()
    shown = html_of(test)
    assert i18n.translate("en", "cooperate.welcome") in shown
    assert i18n.translate("en", "cooperate.worth_none") in shown
    assert len([b for b in test.button if b.key and (b.key or "").startswith("cooperate_example_")]) == 4
    assert len(widget(test.multiselect, "cooperate_members").value) == 3


def test_an_example_starts_at_one_click(bench: Workbench) -> None:
    test = opened()
    press(test, "cooperate_example_voting")
    run = finished(bench, run_of(test))
    assert run.spec.mode == "voting"
    assert "391" in html_of(test.run())


def test_a_question_is_asked_of_the_chosen_members(bench: Workbench) -> None:
    test = opened()
    widget(test.selectbox, "cooperate_mode").set_value("parallel").run()
    widget(test.multiselect, "cooperate_members").set_value(["ash", "cedar"]).run()
    test.chat_input(key="cooperate_question").set_value(QUESTION).run()
    assert not test.exception
    run = finished(bench, run_of(test))
    assert (run.spec.mode, [member.target for member in run.spec.members]) == ("parallel", ["ash", "cedar"])


def test_a_finished_run_of_each_mode_is_shown(bench: Workbench) -> None:
    for mode in MODES:
        run = answered(bench, mode, "ash", "birch")
        for language in ("en", "zh"):
            test = opened(run=run.id, lang=language)
            assert not test.exception, mode
            shown = html_of(test)
            assert "ash" in shown and "391" in shown + "".join(block.value for block in test.markdown), mode


def test_who_was_not_asked_and_who_failed_is_said(bench: Workbench, tmp_path: Any) -> None:
    bench.models.available_models = [*bench.models.available_models, scripted_model(tmp_path, "elm", otherwise=" ")]
    run = answered(bench, "voting", "ash", "birch", "cedar")
    assert "could not change the vote" in html_of(opened(run=run.id))
    run = answered(bench, "parallel", "ash", "elm")
    shown = html_of(opened(run=run.id))
    assert "elm: failed" in shown and "Only ash answered" in shown


def test_a_setup_is_kept_as_the_model_name_of_its_mode(bench: Workbench) -> None:
    run = answered(bench, "voting", "birch", "cedar")
    test = opened(run=run.id)
    bench.saved_cooperations.save("voting", run.spec)
    kept = bench.saved_cooperations.load("voting", "again?")
    assert [member.target for member in kept.members] == ["birch", "cedar"]
    assert not test.exception


def test_what_a_mode_was_worth_stands_beside_it(bench: Workbench, tmp_path: Any) -> None:
    bench.models.available_models = [*bench.models.available_models, scripted_model(tmp_path, "elm", otherwise="5")]
    run = answered(bench, "voting", "ash", "elm")
    bench.saved_cooperations.save("voting", run.spec)
    prompts = prompt_set(*((f"What is {n} + {391 - n}?", "391") for n in range(6)), compare="numeric")
    spec = evaluation(prompts, "ash", "elm", "cooperate:voting")
    measured = bench.bridge.run(bench.evaluations.start(spec), timeout_s=PATIENCE_S)
    assert bench.bridge.run(bench.runs.wait(measured.id, timeout_s=PATIENCE_S))
    shown = html_of(opened(run=run.id))
    assert "points beside ash alone" in shown and i18n.translate("en", "cooperate.worth_none") not in shown


def test_a_pane_of_compare_asks_several_models_by_one_name(bench: Workbench) -> None:
    run = answered(bench, "voting", "ash", "birch", "cedar")
    bench.saved_cooperations.save("voting", run.spec)
    comparison = asked_of(bench, "cooperate:voting", prompt=QUESTION)
    [answer] = comparison.snapshot().turns[0].answers.values()
    assert (answer.progress.state, "391" in answer.progress.text) == ("done", True)
    test = opened_page("compare", run=comparison.id)
    assert "cooperate:voting" in html_of(test) + " ".join(str(box.value) for box in test.selectbox)
