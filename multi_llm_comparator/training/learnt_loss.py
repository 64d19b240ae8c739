"""The loss of learnt tokens, without ever holding the logits of all of them.

A vocabulary of 50,000 to 250,000 makes logits the largest thing of a step. Here they are made for a few hundred tokens
at a time, their gradient is taken at once, and they are dropped: what is kept is of the width of the model. The idea is
that of Liger's fused cross entropy (https://arxiv.org/abs/2410.10989); the last layer is frozen, so it needs no
gradient of its own.
"""

from __future__ import annotations

from typing import Any

import torch

from multi_llm_comparator.training.row_attention import makes_kernels
from multi_llm_comparator.training.tuning_steps import LOSS_CHUNK_TOKENS, filled_up


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for begin in range(0, len(targets), LOSS_CHUNK_TOKENS):
            part = slice(begin, begin + LOSS_CHUNK_TOKENS)
            read, blanks = _filled(hidden[part])
            logits = torch.nn.functional.linear(read, weight, bias)
            # One pass over each token's row, which a core holds: several over all rows would wait for memory.
            believed = torch.log_softmax(logits.float(), -1)
            wanted = torch.nn.functional.pad(targets[part], (0, blanks))[:, None]
            losses[part] = -believed.gather(1, wanted).squeeze(1)[: len(losses[part])]
            if slopes is not None:
                # The slope of the loss by the logits: what is believed of each token, less 1 for the right one.
                believed.exp_()
                believed.scatter_add_(1, wanted, torch.full_like(wanted, -1.0, dtype=believed.dtype))
                slopes[part] = (believed.to(weight.dtype) @ weight)[: len(losses[part])]
        if slopes is not None:
            ctx.save_for_backward(slopes)
        return losses

    @staticmethod
    def backward(ctx: Any, *slope: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * slope[0].unsqueeze(1).to(slopes.dtype), None, None, None


def _filled(hidden: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Blanks behind it where the last, short piece would need kernels of its own; and how many."""
    blanks = filled_up(len(hidden)) - len(hidden) if makes_kernels(hidden.dtype, hidden.device) else 0
    return (torch.nn.functional.pad(hidden, (0, 0, 0, blanks)) if blanks else hidden), blanks


def token_losses(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """Negative log likelihoods in nats, float32, of the shape (tokens,).

    Args:
        hidden: what the last layer reads, (tokens, width).
        weight: of the last layer, (vocabulary, width), frozen; ``bias`` (vocabulary,) or None.
        targets: the token that follows each, (tokens,), int64.
    """
    losses: torch.Tensor = _TokenLosses.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
    return losses
