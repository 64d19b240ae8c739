"""Fair by one switch, differences, edited answers, attachments: what the page does with a click, without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.ui.compare.attachments import Attachment, with_attachments
from multi_llm_comparator.ui.compare.difference_view import differences_html
from multi_llm_comparator.ui.compare.more_sampling import bias_from
from multi_llm_comparator.ui.compare.setup import Kept, Setup, setup_from
from multi_llm_comparator.workbench import Workbench
from tests.ui.compare.test_reproducible import form, put
from tests.ui.test_pages import PATIENCE_S, asked, html_of, opened, press, run_of


def panes_of(test: AppTest) -> list[Pane]:
    found: list[Pane] = test.session_state["compare_panes"]
    return found


@pytest.fixture
def page(bench: Workbench) -> AppTest:
    """Four models whose makers recommend different temperatures."""
    for model, temperature in zip(bench.models.get_available_models(), (0.5, 0.2, 0.9, 1.1), strict=True):
        model.config["generation"] = {"temperature": temperature}
    return opened()


def test_at_first_all_panes_have_the_same_parameters(page: AppTest) -> None:
    assert len({pane.config.temperature for pane in panes_of(page)}) == 1
    assert page.session_state["compare_fairness"] == "same"


def test_makers_recommendations_and_back_to_the_same_are_one_click_each(page: AppTest) -> None:
    page.segmented_control(key="compare_fairness").set_value("makers").run()
    assert {pane.config.temperature for pane in panes_of(page)} == {0.5, 0.2, 0.9, 1.1}
    page.segmented_control(key="compare_fairness").set_value("same").run()
    assert len({pane.config.temperature for pane in panes_of(page)}) == 1


def test_one_seed_and_temperature_0_in_all_panes_is_one_click(page: AppTest) -> None:
    page.button(key="compare_repeatable").click().run()
    configs = [pane.config for pane in panes_of(page)]
    assert all(config.is_greedy and config.reproducible for config in configs)
    assert len({config.seed for config in configs}) == 1 and configs[0].seed is not None


def test_another_model_keeps_what_all_panes_have(page: AppTest) -> None:
    before = panes_of(page)[0].config.temperature
    boxes = [box for box in page.selectbox if (box.key or "").startswith("compare_model_")]
    boxes[1].set_value(boxes[0].value).run()
    assert [pane.config.temperature for pane in panes_of(page)] == [before] * 4


def test_a_pane_is_duplicated_and_gives_its_parameters_to_all(page: AppTest) -> None:
    page.segmented_control(key="compare_fairness").set_value("makers").run()
    first, second, third, fourth = panes_of(page)
    page.button(key=f"icon_remove_{fourth.id}").click().run()
    page.session_state[f"icon_tune_{third.id}"] = True
    page.run()
    page.button(key=f"pane_duplicate_{third.id}").click().run()
    panes = panes_of(page)
    assert [pane.target for pane in panes] == [first.target, second.target, third.target, third.target]
    assert panes[3].config == third.config and panes[3].id != third.id
    page.session_state[f"icon_tune_{third.id}"] = True
    page.run()
    assert page.button(key=f"pane_duplicate_{third.id}").disabled
    press(page, f"pane_to_all_{third.id}")
    assert [pane.target for pane in panes_of(page)] == [pane.target for pane in panes]
    assert {pane.config.temperature for pane in panes_of(page)} == {third.config.temperature}


def test_repeats_and_one_at_a_time_are_asked_for_and_remembered(bench: Workbench) -> None:
    test = opened()
    test.session_state["compare_chosen_setup"] = Setup(in_turn=True, repeats=2)
    test.run()
    press(test, "compare_example_sky")
    comparison = bench.bridge.run(bench.comparisons.get(run_of(test)))
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    snapshot: ComparisonSnapshot = comparison.snapshot()
    assert snapshot.in_turn
    assert [len(attempts) for attempts in snapshot.turns[0].attempts.values()] == [2] * 4
    test.run()
    shown = html_of(test)
    # Large and small figures alike have a median with what it lies between.
    assert shown.count("of 2: ") >= 4 * 2
    assert len(re.findall(r"wait [^<]* \([^<]* – [^<]*\)", shown)) == 4
    assert len(re.findall(r"read [^<]* \([^<]* – [^<]*\)", shown)) == 4


@pytest.mark.parametrize(("tokens", "kept"), [(None, [True, False]), ("all", [True, True]), ("none", [False, False])])
def test_local_models_keep_log_probabilities_unless_told_otherwise(
    bench: Workbench, groups_file: Path, tokens: Kept | None, kept: list[bool]
) -> None:
    test, local = opened(), bench.models.find("ash")
    assert local is not None
    test.session_state["compare_panes"] = [Pane.new(local.id), Pane.new("quick")]
    test.session_state["compare_panes_untouched"] = False
    if tokens is not None:
        test.session_state["compare_chosen_setup"] = Setup(tokens=tokens)
    press(test, "compare_example_sky")
    run_id = run_of(test)
    panes = bench.bridge.run(bench.comparisons.get(run_id)).snapshot().panes
    assert [pane.config.top_logprobs is not None for pane in panes] == kept
    # That one keeps them is no difference between panes, neither now nor when the run is opened again.
    assert panes_of(test)[0].config.top_logprobs is None
    again = opened(run=run_id)
    assert again.session_state["compare_fairness"] == "same"
    # What a run kept is no choice of who opens it, and would be remembered as one.
    assert again.session_state["compare_chosen_setup"].tokens == "local"


@pytest.mark.parametrize(
    "stored", [{}, {"fairness": 3, "in_turn": "yes", "repeats": 99, "tokens": "some"}, {"repeats": True}]
)
def test_a_damaged_setup_is_as_at_first(stored: dict[str, Any]) -> None:
    assert setup_from(stored) in (Setup(), Setup(repeats=1))


def test_differences_from_a_pane_are_shown_in_the_others(bench: Workbench) -> None:
    comparison = asked(bench, "ash", "birch")
    test = opened(run=comparison.id)
    first = comparison.snapshot().panes[0].id
    test.segmented_control(key="compare_reference").set_value(first).run()
    assert not test.exception
    assert "<del>ash</del><ins>birch</ins>" in html_of(test)


def test_the_text_of_a_model_is_no_markup_in_differences() -> None:
    html = differences_html("<img src=x> same", "<script>alert(1)</script> same")
    assert "<img" not in html and "<script" not in html


def test_biases_are_read_as_they_are_shown() -> None:
    assert bias_from("12: -100, 345: 2.5") == {12: -100.0, 345: 2.5}
    assert bias_from(" ") is None
    with pytest.raises(ValueError):
        bias_from("twelve")


def test_a_document_stands_behind_the_prompt_in_a_fence_that_it_cannot_leave() -> None:
    text = with_attachments("Sum it up.", [Attachment("a.md", "```\nout\n```", 1, None)])
    assert text == "Sum it up.\n\na.md:\n````\n```\nout\n```\n````"


def test_attached_documents_are_sent_once_and_their_room_is_shown(bench: Workbench) -> None:
    test = opened()
    test.session_state["compare_attached"] = [Attachment("notes.txt", "word " * 2_000, 2_000, None)]
    test.run()
    assert "mlc-room-" in html_of(test)
    test.chat_input(key="compare_prompt").set_value("What do they say?").run()
    assert not test.exception
    comparison = bench.bridge.run(bench.comparisons.get(run_of(test)))
    assert comparison.snapshot().turns[0].prompt.startswith("What do they say?\n\nnotes.txt:\n```")
    assert "compare_attached" not in test.session_state
    bench.bridge.run(comparison.stop(), timeout_s=PATIENCE_S)


def test_a_gguf_model_takes_its_whole_context_in_fewer_bits(bench: Workbench) -> None:
    model = bench.models.get_available_models()[0]
    model.model_type = ModelType.GGUF
    model.config["context_length"] = 8192
    test = AppTest.from_function(form, default_timeout=PATIENCE_S).run()
    assert not test.exception
    put(test, "selectbox", "kv_type", "q8_0")
    put(test, "number_input", "gpu_layers", 3)
    next(one for one in test.button if (one.key or "").endswith("_n_ctx_all")).click().run()
    assert not test.exception
    config = panes_of(test)[0].config
    assert (config.kv_type, config.gpu_layers, config.n_ctx) == ("q8_0", 3, 8192)


def test_a_pane_is_held_to_a_pattern_and_a_wrong_schema_is_said(bench: Workbench) -> None:
    test = AppTest.from_function(form, default_timeout=PATIENCE_S).run()
    put(test, "segmented_control", "form", "regex")
    put(test, "text_area", "form_regex", "[0-9]+")
    assert panes_of(test)[0].constraint == Constraint(regex="[0-9]+")
    put(test, "segmented_control", "form", "json_schema")
    put(test, "text_area", "form_json_schema", "{")
    assert any("JSON" in warning.value for warning in test.warning)
    put(test, "segmented_control", "form", "free")
    assert panes_of(test)[0].constraint is None
