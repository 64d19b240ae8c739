from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.tuning_options import MAX_FIXED_PROMPTS, TuningOptions
from multi_llm_comparator.ui.kit.i18n import texts
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from multi_llm_comparator.ui.tune.options import FIELDS, bounds, read
from multi_llm_comparator.ui.tune.preset import MAX_GRID, prompts_in, ranks_in, rates_in
from multi_llm_comparator.ui.tune.state import MAX_BESIDE

OPTIONS = TuningOptions(model_path="/models/one", data=DataSpec(source="/data.jsonl"))
# Not shown as options: they have blocks of their own, follow from others, or concern experts with a file.
ELSEWHERE = {"model_path", "data", "output_dir", "fixed_prompts"}
NOT_SHOWN = {"max_gradient_norm", "preference_beta"}


def test_every_option_is_on_the_page_or_known_not_to_be() -> None:
    assert set(FIELDS) | ELSEWHERE | NOT_SHOWN == set(TuningOptions.model_fields)


@pytest.mark.parametrize("name", FIELDS)
def test_an_option_has_a_name_and_an_explanation(name: str) -> None:
    assert {f"tune.option_{name}", f"tune.option_{name}_why"} <= set(texts("en"))


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.kind in ("real", "whole")])
def test_what_a_number_box_allows_is_what_the_options_allow(name: str) -> None:
    low, high = bounds(name)
    now = getattr(OPTIONS, name)
    assert low < high and (now in (None, "auto") or low <= now <= high)
    for value in (low, high):
        number = int(value) if FIELDS[name].kind == "whole" else value
        if name != "alpha" or value > 0:
            assert getattr(OPTIONS.changed(**{name: number}), name) == number


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.kind == "choice"])
def test_every_choice_is_one_that_the_options_take_and_has_a_name(name: str) -> None:
    for choice in FIELDS[name].choices:
        assert getattr(OPTIONS.changed(**{name: choice}), name) == choice
        assert f"tune.choice_{name}_{str(choice).lower()}" in texts("zh")


def test_an_emptied_box_means_automatic_or_none() -> None:
    assert read(FIELDS["evaluate_every"], None) == "auto"
    assert read(FIELDS["early_stopping_patience"], None) is None
    assert read(FIELDS["mlflow_uri"], "  ") is None
    assert read(FIELDS["targets"], "q_proj, ,v_proj") == ("q_proj", "v_proj")


def test_values_of_a_grid_are_read_from_a_text() -> None:
    assert rates_in("1e-4, 2e-4,nonsense, 1e-4,-1, nan，3e-4") == (1e-4, 2e-4, 3e-4)
    assert ranks_in("8, 16; 8, ²,0, 4096") == (8, 16)


def test_the_largest_grid_ends_in_one_chart_and_table_each_job_in_a_colour_of_its_own() -> None:
    assert MAX_GRID == 1 + MAX_BESIDE <= len(MODEL_TONES)


@given(st.text(max_size=200))
def test_no_text_breaks_a_grid_or_the_prompts(text: str) -> None:
    assert all(0 < rate <= 1 for rate in rates_in(text))
    assert all(0 < rank <= 1024 for rank in ranks_in(text))
    assert len(prompts_in(text)) <= MAX_FIXED_PROMPTS
