from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.making import prompt_set
from tests.ui.measure.measured import PATIENCE_S, evaluated, opened, pick
from tests.ui.test_pages import html_of, run_of


def marked(test: AppTest) -> Any:
    """The cells of the matrix that the browser was last told to have chosen."""
    return json.loads(test.dataframe[0].proto.selection_state)["selection"]["cells"]


def test_the_matrix_narrows_to_where_models_disagree(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    test.selectbox(key=f"measure_show_{run.id}").select("disagree").run()
    assert not test.exception
    assert list(test.dataframe[0].value["prompt"]) == ["What is 2 + 2?"]
    test.selectbox(key=f"measure_show_{run.id}").select("failed").run()
    assert not test.dataframe


def test_a_number_opens_the_items_behind_it(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    shown = {button.key: button.disabled for button in test.button if "measure_open_wrong" in str(button.key)}
    assert shown == {"measure_open_wrong_a": True, "measure_open_wrong_b": False}
    test.button(key="measure_open_wrong_b").click().run()
    assert not test.exception
    assert list(test.dataframe[0].value["prompt"]) == ["What is 2 + 2?"]
    assert test.selectbox(key=f"measure_subject_{run.id}").value == "b"


def test_of_several_sources_each_number_opens_its_own_items(adders: Workbench, tmp_path: Path) -> None:
    questions = tmp_path / "mine.json"
    questions.write_text('[{"question": "5 + 5?", "answer": 10, "compare": "numeric"}]', encoding="utf-8")
    run = evaluated(adders, tasks=[{"name": str(questions)}])
    test = opened(run=run.id)
    numbers = [button for button in test.button if "measure_open_wrong" in str(button.key)]
    assert len(numbers) == 4
    (own,) = [one for one in numbers if "measure_open_wrong_b" in str(one.key) and "mine" in one.label]
    own.click().run()
    assert not test.exception
    assert list(test.dataframe[0].value["prompt"]) == ["5 + 5?"]


def test_what_narrowed_the_matrix_before_does_not_hide_the_items_behind_a_number(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    test.text_input(key=f"measure_text_{run.id}").set_value("23 * 17").run()
    test.slider(key=f"measure_between_{run.id}").set_value((0.8, 1.0)).run()
    assert list(test.dataframe[0].value["prompt"]) == ["What is 23 * 17?"]
    test.button(key="measure_open_wrong_b").click().run()
    assert not test.exception
    assert list(test.dataframe[0].value["prompt"]) == ["What is 2 + 2?"]


def test_the_row_that_is_marked_is_the_one_whose_answers_are_open(adders: Workbench) -> None:
    """A browser tells nobody of a click on the cell that it has for chosen, whatever stands there by now."""
    run = evaluated(adders)
    test = pick(opened(run=run.id), run, 0)
    assert marked(test) == [[0, "prompt"]]
    test.button(key="measure_later").click().run()
    assert marked(test) == [[1, "prompt"]]
    # The same prompt is in another place now.
    test.selectbox(key=f"measure_show_{run.id}").select("disagree").run()
    assert marked(test) == [[0, "prompt"]]
    test.button(key="measure_open_wrong_b").click().run()
    assert not test.exception
    assert marked(test) == []
    assert "measure_earlier" not in {button.key for button in test.button}


def test_the_table_follows_a_click_and_leaves_it_as_it_was(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    test.session_state[f"measure_matrix_{run.id}"] = {"selection": {"cells": [(1, "a")]}}
    test.session_state[f"measure_picked_{run.id}"] = 1
    test.run()
    # The browser has chosen that cell itself, and is told of no other.
    assert not test.dataframe[0].proto.selection_state
    assert "What is 2 + 2?" in html_of(test)


def test_a_row_opens_its_answers_and_is_scored_by_hand(adders: Workbench) -> None:
    run = evaluated(adders, prompt_set({"prompt": "Write.", "compare": "none"}))
    test = pick(opened(run=run.id), run, 0)
    assert not test.exception
    assert [block.value for block in test.code][:2] == ["It is 391."] * 2 or "It is 391." in test.code[0].value
    test.button(key="measure_right_a_0").click().run()
    test.button(key="measure_wrong_b_0").click().run()
    assert not test.exception
    cells = adders.bridge.run(adders.evaluations.get(run.id)).snapshot().cells
    assert sorted(cell.human or 0.0 for cell in cells.values()) == [0.0, 1.0]


def test_a_row_is_asked_again_in_compare_with_the_same_parameters(adders: Workbench) -> None:
    run = evaluated(adders)
    test = pick(opened(run=run.id), run, 1)
    test.button(key="measure_in_compare").click().run()
    assert not test.exception
    comparison = adders.bridge.run(adders.comparisons.get(run_of(test)))
    adders.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    (turn,) = comparison.snapshot().turns
    assert turn.prompt == "What is 2 + 2?"
    assert [pane.config.max_tokens for pane in comparison.snapshot().panes] == [64, 64]
    assert sorted(answer.text for answer in turn.answers.values()) == ["It is 391.", "It is 4."]
