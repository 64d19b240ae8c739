"""Causal attention within each row of a pack, of rows that lie one behind another.

In bfloat16 on a CPU torch's own backward pass multiplies 32 queries at a time, each product by a kernel that is made
for its shape: of rows of a hundred tokens, each of another length, that takes longer than all linear layers. There rows
are filled up to a few lengths, those of one length are computed together, and their gradients come from five products
for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from multi_llm_comparator.training.tuning_steps import filled_up

# Rows up to here have their gradients from few large products; in longer ones torch's own way is as fast.
SHORT_TOKENS = 512
# Queries of a row whose scores are held at a time, and scores of rows that are computed together, at most: what a
# core's cache holds meanwhile.
QUERIES_TOGETHER, SCORES_TOGETHER = 128, 400_000

Span = tuple[int, int]


def makes_kernels(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether each shape of a product has a kernel of its own, which is made when it first occurs.

    It takes milliseconds and half a megabyte, several times as long as the product: so shapes had better be few.
    """
    return dtype == torch.bfloat16 and device.type == "cpu"


class RowAttention:
    """Causal attention within each row of a pack; ``ends`` are where rows begin and end, 0 first."""

    def __init__(self) -> None:
        self.ends: Sequence[int] = (0,)

    def __call__(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        sliding_window: int | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        """As transformers calls it: of (1, heads, tokens, width) makes (1, tokens, heads, width)."""
        rows = list(pairwise(self.ends))
        is_windowed = bool(sliding_window) and max(end - begin for begin, end in rows) > (sliding_window or 0)
        if makes_kernels(query.dtype, query.device) and not dropout and not is_windowed:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            found: torch.Tensor = _FilledRows.apply(query, key, value, rows, scale)  # type: ignore[no-untyped-call]
            return found, None
        each = []
        for begin, end in rows:
            q, k, v = (tensor[:, :, begin:end] for tensor in (query, key, value))
            mask = None
            if sliding_window and end - begin > sliding_window:
                mask = torch.ones(end - begin, end - begin, dtype=torch.bool, device=q.device).tril()
                mask = mask.triu(1 - sliding_window)
            each.append(_attended(q, k, v, scaling, mask, dropout))
        return torch.cat(each, 2).transpose(1, 2).contiguous(), None


def _attended(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float | None,
    mask: torch.Tensor | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(
        q, k, v, mask, dropout, mask is None, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
    )


class _FilledRows(torch.autograd.Function):
    """Rows of like length together, filled up at their ends: there no token of theirs looks."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: list[Span], scale: float
    ) -> torch.Tensor:
        _, heads, tokens, _ = query.shape
        found = query.new_empty(1, tokens, heads, value.shape[-1])
        for length, some in _alike(rows, heads):
            q, k, v = (_filled(x, some, length) for x in (query, key, value))
            _scatter(found.transpose(1, 2), _attended(q, k, v, scale), some)
        ctx.save_for_backward(query, key, value)
        ctx.rows, ctx.scale = rows, scale
        return found

    @staticmethod
    def backward(ctx: Any, *slope: torch.Tensor) -> tuple[Any, ...]:
        inputs = ctx.saved_tensors
        # In memory as the projections before them want it: token by token.
        slopes = tuple(
            torch.empty_like(x.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2) for x in inputs
        )
        for length, some in _alike(ctx.rows, inputs[0].shape[1]):
            q, k, v, dy = (_filled(x, some, length) for x in (*inputs, slope[0].transpose(1, 2)))
            slopes_of = _slopes if length <= SHORT_TOKENS else _slopes_of_long
            for whole, part in zip(slopes, slopes_of(q, k, v, dy, ctx.scale), strict=True):
                _scatter(whole, part, some)
        return *slopes, None, None


def _alike(rows: Sequence[Span], heads: int) -> list[tuple[int, list[Span]]]:
    """Rows by the length that they are filled up to, no more together than :data:`SCORES_TOGETHER` allows."""
    alike: dict[int, list[Span]] = {}
    for begin, end in rows:
        alike.setdefault(filled_up(end - begin), []).append((begin, end))
    found = []
    for length, some in alike.items():
        together = max(1, SCORES_TOGETHER // (heads * min(length, QUERIES_TOGETHER) * length))
        found += [(length, some[first : first + together]) for first in range(0, len(some), together)]
    return found


def _filled(x: torch.Tensor, rows: Sequence[Span], length: int) -> torch.Tensor:
    """Of (1, heads, tokens, width) those rows, as (rows, heads, length, width)."""
    found = x.new_zeros(len(rows), x.shape[1], length, x.shape[3])
    for place, (begin, end) in enumerate(rows):
        found[place, :, : end - begin] = x[0, :, begin:end]
    return found


def _scatter(whole: torch.Tensor, rows_filled: torch.Tensor, rows: Sequence[Span]) -> None:
    """The inverse of :func:`_filled`."""
    for place, (begin, end) in enumerate(rows):
        whole[0, :, begin:end] = rows_filled[place, :, : end - begin]


def _slopes(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dy: torch.Tensor, scale: float
) -> tuple[torch.Tensor, ...]:
    """Of the loss by queries, keys and values, (rows, heads, length, width), from that by what came out."""
    length = q.shape[2]
    if length <= QUERIES_TOGETHER:
        return _slopes_of_piece(q, k, v, dy, scale)
    of_queries = torch.empty_like(q)
    # Each piece of queries adds to those of the keys before it.
    of_keys, of_values = (torch.zeros_like(x, dtype=torch.float32) for x in (k, v))
    for begin in range(0, length, QUERIES_TOGETHER):
        piece, before = slice(begin, begin + QUERIES_TOGETHER), slice(0, begin + QUERIES_TOGETHER)
        found = _slopes_of_piece(q[:, :, piece], k[:, :, before], v[:, :, before], dy[:, :, piece], scale)
        of_queries[:, :, piece] = found[0]
        of_keys[:, :, before] += found[1]
        of_values[:, :, before] += found[2]
    return of_queries, of_keys, of_values


def _slopes_of_piece(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dy: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the last queries, as many as ``q`` and ``dy`` have, of rows as long as ``k`` and ``v``.

    Queries that share keys stand behind one another, so that sums over them are part of the products. Scores are
    float32: rounded to bfloat16 their powers would be off by percents.
    """
    (rows, heads, length, _), asking = k.shape, q.shape[2]
    queries, over = (x.reshape(rows * heads, -1, x.shape[-1]) for x in (q, dy))
    keys, values = (x.reshape(rows * heads, length, -1) for x in (k, v))
    later = torch.full((asking, length), -torch.inf).triu(1 + length - asking)
    scores = torch.bmm(queries.float(), keys.float().transpose(1, 2)).view(-1, asking, length)
    looks = torch.softmax(torch.add(later, scores, alpha=scale), -1)
    of_looks = torch.bmm(over, values.transpose(1, 2)).float().view(-1, asking, length)
    of_values = torch.bmm(looks.to(q.dtype).view(rows * heads, -1, length).transpose(1, 2), over)
    # Of a softmax: what each look gains above the mean of its query.
    of_looks.sub_((of_looks * looks).sum(-1, keepdim=True)).mul_(looks).mul_(scale)
    of_scores = of_looks.to(q.dtype).view(rows * heads, -1, length)
    of_queries, of_keys = torch.bmm(of_scores, keys), torch.bmm(of_scores.transpose(1, 2), queries)
    return of_queries.view(q.shape), of_keys.view(k.shape), of_values.view(v.shape)


def _slopes_of_long(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dy: torch.Tensor, scale: float
) -> tuple[torch.Tensor, ...]:
    """The same by torch's own way, which never holds the scores of a whole row."""
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    with torch.enable_grad():
        found = _attended(q, k, v, scale)
    return torch.autograd.grad(found, (q, k, v), dy)
