"""Converting on the Models page, without a browser: the dialog, the list of conversions, and the model that comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.export_check import read_check
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint
from tests.ui.test_pages import PATIENCE_S, opened, press


@pytest.fixture
def tiny(bench: Workbench) -> ModelInfo:
    """A checkpoint that can be converted, among the models of the workbench."""
    folder = bench.models.models_dir / "pytorch" / "tiny"
    write_checkpoint(folder, "llama", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)
    bench.models.scan_models()
    return bench.models.get("tiny")


def asked(tiny: ModelInfo) -> AppTest:
    return press(opened("models"), f"icon_models_convert_{tiny.id}")


def said(test: AppTest) -> str:
    return " ".join(
        element.value for kind in (test.caption, test.markdown, test.error, test.warning) for element in kind
    )


def finished(bench: Workbench) -> None:
    (job,) = bench.conversions.jobs
    bench.bridge.run(job.wait(), timeout_s=PATIENCE_S)


def test_the_dialog_tells_where_how_large_and_what_llama_cpp_does_otherwise(bench: Workbench, tiny: ModelInfo) -> None:
    test = asked(tiny)
    assert test.selectbox(key=f"models_convert_target_{tiny.id}").value == "Q4_K_M"
    assert str(bench.models.models_dir / "gguf" / "tiny-Q4_K_M.gguf") in said(test)
    assert "64" in said(test) and "Q5_0" in said(test)


def test_a_model_is_made_listed_and_told_of(bench: Workbench, tiny: ModelInfo) -> None:
    test = asked(tiny)
    test.toggle(key=f"models_convert_check_{tiny.id}").set_value(False).run()
    test.button(key=f"models_convert_start_{tiny.id}").click().run()
    finished(bench)
    made = bench.models.get("tiny-Q4_K_M")
    assert Path(made.path).is_file() and made.is_loadable
    test = opened("models")
    assert "tiny-Q4_K_M.gguf" in said(test) and "Q5_0" in said(test)
    (job,) = bench.conversions.jobs
    test.button(key=f"icon_models_forget_{job.id}").click().run()
    assert bench.conversions.jobs == ()


def test_a_file_is_checked_against_its_checkpoint_or_it_is_said_why_not(bench: Workbench, tiny: ModelInfo) -> None:
    test = asked(tiny)
    test.selectbox(key=f"models_convert_target_{tiny.id}").set_value("F16").run()
    test.button(key=f"models_convert_start_{tiny.id}").click().run()
    finished(bench)
    (job,) = bench.conversions.jobs
    check = read_check(job.out)
    assert check is not None, job.progress.unchecked
    assert check.reference == "tiny" and "Checked against tiny" in said(opened("models"))


def test_what_is_there_already_cannot_be_started(bench: Workbench, tiny: ModelInfo) -> None:
    out = bench.models.models_dir / "gguf" / "tiny-Q4_K_M.gguf"
    out.parent.mkdir(parents=True)
    out.write_text("mine")
    test = asked(tiny)
    assert test.button(key=f"models_convert_start_{tiny.id}").disabled
    assert i18n.translate("en", "convert.taken", path=out) in said(test)


def test_a_failure_says_why(bench: Workbench, tiny: ModelInfo) -> None:
    test = asked(tiny)
    (Path(tiny.path) / "model.safetensors").write_bytes(b"damaged meanwhile")
    test.button(key=f"models_convert_start_{tiny.id}").click().run()
    if bench.conversions.jobs:
        finished(bench)
        test = opened("models")
    assert "safetensors" in said(test) or any("safetensors" in toast.value for toast in test.toast)


def test_models_that_cannot_be_converted_have_the_button_switched_off(bench: Workbench) -> None:
    test = opened("models")
    (first, *_) = bench.models.get_available_models()
    assert test.button(key=f"icon_models_convert_{first.id}").disabled
