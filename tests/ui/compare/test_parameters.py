from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.ui.compare.parameters import as_typed, from_typed


@given(st.text())
def test_a_stop_text_survives_being_shown_and_typed(stop: str) -> None:
    assert from_typed(as_typed(stop)) == stop


def test_line_ends_and_tabs_can_be_typed() -> None:
    assert from_typed(r"\n\nUser:\t") == "\n\nUser:\t"
    assert from_typed("C:\\dir") == "C:\\dir"


def model(**generation: object) -> ModelInfo:
    return ModelInfo("", "m", "/m.gguf", ModelType.GGUF, 1, {"generation": generation})


def test_a_models_own_recommendations_are_taken() -> None:
    config = recommended(model(temperature=0.3, top_k=7))
    assert (config.temperature, config.top_k) == (0.3, 7)


def test_recommendations_that_make_no_sense_are_left_out() -> None:
    config = recommended(model(temperature=99.0, top_k="many", no_such_thing=1, top_p=0.5))
    assert (config.temperature, config.top_k, config.top_p) == (0.7, 40, 0.5)


def test_without_a_model_the_usual_values_stand() -> None:
    assert recommended(None).temperature == 0.7


def test_a_context_is_as_long_as_usual_and_never_longer_than_the_model_was_made_for() -> None:
    def made_for(tokens: int) -> ModelInfo:
        return ModelInfo("", "m", "/m.gguf", ModelType.GGUF, 1, {"context_length": tokens})

    assert [recommended(made_for(tokens)).n_ctx for tokens in (1024, 2048, 8192)] == [1024, 2048, 2048]
