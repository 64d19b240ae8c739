"""Linear layers whose weights are arranged once, at load, as the CPU's matrix kernels want them.

torch multiplies float32 matrices with MKL. With 2 to 8 rows that takes up to twice as long as oneDNN with weights that
were packed in advance; with one row, and with hundreds, both take the same time. bfloat16 matrices are oneDNN's either
way: with 1 to 64 rows, packed in advance they take two thirds of the time, and with hundreds the same.
"""

from __future__ import annotations

import torch
from torch import nn

from multi_llm_comparator.core.cpus import computes_bfloat16

# torch's own compiler generates calls of these two operations; their names are no public interface of torch, so
# `tests/inferencers/test_packed_linear.py` looks at them.
OPERATIONS = ("_reorder_linear_weight", "_linear_pointwise")
NOT_PACKED = "Slower than it could be with several requests at once: its weights are not packed. Why: {}."


class PackedLinear(nn.Module):
    """A linear layer in float32 or bfloat16: inputs of (..., ``in_features``), outputs of (..., ``out_features``).

    Attributes:
        weight: the packed weights, or those that the layer shares with another module, as they were.
    """

    def __init__(self, linear: nn.Linear, *, is_shared: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        # No number of rows is named: packed for one row, the weights would suit no other number.
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.weight = linear.weight if is_shared else nn.Parameter(packed, requires_grad=False)
        self.register_buffer("packed", packed if is_shared else None, persistent=False)
        self._operands = (packed, self.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, *self._operands, "none", [], "")
        return result

    def unpacked(self) -> nn.Linear:
        """The layer that this was made from."""
        linear = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        linear.weight = self.weight if self.packed is not None else nn.Parameter(self.weight.to_dense(), False)
        linear.bias = self.bias
        return linear

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def can_pack() -> bool:
    """Whether this build of torch has oneDNN and the operations that pack weights."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and all(hasattr(torch.ops.mkldnn, name) for name in OPERATIONS)


def pack_linear_layers(model: nn.Module, *, with_bfloat16: bool = True) -> str | None:
    """Replace the linear layers of a model in place, one at a time, where they are on the CPU and in float32, or in
    bfloat16 where the CPU computes that and ``with_bfloat16``.

    Weights that a layer shares with another module (an output layer with the embedding) are held twice from then on.

    Returns:
        Why it cannot be done, where it would be of use.
    """
    dtypes = (torch.float32, torch.bfloat16) if with_bfloat16 and computes_bfloat16() else (torch.float32,)
    fitting = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        # Subclasses are of quantised and of adapted layers, which compute in ways of their own.
        if type(child) is nn.Linear and child.weight.dtype in dtypes and child.weight.device.type == "cpu"
    ]
    if not can_pack():
        # Where MKL is not either, as on a Mac, another library multiplies, and nothing was compared.
        slower = fitting and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        return f"torch {torch.__version__} cannot do it here" if slower else None
    owners = _owners(model)
    while fitting:
        parent, name, child = fitting.pop()
        setattr(parent, name, PackedLinear(child, is_shared=owners[child.weight] > 1))
        del child  # and its weights, before the next are packed
    _let_go_of_files(model)
    return None


def _let_go_of_files(model: nn.Module) -> None:
    """Weights that are not packed may still be the very pages of the checkpoint's files, which then stay in memory as a
    whole: have copies of them instead."""
    for parameter in model.parameters():
        if not parameter.is_mkldnn and parameter.dtype == torch.bfloat16:
            parameter.data = parameter.data.clone()


def unpack_linear_layers(model: nn.Module) -> None:
    """Put the linear layers back as they were."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, PackedLinear):
                setattr(parent, name, child.unpacked())


def _owners(model: nn.Module) -> dict[torch.Tensor, int]:
    """How many modules hold each parameter."""
    owners: dict[torch.Tensor, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[parameter] = owners.get(parameter, 0) + 1
    return owners
