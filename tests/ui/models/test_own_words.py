"""What a user does with a model in its details: a note and tags, another name, its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.workbench import Workbench
from tests.support.model_files import gguf_bytes
from tests.ui.test_pages import opened, press


@pytest.fixture
def tiny(bench: Workbench) -> ModelInfo:
    file = bench.models.models_dir / "gguf" / "tiny.gguf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gguf_bytes())
    bench.models.scan_models()
    return bench.models.get("tiny")


def details(model: ModelInfo) -> AppTest:
    return press(opened("models"), f"models_details_{model.id}")


def names(bench: Workbench) -> list[str]:
    return [model.name for model in bench.models.scan_models()]


def test_a_note_and_tags_are_kept_and_found_by_the_filter(bench: Workbench, tiny: ModelInfo) -> None:
    test = details(tiny)
    test.text_area(key=f"models_note_{tiny.id}").input("Rhymes well")
    press(test, f"models_note_keep_{tiny.id}")
    test = opened("models")
    test.text_input(key="models_filter").input("rhymes").run()
    assert test.button(key=f"models_details_{tiny.id}")
    test.text_input(key="models_filter").input("zzz").run()
    assert f"models_details_{tiny.id}" not in {button.key for button in test.button}


def test_a_model_gets_another_name_and_keeps_its_note(bench: Workbench, tiny: ModelInfo) -> None:
    test = details(tiny)
    test.text_area(key=f"models_note_{tiny.id}").input("Rhymes well")
    test.button(key=f"models_note_keep_{tiny.id}").click().run()
    test = details(tiny)
    test.text_input(key=f"models_new_name_{tiny.id}").input("poet").run()
    press(test, f"models_rename_{tiny.id}")
    assert "poet" in names(bench) and "tiny" not in names(bench)
    renamed = bench.models.get("poet")
    assert details(renamed).text_area(key=f"models_note_{renamed.id}").value == "Rhymes well"


def test_a_model_is_deleted_only_by_who_is_sure(bench: Workbench, tiny: ModelInfo) -> None:
    test = details(tiny)
    assert test.button(key=f"models_delete_{tiny.id}").disabled
    test.toggle(key=f"models_delete_sure_{tiny.id}").set_value(True).run()
    press(test, f"models_delete_{tiny.id}")
    assert not Path(tiny.path).exists() and "tiny" not in names(bench)


def test_another_models_name_is_refused_in_words(bench: Workbench, tiny: ModelInfo) -> None:
    Path(tiny.path).with_name("taken.gguf").write_bytes(gguf_bytes())
    test = details(tiny)
    test.text_input(key=f"models_new_name_{tiny.id}").input("taken").run()
    test.button(key=f"models_rename_{tiny.id}").click().run()
    assert "there already" in " ".join(toast.value for toast in test.toast)
    assert Path(tiny.path).exists()
