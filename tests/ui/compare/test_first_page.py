"""The page that was never used: one real model in the forms that are there; the demo models one click away."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.conversion.first_forms import Preparation, form_path
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.first_model import FIRST_MODEL
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.compare.test_groups import pickers
from tests.ui.test_pages import html_of, opened, run_of


def form(bench: Workbench, folder: Path, target: str) -> ModelInfo:
    """A scripted model that lies where this form of the first model does."""
    model = scripted_model(folder, f"smol-{target}", otherwise="It is blue.")
    place = form_path(bench.settings.models_dir, target)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(model.path, place)
    return replace(model, id="", path=str(place))


@pytest.fixture
def smol(bench: Workbench, tmp_path: Path) -> dict[str, ModelInfo]:
    """All four forms; at first only the one that was fetched has been found, and four demo models."""
    forms = {target: form(bench, tmp_path, target) for target in ("bfloat16", "Q8_0", "Q4_1", "Q4_0")}
    demo = [scripted_model(tmp_path, f"demo-{n}", otherwise="391") for n in ("small", "large", "small-F16", "planner")]
    bench.models.available_models = [forms["Q4_1"], *demo]
    return forms


def chosen(page: AppTest) -> list[str]:
    return [picker.value for picker in pickers(page)]


def test_the_forms_of_the_first_model_are_the_first_choice_and_fill_in(
    bench: Workbench, smol: dict[str, ModelInfo]
) -> None:
    page = opened()
    assert chosen(page) == [smol["Q4_1"].id]
    assert i18n.translate("en", "welcome.ways_text") in html_of(page)
    bench.models.available_models += [smol["Q8_0"], smol["bfloat16"], smol["Q4_0"]]
    page.run()
    assert chosen(page) == [smol[target].id for target in ("bfloat16", "Q8_0", "Q4_1", "Q4_0")]


def test_panes_that_somebody_changed_stay_as_they_are(bench: Workbench, smol: dict[str, ModelInfo]) -> None:
    page = opened()
    page.button(key="compare_add_pane").click().run()
    before = chosen(page)
    assert len(before) == 2
    bench.models.available_models += [smol["Q8_0"]]
    page.run()
    assert chosen(page) == before


def test_a_question_before_all_is_made_does_not_fix_the_panes_for_ever(
    bench: Workbench, smol: dict[str, ModelInfo]
) -> None:
    page = opened()
    page.button(key="compare_example_sky").click().run()
    comparison = bench.bridge.run(bench.comparisons.get(run_of(page)))
    bench.bridge.run(comparison.wait(), timeout_s=60)
    bench.models.available_models += [smol["Q8_0"]]
    assert chosen(opened()) == [smol["Q8_0"].id, smol["Q4_1"].id]


def test_the_demo_models_with_their_examples_are_one_click_away_and_back(
    bench: Workbench, smol: dict[str, ModelInfo]
) -> None:
    page = opened()
    page.button(key="compare_to_demo").click().run()
    names = {model.id: model.name for model in bench.models.get_available_models()}
    assert {names[target] for target in chosen(page)} == {"demo-small", "demo-large", "demo-small-F16"}
    assert page.button(key="compare_example_product").label == i18n.translate("en", "example.product")
    page.button(key="compare_to_ways").click().run()
    assert chosen(page) == [smol["Q4_1"].id]


def test_a_real_model_is_asked_in_english_also_from_the_chinese_page(
    bench: Workbench, smol: dict[str, ModelInfo]
) -> None:
    page = opened(lang="zh")
    button = page.button(key="compare_example_sky")
    assert button.label == i18n.translate("zh", "example.sky")
    button.click().run()
    comparison = bench.bridge.run(bench.comparisons.get(run_of(page)))
    assert comparison.snapshot().turns[0].prompt == i18n.translate("en", "example.sky")


@pytest.mark.parametrize("name", ["compare", "models"])
def test_what_is_being_made_is_said_on_both_pages(bench: Workbench, smol: dict[str, ModelInfo], name: str) -> None:
    bench.first_forms.progress = Preparation("making", "bfloat16", 0.5, made=2)
    progress = opened(name).get("progress")[0].proto
    assert progress.text == i18n.translate("en", "first.making", form="PyTorch", number=3, all=3)
    assert progress.value == 83


def test_a_failure_says_why_and_offers_to_try_again(bench: Workbench, smol: dict[str, ModelInfo]) -> None:
    bench.first_forms.progress = Preparation("failed", "Q8_0", error=MultiLLMError("the disk is full"))
    page = opened()
    assert "the disk is full" in html_of(page)
    assert page.button(key="compare_preparing_again").label == i18n.translate("en", "first.retry")


def test_where_the_model_could_not_be_fetched_it_is_offered(bench: Workbench) -> None:
    bench.first_forms.progress = Preparation("absent")
    page = opened()
    assert page.button(key="compare_preparing_again").label == i18n.translate("en", "first.bring")
    assert FIRST_MODEL.name.removesuffix("-Instruct") in html_of(page)


def test_a_shorter_context_than_the_model_could_have_is_said(bench: Workbench) -> None:
    bench.models.available_models[0].config["context_length"] = 8192
    assert i18n.translate("en", "setup.context", tokens="2K", trained="8K") in html_of(opened())
