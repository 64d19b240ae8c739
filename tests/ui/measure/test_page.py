from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.prompt_sets import checked_set
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.making import evaluation, prompt_set
from tests.evaluation.measuring.test_learnt import trained
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import asked, html_of, run_of
from tests.ui.test_pages import opened as opened_page

PATIENCE_S = 60.0
ROWS = prompt_set(("What is 23 * 17?", "391"), ("What is 2 + 2?", "4"), compare="contains")


@pytest.fixture
def adders(bench: Workbench, tmp_path: Path) -> Workbench:
    """Two models of which one knows both answers."""
    four = {"pattern": "2 \\+ 2", "text": "It is 4."}
    bench.models.available_models = [
        scripted_model(tmp_path, "knows", answers=[four], otherwise="It is 391."),
        scripted_model(tmp_path, "guesses", otherwise="It is 391."),
    ]
    return bench


def opened(page: str = "measure", **query: str) -> AppTest:
    """The page, as its address opens it."""
    return opened_page(page, **query)


def ended(bench: Workbench, run_id: str) -> EvaluationRun:
    run = bench.bridge.run(bench.evaluations.get(run_id))
    bench.bridge.run(run.wait(), timeout_s=PATIENCE_S)
    return run


def evaluated(bench: Workbench, prompts: Any = ROWS, **more: Any) -> EvaluationRun:
    ids = [model.id for model in bench.models.get_available_models()]
    return ended(bench, bench.bridge.run(bench.evaluations.start(evaluation(prompts, *ids, **more))).id)


def pick(test: AppTest, run: EvaluationRun, number: int) -> AppTest:
    test.session_state[f"measure_picked_{run.id}"] = number
    return test.run()


def test_an_empty_page_says_what_it_is_for_and_its_example_works_at_one_click(adders: Workbench) -> None:
    test = opened()
    assert not test.exception
    assert i18n.translate("en", "measure.welcome") in html_of(test)
    test.button(key="measure_example").click().run()
    assert not test.exception
    run = ended(adders, run_of(test))
    assert (run.state, len(run.items), len(run.spec.subjects)) == ("done", 12, 2)


def test_what_is_set_up_is_asked_and_remembered(adders: Workbench) -> None:
    kept = PromptSets().save(ROWS)
    test = opened()
    test.selectbox(key="measure_setup_prompts_0").select(kept.id).run()
    test.button(key="measure_start").click().run()
    assert not test.exception
    run = ended(adders, run_of(test))
    assert run.spec.prompts is not None
    assert [row.prompt for row in run.spec.prompts.rows] == ["What is 23 * 17?", "What is 2 + 2?"]
    assert opened().selectbox(key="measure_setup_prompts_0").value == kept.id


def test_a_run_shows_its_verdict_numbers_and_matrix(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id)
    assert not test.exception
    shown = html_of(test)
    assert 'data-outcome="not_separable"' in shown
    assert "100.0%" in shown and "50.0%" in shown
    (matrix,) = test.dataframe
    assert list(matrix.value["b"]) == ["✓ It is 391.", "✗ It is 391."]


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


def test_what_a_tuned_model_has_learnt_is_said_beside_its_score(adders: Workbench) -> None:
    (tuned, _) = adders.models.get_available_models()
    folder = trained(Path(tuned.path).parent / "tuned", *(f"How much is {n} and {n}?" for n in range(9)))
    tuned.config["converted_from"] = "tuned (BF16)"
    adders.models.available_models.append(ModelInfo("t", "tuned", str(folder), ModelType.PYTORCH, 1, {}))
    ids = [model.id for model in adders.models.get_available_models()][:2]
    asked = prompt_set(("How much is 4 and 4?", "8"), ("What is 2 + 2?", "4"), compare="contains")
    run = ended(adders, adders.bridge.run(adders.evaluations.start(evaluation(asked, *ids))).id)
    shown = html_of(opened(run=run.id))
    assert "was tuned on 1 of the 2 questions of own prompts (1 word for word, 0 in part)" in shown


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


def test_all_words_change_with_the_language(adders: Workbench) -> None:
    run = evaluated(adders)
    test = opened(run=run.id, lang="zh")
    assert not test.exception
    assert "不足以区分" in html_of(test)


def test_hostile_text_is_shown_and_never_drawn(adders: Workbench) -> None:
    evil = "![x](http://127.0.0.1/x) <img src=x onerror=alert(1)> $x$"
    prompts = checked_set("made", name=evil, rows=[{"id": "1", "prompt": evil, "expected": evil, "compare": "exact"}])
    run = evaluated(adders, prompts, title=evil)
    test = pick(opened(run=run.id), run, 0)
    assert not test.exception
    assert "<img" not in html_of(test)
    assert "![x]" not in test.title[0].value


def test_history_knows_evaluations_and_opens_them(adders: Workbench) -> None:
    run = evaluated(adders, title="Sums")
    test = opened("history")
    assert not test.exception
    assert "Sums" in html_of(test)
    assert run.state == "done"


def test_a_comparison_is_added_to_a_set_with_one_click(bench: Workbench) -> None:
    kept = PromptSets().save(ROWS)
    comparison = asked(bench, "ash", prompt="And then?")

    def page(run_id: str) -> None:
        from multi_llm_comparator.ui.measure.adding import draw_add_to_set
        from multi_llm_comparator.workbench import get_workbench

        bench = get_workbench()
        draw_add_to_set(bench.bridge.run(bench.comparisons.get(run_id)).snapshot())

    test = AppTest.from_function(page, args=(comparison.id,), default_timeout=PATIENCE_S).run()
    test.button(key=f"compare_add_to_set_{comparison.id}").click().run()
    assert not test.exception
    assert [row.prompt for row in PromptSets().load(kept.id).rows][-1] == "And then?"
    test.selectbox(key=f"compare_to_set_{comparison.id}").select("").run()
    test.button(key=f"compare_add_to_set_{comparison.id}").click().run()
    assert {facts.name for facts in PromptSets().list()} == {"Mine", "And then?"}
