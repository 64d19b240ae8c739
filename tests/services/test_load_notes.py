"""What only the app's side of a model process knows to say of a loaded model."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services import devices, load_notes
from multi_llm_comparator.services.devices import Device
from multi_llm_comparator.services.load_notes import MAX_NOTES, SAFE


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU and builds for CPUs only."""
    for module in (devices, load_notes):
        monkeypatch.setattr(module, "gpus", lambda: (Device("cuda:0", 2**34),))
    monkeypatch.setattr(devices, "llama_cpp_runs_on_gpu", lambda: False)
    monkeypatch.setattr(devices, "torch_runs_on_gpu", lambda: False)


def notes(kind: ModelType = ModelType.GGUF, told: object = (), **options: Any) -> tuple[str, ...]:
    return load_notes.load_notes(ModelInfo("", "m", "/m", kind, 1), LoadOptions(**options), {"notes": told})


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize(("kind", "word"), [(ModelType.GGUF, "llama-cpp-python"), (ModelType.PYTORCH, "torch")])
def test_a_gpu_that_the_build_cannot_use_is_said_once_unless_nobody_wants_it(kind: ModelType, word: str) -> None:
    (note,) = notes(kind)
    assert word in note
    assert notes(kind, use_gpu=False) == ()


def test_a_machine_without_a_gpu_lacks_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (devices, load_notes):
        monkeypatch.setattr(module, "gpus", tuple)
    assert notes() == ()


def test_safe_settings_are_said_first_and_the_engines_own_notes_follow() -> None:
    assert notes(told=["a shorter context"], safe=True) == (SAFE, "a shorter context")


def test_what_a_process_tells_is_bounded() -> None:
    told = notes(told=["x" * 10_000] * 100, use_gpu=False)
    assert len(told) == MAX_NOTES
    assert max(map(len, told)) <= load_notes.MAX_NOTE_CHARS
