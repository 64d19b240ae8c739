"""From a model's details to the pages that do something with it, and how fast it was so far."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.models.past_speeds import Lone, speed_chart
from multi_llm_comparator.workbench import Workbench
from tests.support.model_files import checkpoint
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import asked_of, html_of, opened, press


@pytest.fixture
def tiny(bench: Workbench) -> ModelInfo:
    """A checkpoint among the models of the workbench."""
    checkpoint(bench.models.models_dir / "pytorch" / "tiny")
    scripted = bench.models.available_models
    bench.models.scan_models()
    bench.models.available_models = [*scripted, *bench.models.available_models]
    return bench.models.get("tiny")


def details(model: ModelInfo) -> AppTest:
    return press(opened("models"), f"models_details_{model.id}")


def left_by(test: AppTest, key: str) -> AppTest:
    press(test, key)
    return test


def test_compare_measure_and_tune_open_with_the_model_set_up(tiny: ModelInfo) -> None:
    panes = left_by(details(tiny), f"models_compare_{tiny.id}").session_state["compare_panes"]
    assert panes[0].target == tiny.id and tiny.id not in [pane.target for pane in panes[1:]]
    assert left_by(details(tiny), f"models_measure_{tiny.id}").session_state["measure_setup"].models[0] == tiny.id
    assert left_by(details(tiny), f"models_tune_{tiny.id}").session_state["tune_draft"].base == tiny.id


def test_what_it_wrote_alone_tells_how_fast_it_is(bench: Workbench, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "steady", otherwise="one two three four five six", tokens_per_second=200)
    other = scripted_model(tmp_path, "other", otherwise="one two three four five six", tokens_per_second=200)
    bench.models.available_models = [model, other]
    asked_of(bench, model.id)
    asked_of(bench, model.id)
    test = details(model)
    test.session_state[f"models_past_{model.id}"] = True
    test.run()
    assert not test.exception
    assert i18n.translate("en", "models.past_n", n=2) in html_of(test)
    test = details(other)
    test.session_state[f"models_past_{other.id}"] = True
    test.run()
    assert i18n.translate("en", "models.past_none") in [caption.value for caption in test.caption]


def test_speeds_stand_over_the_time_at_which_they_were_measured() -> None:
    figure = speed_chart([Lone(10.0, 5.0, None, None), Lone(20.0, 7.0, 1, 2.0)], "#000000", "light")
    assert (figure["data"][0]["x"], figure["data"][0]["y"]) == ([10_000.0, 20_000.0], [5.0, 7.0])
