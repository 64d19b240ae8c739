"""The forward and backward pass of a linear layer with a LoRA adapter, as one operation.

peft computes the adapter beside the layer: it casts the layer's whole input to the adapter's float32, keeps that copy
for the backward pass, and adds two tensors as large as the layer's output. Here the small products are added where the
large ones already are, and only the input is kept, once. The adapter's own values and gradients stay float32.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear


class _AdaptedLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
        keep: torch.Tensor | None,
    ) -> torch.Tensor:
        a, b = a.to(x.dtype), b.to(x.dtype)
        flat = x.reshape(-1, x.shape[-1])
        narrow = (flat if keep is None else flat * keep) @ a.t()
        y = torch.nn.functional.linear(flat, weight, bias)
        y.addmm_(narrow, b.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, a, b, narrow, keep)
        ctx.scale, ctx.shape = scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *slope: torch.Tensor) -> tuple[Any, ...]:
        flat, weight, a, b, narrow, keep = ctx.saved_tensors
        dy = slope[0].reshape(-1, slope[0].shape[-1])
        back = dy @ b
        da = (back.t() @ (flat if keep is None else flat * keep)).float().mul_(ctx.scale)
        db = (dy.t() @ narrow).float().mul_(ctx.scale)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = dy @ weight
            if keep is None:
                dx.addmm_(back, a, alpha=ctx.scale)
            else:
                dx.add_((back @ a).mul_(keep), alpha=ctx.scale)
            dx = dx.view(ctx.shape)
        return dx, None, None, da, db, None, None


def _forward(layer: LoraLinear, x: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
    """``LoraLinear.forward`` for the one adapter that is trained."""
    if layer.disable_adapters or layer.merged or args or more:
        result: torch.Tensor = LoraLinear.forward(layer, x, *args, **more)
        return result
    (name,) = layer.active_adapters
    base, rate = layer.base_layer, getattr(layer.lora_dropout[name], "p", 0.0)
    keep = None
    if rate and layer.training:
        keep = torch.nn.functional.dropout(torch.ones_like(x.reshape(-1, x.shape[-1])), rate)
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    adapted: torch.Tensor = _AdaptedLinear.apply(  # type: ignore[no-untyped-call]
        x, base.weight, base.bias, a, b, layer.scaling[name], keep
    )
    return adapted


def fuse_adapters(model: Any) -> int:
    """Have all plain LoRA layers of ``model`` computed in one operation each; how many.

    Quantised layers, layers whose weights are transposed and variants of LoRA stay as peft computes them.
    """
    fused = 0
    for layer in model.modules():
        if type(layer) is not LoraLinear or layer.fan_in_fan_out or layer.lora_variant:
            continue
        if type(layer.base_layer) is torch.nn.Linear and not any(b for b in layer.lora_bias.values()):
            layer.forward = MethodType(_forward, layer)
            fused += 1
    return fused
