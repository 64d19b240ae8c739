"""A GGUF model says what it has less of than it could have, and nothing where it has all."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import pytest

from multi_llm_comparator.inferencers import base, gguf_notes
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from tests.support import tiny_gguf

TRAINED = 512
Q4_0, Q4_1 = 2, 3


def notes_of(path: Path, **options: Any) -> list[str]:
    engine = GgufEngine(str(path), LoadOptions(**{"n_ctx": TRAINED, "n_threads": 1, **options}))
    notes: list[str] = engine.info["notes"]
    engine.close()
    return notes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write_random(tmp_path_factory.mktemp("gguf") / "random.gguf", n_ctx_train=TRAINED)


def quantized(model: Path, file_type: int) -> Path:
    path = model.with_name(f"type-{file_type}.gguf")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    assert llama_cpp.llama_model_quantize(str(model).encode(), str(path).encode(), ctypes.byref(params)) == 0
    return path


@pytest.fixture
def with_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that says it uses AMX; what it does not have it is not asked for then."""
    monkeypatch.setattr(llama_cpp, "llama_print_system_info", lambda: b"CPU : AVX512 = 1 | AMX_INT8 = 1 | ")


def test_what_lacks_nothing_says_nothing(model: Path) -> None:
    assert notes_of(model) == []


def test_a_shorter_and_a_longer_context_than_the_model_was_made_for_are_said_with_the_numbers(model: Path) -> None:
    (shorter,) = notes_of(model, n_ctx=256)
    assert ("256 tokens, 512" in shorter, "n_ctx" in shorter) == (True, True)
    (longer,) = notes_of(model, n_ctx=1024)
    assert "1,024 tokens, trained with 512" in longer


def test_a_context_that_answers_share_is_said(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_CACHE_TOKENS", 1024)
    (note,) = notes_of(model, parallel=4)
    assert ("1,024 tokens" in note, "2 of full length" in note) == (True, True)


@pytest.mark.usefixtures("with_amx")
def test_weights_that_could_be_repacked_and_are_not_are_said(model: Path) -> None:
    assert notes_of(quantized(model, Q4_0)) == [gguf_notes.NOT_REPACKED]
    assert notes_of(quantized(model, Q4_1)) == []
    assert notes_of(quantized(model, Q4_0), safe=True) == []


def test_layers_that_did_not_fit_on_the_gpu_are_counted() -> None:
    said = "load_tensors: offloaded {}/31 layers to GPU"
    assert "20 of 31 layers" in (gguf_notes._layers_note(said.format(20)) or "")
    assert gguf_notes._layers_note(said.format(31)) is None
    assert gguf_notes._layers_note("") is None
