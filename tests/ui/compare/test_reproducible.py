"""The switch among a pane's parameters, what stays with another model, and asking again with or without the seed."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.ui.compare.setup import Setup
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import PATIENCE_S, html_of, opened


def form() -> None:
    """The parameters of the first pane, as a page of their own."""
    import streamlit as st

    from multi_llm_comparator.ui.compare.parameters import draw_parameters
    from multi_llm_comparator.ui.compare.state import change_model, draft_panes, pane_choices
    from multi_llm_comparator.ui.kit.actions import show_notices

    pane, choices = draft_panes()[0], pane_choices()
    other = next(choice for choice in choices.values() if choice.target != pane.target)
    st.button("other", key="other", on_click=change_model, args=(pane, other))
    show_notices()
    draw_parameters(pane.id, choices[pane.target])


@pytest.fixture
def page(bench: Workbench) -> AppTest:
    for model, temperature in zip(bench.models.get_available_models(), (0.5, 0.2, 0.2, 0.2), strict=True):
        model.config["generation"] = {"temperature": temperature}
    test = AppTest.from_function(form, default_timeout=PATIENCE_S)
    test.session_state["compare_chosen_setup"] = Setup(fairness="own")
    return test.run()


def config_of(test: AppTest) -> ModelConfig:
    panes: list[Pane] = test.session_state["compare_panes"]
    return panes[0].config


def switch(test: AppTest) -> bool:
    return bool(next(one for one in test.toggle if (one.key or "").endswith("_reproducible")).value)


def put(test: AppTest, kind: str, name: str, value: object) -> None:
    next(one for one in getattr(test, kind) if (one.key or "").endswith(f"_{name}")).set_value(value).run()
    assert not test.exception


def test_temperature_0_and_a_seed_switch_it_on_and_off_again(page: AppTest) -> None:
    assert not switch(page)
    put(page, "slider", "temperature", 0.0)
    assert switch(page)
    assert config_of(page).reproducible
    put(page, "slider", "temperature", 0.4)
    assert not switch(page)
    put(page, "number_input", "seed", 42)
    assert switch(page)
    put(page, "number_input", "seed", None)
    assert not config_of(page).reproducible


def test_switched_off_by_hand_it_stays_off(page: AppTest) -> None:
    put(page, "slider", "temperature", 0.0)
    put(page, "toggle", "reproducible", False)
    assert not switch(page)
    put(page, "number_input", "seed", 42)
    assert not config_of(page).reproducible
    put(page, "toggle", "reproducible", True)
    put(page, "number_input", "seed", None)
    put(page, "slider", "temperature", 1.0)
    assert switch(page)
    assert config_of(page).reproducible


def test_another_model_keeps_what_was_set_and_says_what_its_makers_recommend(page: AppTest) -> None:
    put(page, "slider", "top_p", 0.33)
    page.button(key="other").click().run()
    assert (config_of(page).temperature, config_of(page).top_p) == (0.2, 0.33)
    assert "0.5 → 0.2" in page.toast[0].value
    assert "makers" in page.toast[0].value
    put(page, "slider", "temperature", 0.0)
    page.button(key="other").click().run()
    assert config_of(page).temperature == 0
    assert not page.toast


def test_the_recommended_values_can_be_had_again(page: AppTest) -> None:
    put(page, "slider", "temperature", 0.0)
    next(one for one in page.button if (one.key or "").endswith("_reset")).click().run()
    page.run()
    assert (config_of(page).temperature, switch(page)) == (0.5, False)


def test_what_was_set_is_known_at_the_next_visit(bench: Workbench) -> None:
    test = opened()
    panes: list[Pane] = test.session_state["compare_panes"]
    chosen = panes[0].with_parameters(ModelConfig(temperature=0.0), frozenset({"temperature"}))
    test.session_state["compare_panes"] = [chosen, *panes[1:]]
    test.session_state["compare_panes_untouched"] = False
    next(button for button in test.button if (button.key or "").startswith("compare_example_")).click().run()
    again = opened().session_state["compare_panes"][0]
    assert (again.by_hand, again.config) == (chosen.by_hand, chosen.config)


def test_a_pane_with_a_seed_offers_another_answer(bench: Workbench) -> None:
    models = bench.models.get_available_models()
    configs = (ModelConfig(seed=42), ModelConfig(seed=42, temperature=0.0), ModelConfig())

    async def ask() -> str:
        panes = [Pane.new(model.id, config) for model, config in zip(models, configs, strict=False)]
        comparison = await bench.comparisons.create(panes)
        await comparison.send("What is 23 * 17?")
        await comparison.wait()
        return comparison.id

    run_id = bench.bridge.run(ask(), timeout_s=PATIENCE_S)
    test = opened(run=run_id)
    (another,) = [button for button in test.button if (button.key or "").startswith("icon_another_")]
    another.click().run()
    assert not test.exception
    comparison = bench.bridge.run(bench.comparisons.get(run_id))
    bench.bridge.run(comparison.wait(), timeout_s=PATIENCE_S)
    first, second = comparison.snapshot().turns[0].attempts[comparison.snapshot().panes[0].id]
    assert first.config.seed == 42
    assert second.config.seed not in (None, 42)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_details_of_an_answer_say_which_mode_it_had(bench: Workbench, is_on: bool) -> None:
    model = bench.models.get_available_models()[0]

    async def ask() -> str:
        comparison = await bench.comparisons.create([Pane.new(model.id, ModelConfig(reproducible=is_on))])
        await comparison.send("What is 23 * 17?")
        await comparison.wait()
        return comparison.id

    test = opened(run=bench.bridge.run(ask(), timeout_s=PATIENCE_S))
    next(button for button in test.button if (button.key or "").startswith("icon_look_")).click().run()
    said = [caption.value for caption in test.caption]
    assert i18n.translate("en", "look.reproducible" if is_on else "look.not_reproducible") in said
    assert (f"· {i18n.translate('en', 'setup.reproducible')}<" in html_of(test)) is is_on
