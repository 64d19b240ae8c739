"""The page without a browser, for what needs no job."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data.distill import DistillOptions, make_prompts
from multi_llm_comparator.ui.kit.i18n import translate
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import PATIENCE_S, html_of, opened, press


def opened_at(run_id: str) -> AppTest:
    test = opened("tune")
    test.query_params["run"] = run_id
    return test.run()


def test_without_a_model_that_could_learn_the_page_says_where_to_get_one(bench: Workbench) -> None:
    test = opened("tune")
    assert translate("en", "tune.no_base") in html_of(test)


def test_an_unknown_job_in_the_address_is_dropped(bench: Workbench) -> None:
    test = opened_at("nosuchjob")
    assert not test.exception
    assert test.title[0].value == translate("en", "tune.new_title")


def test_answers_are_reviewed_and_become_the_data_of_a_tuning(bench: Workbench) -> None:
    async def ask() -> str:
        prompts = make_prompts([(Message("user", "Why?"),), (Message("user", "How?"),)])
        run = await bench.distillations.start(prompts, DistillOptions(target="ash"))
        await run.wait()
        return run.id

    run_id = bench.bridge.run(ask(), timeout_s=PATIENCE_S)
    test = opened_at(run_id)
    assert not test.exception
    keys = [prompt.key for prompt in bench.bridge.run(bench.distillations.get(run_id)).prompts]
    # Nobody has looked at them: none is used, and how many would be is said.
    assert test.button(key="tune_write_use_button").disabled
    assert test.button(key="tune_write_take_unread").label == "Take all 2 not looked at"
    press(test, "tune_write_take_unread")
    assert test.button(key="tune_write_use_button").label == "Use 2 answers as data"
    assert "2 taken unread" in html_of(test)
    press(test, "tune_write_leave_unread")
    assert test.button(key="tune_write_use_button").disabled and "2 to decide" in html_of(test)
    test.button(key=f"tune_rejected_{run_id}_{keys[0]}").click().run()
    test.text_area(key=f"tune_edit_{run_id}_{keys[1]}").set_value("In this way.").run()
    answers = bench.bridge.run(bench.distillations.get(run_id)).snapshot().answers
    assert answers[keys[0]].review == "rejected" and answers[keys[1]].final == "In this way."
    press(test, "tune_write_use_button")
    written = Path(bench.settings.home / "written" / f"{run_id}.jsonl").read_text(encoding="utf-8")
    assert "In this way." in written and "Why?" not in written
    assert test.title[0].value == translate("en", "tune.new_title")
