"""Checkpoints load as asked, and what cannot be loaded says why and what to do."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import computes_bfloat16
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_errors import as_inference_error, as_load_error
from multi_llm_comparator.inferencers.pytorch_load import FLOAT32, _quantization, load_checkpoint
from multi_llm_comparator.inferencers.transformers_seam import attention_of
from tests.support.tiny_checkpoint import change_config, make_checkpoint

OPTIONS = LoadOptions(n_ctx=256, use_gpu=False)
DEMO_MODELS = sorted((Path(__file__).parents[2] / "models" / "pytorch").glob("demo-*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "model")


def answer(engine: PyTorchEngine, text: str, **parameters: Any) -> str:
    config = ModelConfig(temperature=0, max_tokens=16, **parameters)
    engine.submit(GenerationRequest(messages=(Message("user", text),), config=config))
    events = []
    while engine.is_busy:
        events += engine.step()
    assert isinstance(events[-1], Finished)
    return "".join(e.text for e in events if isinstance(e, TextDelta))


@pytest.mark.parametrize(
    ("stored", "wanted", "held"),
    [
        (torch.float16, "auto", torch.float32),
        (torch.bfloat16, "auto", torch.bfloat16 if computes_bfloat16() else torch.float32),
        (torch.float32, "auto", torch.float32),
        (torch.float32, "bfloat16", torch.bfloat16),
        (torch.bfloat16, "float16", torch.float16),
    ],
)
def test_the_dtype_is_the_checkpoints_or_the_one_asked_for_and_never_a_slow_one_unasked(
    tmp_path: Path, stored: torch.dtype, wanted: str, held: torch.dtype
) -> None:
    folder = make_checkpoint(tmp_path, dtype=stored)
    loaded = load_checkpoint(str(folder), LoadOptions(n_ctx=256, use_gpu=False, torch_dtype=wanted))
    assert loaded.dtype == held


@pytest.mark.parametrize("quantization", ["8bit", "4bit"])
def test_quantised_models_answer_and_are_smaller(tmp_path: Path, quantization: str) -> None:
    folder = make_checkpoint(tmp_path, hidden_size=128, intermediate_size=256)
    full = PyTorchEngine(str(folder), OPTIONS).info
    engine = PyTorchEngine(str(folder), LoadOptions(n_ctx=256, use_gpu=False, quantization=quantization))
    assert engine.info["quantization"] == quantization
    assert engine.info["weights_bytes"] < 0.7 * full["weights_bytes"]
    assert engine.info["model_size"] == full["model_size"]
    assert engine.info["notes"] == []
    answer(engine, "What is three plus four?")


def test_safe_settings_are_the_plainest_ones(folder: Path) -> None:
    options = LoadOptions(n_ctx=256, quantization="4bit", torch_dtype="bfloat16", n_threads=2, safe=True)
    engine = PyTorchEngine(str(folder), options)
    info = engine.info
    assert (info["dtype"], info["quantization"], info["device"], info["n_threads"]) == ("float32", "none", "cpu", 1)
    (note,) = info["notes"]
    assert "one thread" in note and "quantization 4bit is not used" in note


def test_what_is_known_of_the_processor_is_what_torch_goes_by() -> None:
    assert computes_bfloat16() == torch.ops.mkldnn._is_mkldnn_bf16_supported()


def test_float16_that_is_computed_in_float32_is_said(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, dtype=torch.float16)
    assert "float32 instead of" in load_checkpoint(str(folder), OPTIONS).notes[0]
    assert load_checkpoint(str(folder), replace(OPTIONS, torch_dtype="float32")).notes == [
        FLOAT32.format(dtype="float16")
    ]
    assert load_checkpoint(str(folder), replace(OPTIONS, torch_dtype="float16")).notes == []


def test_a_quantization_that_is_not_used_is_said() -> None:
    notes: list[str] = []
    config = LlamaConfig(quantization_config={"quant_method": "gptq", "bits": 4})
    kind = _quantization(config, replace(OPTIONS, quantization="8bit"), torch.device("cpu"), notes)
    assert kind == "gptq"
    assert "quantization 8bit is not used" in notes[0]


def test_weights_can_be_read_without_mapping_the_file(folder: Path) -> None:
    loaded = load_checkpoint(str(folder), LoadOptions(n_ctx=256, use_gpu=False, low_cpu_mem_usage=False))
    assert loaded.model.num_parameters() > 0


@pytest.mark.parametrize("path", DEMO_MODELS, ids=lambda path: path.name)
def test_the_demo_models_load_and_answer(path: Path) -> None:
    engine = PyTorchEngine(str(path), OPTIONS)
    assert engine.info["chat_template"]
    assert answer(engine, "你好", repeat_penalty=1.0)


def refusal(folder: Path, kind: type[ModelLoadError] = ModelLoadError, options: LoadOptions = OPTIONS) -> str:
    with pytest.raises(kind) as caught:
        PyTorchEngine(str(folder), options)
    assert type(caught.value) is kind
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_config_is_no_checkpoint(tmp_path: Path) -> None:
    assert "config.json" in refusal(tmp_path)
    assert "config.json" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\x00\xff"])
def test_a_config_that_is_no_json_object_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, encoding="latin-1")
    assert "config.json" in refusal(folder)


def test_a_missing_tokenizer_is_named_with_what_to_do(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer; copy tokenizer.json" in refusal(folder)


def test_a_broken_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 7}')
    assert "tokenizer" in refusal(folder)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "lacks a file" in refusal(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 20_000])
def test_cut_off_weights_are_called_damaged(folder: Path, keep: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert "damaged or incomplete" in refusal(folder)


def test_weights_that_lack_a_tensor_are_refused_instead_of_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 tensors" in refusal(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    change_config(folder, intermediate_size=80)
    refusal(folder)


def test_an_encoder_is_no_text_generator(folder: Path) -> None:
    change_config(folder, model_type="bert", architectures=["BertForMaskedLM"])
    assert "'BertForMaskedLM', which does not generate text" in refusal(folder, UnsupportedModelError)


def test_a_vision_model_is_no_text_generator(folder: Path) -> None:
    change_config(folder, model_type="vit", architectures=["ViTForImageClassification"])
    assert "does not generate text" in refusal(folder, UnsupportedModelError)


def test_an_unknown_type_is_named(folder: Path) -> None:
    change_config(folder, model_type="quux", architectures=["QuuxForCausalLM"])
    assert "'quux', which transformers" in refusal(folder, UnsupportedModelError)


def test_a_checkpoints_own_code_runs_only_when_it_is_trusted(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    code = f"open({str(mark)!r}, 'w').close()\nfrom transformers import LlamaConfig\nclass Own(LlamaConfig): pass\n"
    (folder / "own.py").write_text(code)
    change_config(folder, model_type="own-llama", auto_map={"AutoConfig": "own.Own"})
    assert "trust_remote_code" in refusal(folder, UnsupportedModelError)
    assert not mark.exists()


class _Payload:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self._mark),)


def test_pickled_weights_load_without_running_what_is_in_them(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    assert load_checkpoint(str(folder), OPTIONS).model.num_parameters() > 0


@pytest.mark.parametrize("form", ["zip", "old", "bare"])
def test_a_pickle_that_would_run_code_is_refused_as_such_with_what_it_asks_for(
    folder: Path, tmp_path: Path, form: str
) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "was-run"
    with (folder / "pytorch_model.bin").open("wb") as file:
        if form == "bare":
            pickle.dump(_Payload(mark), file)
        else:
            torch.save({**weights, "x": _Payload(mark)}, file, _use_new_zipfile_serialization=form == "zip")
    said = refusal(folder, UnsupportedModelError)
    assert "'pytorch_model.bin' would run code, for it asks for 'posix.mkdir', which no weights need" in said
    assert "weights_only" not in said
    assert not mark.exists()


def test_a_damaged_pickle_is_called_so_without_the_advice_to_load_it_unsafely(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01\xff\xff")
    said = refusal(folder)
    assert "damaged or hold more than weights" in said
    assert "weights_only" not in said


@pytest.mark.parametrize("name", ["_attn_implementation", "attn_implementation"])
@pytest.mark.parametrize("wish", ["evil/kernels", "flash_attention_2", "nonsense"])
def test_kernels_that_a_configuration_wishes_for_are_not_used_and_that_is_said(
    folder: Path, name: str, wish: str
) -> None:
    change_config(folder, **{name: wish})
    loaded = load_checkpoint(str(folder), OPTIONS)
    assert [note for note in loaded.notes if repr(wish) in note]
    assert attention_of(loaded.model) == "sdpa"


def test_the_plain_kinds_of_attention_may_be_chosen(folder: Path) -> None:
    change_config(folder, _attn_implementation="eager")
    loaded = load_checkpoint(str(folder), OPTIONS)
    assert not [note for note in loaded.notes if "config.json asks" in note]


def with_pattern(folder: Path, pattern: str) -> None:
    """Have the checkpoint's tokenizer split texts by this regular expression first."""
    file = folder / "tokenizer.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, data["pre_tokenizer"]]}
    file.write_text(json.dumps(data), encoding="utf-8")


def test_a_tokenizers_pattern_that_is_none_is_named(folder: Path) -> None:
    with_pattern(folder, "(((")
    assert "the tokenizer of" in refusal(folder)


def test_a_tokenizers_pattern_without_end_fails_that_prompt_and_not_the_model(folder: Path) -> None:
    with_pattern(folder, "(a|aa)+$")
    engine = PyTorchEngine(str(folder), OPTIONS)
    engine.submit(GenerationRequest(messages=(Message("user", "a" * 50 + "!"),), id="bad"))
    engine.submit(GenerationRequest(messages=(Message("user", "hello"),), config=ModelConfig(max_tokens=2), id="good"))
    events = []
    while engine.is_busy:
        events += engine.step()
    engine.close()
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert failed.request_id == "bad"
    assert "tokenizer breaks down over this prompt" in failed.message
    assert [event.request_id for event in events if isinstance(event, Finished)] == ["good"]


def test_a_quantised_checkpoint_whose_library_is_absent_says_so(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    change_config(folder, **config, quantization_config={"quant_method": "gptq", "bits": 4})
    assert "package" in refusal(folder, UnsupportedModelError)


@pytest.mark.parametrize(
    "exc",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_running_out_of_memory_is_recognised_on_every_device(exc: Exception) -> None:
    assert isinstance(as_load_error(exc, "model"), InsufficientMemoryError)
    assert "memory ran out" in str(as_inference_error(exc))


@pytest.mark.parametrize("exc", [ImportError("no kernel"), OSError("no file"), ValueError("strange"), MemoryError()])
def test_whatever_a_library_raises_the_error_says_what_helps(exc: Exception) -> None:
    for error in (as_load_error(exc, "model"), as_inference_error(exc)):
        assert "; " in str(error)


def test_long_messages_of_libraries_are_cut_to_one_line() -> None:
    error = as_inference_error(ValueError("x" * 5000 + "\nsecond line"))
    assert len(str(error)) < 500
    assert "second line" not in str(error)
