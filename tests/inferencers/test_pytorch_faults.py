"""What a PyTorch engine does where memory runs out or values are no numbers: the others are answered all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from multi_llm_comparator.core.events import Failed, Finished
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.inferencers.pytorch_answers import LONG, MIDDLE, SHORT, ask, kept_by, of_kind, reference
from tests.support.requests import run, text_of
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer


def test_running_out_of_memory_fails_what_was_computed_and_leaves_the_engine_usable(
    llama: PyTorchEngine, checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(SHORT, max_tokens=50), ask(MIDDLE, max_tokens=50)]
    for request in requests:
        llama.submit(request)
    for _ in range(6):
        llama.step()

    def explode(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patched:
        patched.setattr(torch.nn.functional, "scaled_dot_product_attention", explode)
        events = run(llama)
    assert {e.request_id for e in of_kind(events, Failed)} == {request.id for request in requests}
    assert all("memory ran out" in e.message for e in of_kind(events, Failed))
    after = ask(MIDDLE)
    assert text_of(run(llama, after), after) == reference(checkpoint(), after)


def test_running_out_of_memory_while_joining_fails_the_one_that_joins(
    llama: PyTorchEngine, checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other, joining = ask(SHORT, max_tokens=50), ask(LONG)
    llama.submit(other)
    events = [event for _ in range(6) for event in llama.step()]
    real = torch.Tensor.new_zeros
    made: list[torch.Tensor] = []

    def scarce(*args: Any, **options: Any) -> Any:
        if len(made) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        made.append(real(*args, **options))
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "new_zeros", scarce)
        events += run(llama, joining)
    assert [e.request_id for e in of_kind(events, Failed)] == [joining.id]
    assert text_of(events, other) == reference(checkpoint(), other)


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_an_ended_conversation_that_finds_no_memory_is_not_kept_and_fails_nobody(
    llama: PyTorchEngine, checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, is_cancelled: bool
) -> None:
    ending, other = ask(MIDDLE, max_tokens=100 if is_cancelled else 5), ask(SHORT, max_tokens=20)
    llama.submit(ending)
    llama.submit(other)
    events = [event for _ in range(4) for event in llama.step()]

    def explode(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "clone", explode)
        if is_cancelled:
            llama.cancel(ending.id)
        events += run(llama)
    ends = {e.request_id: e.reason for e in of_kind(events, Finished)}
    assert ends == {ending.id: "cancelled" if is_cancelled else "length", other.id: "length"}
    assert text_of(events, other) == reference(checkpoint(), other)
    assert kept_by(llama) == 0


def test_numbers_that_are_none_fail_the_request(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "broken", "llama", tokenizer=make_word_tokenizer())
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    engine = PyTorchEngine(str(folder), LoadOptions(n_ctx=256, use_gpu=False))
    for parameters in ({}, {"temperature": 1.0}):
        events: list[Any] = run(engine, ask(SHORT, **parameters))
        assert events[-1].error_type == "InferenceError"
        assert "no numbers" in events[-1].message
