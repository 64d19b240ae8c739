from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaMLP

from multi_llm_comparator.inferencers import packed_linear
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.packed_linear import (
    OPERATIONS,
    PackedLinear,
    can_pack,
    pack_linear_layers,
    unpack_linear_layers,
)
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support.tiny_checkpoint import make_checkpoint

needs_packing = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
    reason="this torch has no oneDNN",
)


class Small(nn.Module):
    def __init__(self, *, tied: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 24)
        self.inner = nn.Linear(24, 24, bias=bias)
        self.head = nn.Linear(24, 40, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.inner(self.embedding(ids)))
        return out


@needs_packing
def test_torch_has_the_operations_by_their_names() -> None:
    assert [name for name in OPERATIONS if not hasattr(torch.ops.mkldnn, name)] == []
    assert can_pack()


@needs_packing
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (4, 1), (3, 7), (1, 300)])
@pytest.mark.parametrize(("tied", "bias"), [(False, True), (True, False)])
def test_packed_layers_compute_the_same(shape: tuple[int, int], tied: bool, bias: bool) -> None:
    model = Small(tied=tied, bias=bias).requires_grad_(False)
    ids = torch.randint(0, 40, shape)
    expected = model(ids)
    assert pack_linear_layers(model) is None
    assert isinstance(model.inner, PackedLinear) and isinstance(model.head, PackedLinear)
    assert torch.allclose(model(ids), expected, atol=1e-5)
    unpack_linear_layers(model)
    assert type(model.inner) is nn.Linear
    assert torch.equal(model(ids), expected)
    assert (model.head.weight is model.embedding.weight) is tied


@needs_packing
@pytest.mark.parametrize("tied", [False, True])
def test_parameters_are_counted_as_before_and_only_shared_weights_are_held_twice(tied: bool) -> None:
    model = Small(tied=tied).requires_grad_(False)
    before = sum(p.numel() for p in model.parameters())
    pack_linear_layers(model)
    assert sum(p.numel() for p in model.parameters()) == before
    assert sum(b.numel() for b in model.buffers()) == (40 * 24 if tied else 0)


def test_other_types_and_other_layers_stay_as_they_are() -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(4, 4, dtype=torch.float16), Own(4, 4), nn.Linear(4, 4, device="meta"))
    before = list(model)
    pack_linear_layers(model)
    assert list(model) == before


def test_where_it_cannot_be_done_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "can_pack", lambda: False)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert pack_linear_layers(Small()) == f"torch {torch.__version__} cannot do it here"
    assert pack_linear_layers(nn.Sequential()) is None


@needs_packing
@pytest.mark.parametrize(("safe", "packed"), [(False, True), (True, False)])
def test_an_engine_on_the_cpu_packs_unless_safe_settings_are_wanted(tmp_path: Path, safe: bool, packed: bool) -> None:
    folder = make_checkpoint(tmp_path, dtype=torch.float32)
    engine = PyTorchEngine(str(folder), LoadOptions(n_ctx=256, use_gpu=False, safe=safe))
    assert any(isinstance(module, PackedLinear) for module in engine._model.modules()) is packed


@needs_packing
def test_a_model_whose_code_reads_weights_itself_keeps_its_layers_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: LlamaMLP, x: torch.Tensor) -> torch.Tensor:
        inner = self.act_fn(nn.functional.linear(x, self.gate_proj.weight)) * self.up_proj(x)
        out: torch.Tensor = self.down_proj(inner)
        return out

    monkeypatch.setattr(LlamaMLP, "forward", forward)
    engine = PyTorchEngine(str(make_checkpoint(tmp_path, "llama", dtype=torch.float32)), LoadOptions(n_ctx=256))
    assert engine.info["decoder"] == "batch"
    (note,) = engine.info["notes"]
    assert "not packed" in note
    assert not any(isinstance(module, PackedLinear) for module in engine._model.modules())
