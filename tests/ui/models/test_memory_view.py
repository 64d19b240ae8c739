from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.loaded_model import LoadedModel
from multi_llm_comparator.services.memory_manager import MemoryEstimate
from multi_llm_comparator.ui.models.memory_view import memory_bar
from multi_llm_comparator.workbench import Workbench

MODEL = ModelInfo("m", "ash", "/models/ash.gguf", ModelType.GGUF, 10, {})


def held_on(device: str) -> LoadedModel:
    return LoadedModel("k", "m", "ash", "ready", 10**9, 10**9, 0, 1, device, LoadOptions(), {}, 1.0, 4, {})


def pieces(device: str, planned_on: str) -> int:
    return len(re.findall("<span", memory_bar([held_on(device)], (MODEL, MemoryEstimate(10**9, 0, 0, planned_on)))))


def test_what_is_planned_is_drawn_beside_what_the_same_memory_holds(bench: Workbench) -> None:
    assert pieces("cuda", "cuda:0") == 2
    assert pieces("cuda", "cpu") == 1


def page_with_a_load_that_was_called_off() -> None:
    from concurrent.futures import Future

    import streamlit as st

    from multi_llm_comparator.ui.models import memory_view

    called_off: Future[None] = Future()
    called_off.cancel()
    st.session_state.setdefault(memory_view._LOADING, {})["m"] = called_off
    memory_view._report_loads()


def test_a_load_that_was_called_off_does_not_break_the_page() -> None:
    assert not AppTest.from_function(page_with_a_load_that_was_called_off).run(timeout=30).exception


def page_with_a_model_that_has_less_than_it_could() -> None:
    import streamlit as st

    from multi_llm_comparator.ui.models.memory_view import _loaded_row
    from tests.ui.models.test_memory_view import held_on

    model = held_on("cpu")
    model.info["notes"] = ["One after another, <b>not</b> in a batch."]
    st.html(_loaded_row(model))


def test_what_a_loaded_model_lacks_stands_below_it_in_full() -> None:
    page = AppTest.from_function(page_with_a_model_that_has_less_than_it_could).run(timeout=30)
    assert not page.exception
    assert "One after another, &lt;b&gt;not&lt;/b&gt; in a batch." in page.get("html")[0].proto.body
