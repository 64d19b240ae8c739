"""Scoring with a PyTorch model: rows behind a shared beginning, and all texts behind each row, in one forward pass.

Rows end their contexts at the same column; the texts that a row compares follow behind it side by side, each seeing
the context and itself only, at the positions that it would have alone:

    shared beginning | . . a b c | d e f g      row 0: context "a b c", texts "d e (x)" and "f g (y)"
    (one row for all)| k l m n o | . . . .      row 1: five tokens, texts of one token each, which need not be read

So a question with one-token choices takes the tokens of the question and no more. Needs plain attention, as a batch of
answers does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.scores import COARSE_TIE_NATS, TIE_NATS
from multi_llm_comparator.inferencers.prefill_chunk import tokens_per_step
from multi_llm_comparator.inferencers.pytorch_adapters import AllRows, RowAdapter, adapters_of
from multi_llm_comparator.inferencers.pytorch_errors import as_inference_error
from multi_llm_comparator.inferencers.score_lines import Lines
from multi_llm_comparator.inferencers.score_plan import Held, Row
from multi_llm_comparator.inferencers.transformers_seam import (
    Cache,
    CacheLayerMixin,
    Forward,
    RowState,
    adds_mask,
    layer_kinds,
    new_cache,
    state_of,
)

MAX_ROWS = 64
# Chunks of a prompt that one step reads when nobody waits for the next token of an answer.
QUIET_CHUNKS = 4
MAX_CHUNK_TOKENS = 512


class SharedLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer: those of one row, shown to all rows before their own, which are not kept."""

    is_sliding = False

    def __init__(self, shared: tuple[torch.Tensor, torch.Tensor] | None) -> None:
        super().__init__()
        self._shared = shared

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing is kept."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._shared is None:
            return key_states, value_states
        rows = key_states.shape[0]
        keys, values = (part.expand(rows, -1, -1, -1) for part in self._shared)
        return torch.cat([keys, key_states], dim=2), torch.cat([values, value_states], dim=2)

    def get_seq_length(self) -> int:
        return 0 if self._shared is None else self._shared[0].shape[2]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class PyTorchScoring:
    """The :class:`~inferencers.scorer.ScoreBackend` of a checkpoint that an engine holds.

    Log-probabilities are computed from the logits in float32, whatever the model computes in.
    """

    max_rows = MAX_ROWS

    def __init__(
        self, model: Any, device: torch.device, *, can_share: bool, n_ctx: int, adapter: RowAdapter | None = None
    ) -> None:
        self._forward, self._device, self._layers = Forward(model), device, len(layer_kinds(model)) if can_share else 0
        self.can_share = can_share
        self._adapters, self._adapter = adapters_of(model), adapter
        self._adapters.keep(adapter)
        self.n_vocab = model.config.get_text_config(decoder=True).vocab_size
        self.held_tokens = 2 * n_ctx
        is_fine = model.dtype == torch.float32 and not getattr(model, "is_quantized", False)
        self.tie_nats = TIE_NATS if is_fine else COARSE_TIE_NATS
        chunk = MAX_CHUNK_TOKENS
        if device.type == "cpu":
            chunk = tokens_per_step(model.num_parameters(), MAX_CHUNK_TOKENS)
        self.shared_step_tokens, self.step_tokens = chunk, QUIET_CHUNKS * chunk
        self._adds_mask, self._dtype = adds_mask(model), model.dtype

    def as_error(self, exc: Exception) -> MultiLLMError:
        return as_inference_error(exc)

    @torch.inference_mode()
    def copy(self, held: Held | None, length: int) -> Held:
        if held is None or not length:
            return Held([])
        state: RowState = [(keys[:, :, :length], values[:, :, :length]) for keys, values in held.state]
        return Held(held.tokens[:length], state)

    @torch.inference_mode()
    def grow(self, held: Held, tokens: Sequence[int], n_logits: int) -> Lines | None:
        done = len(held.tokens)
        positions = torch.arange(done, done + len(tokens), device=self._device)[None]
        ids = torch.tensor([list(tokens)], device=self._device)
        with self._adapted():
            logits, cache = self._forward.lines(ids, new_cache(held.state), max(1, n_logits), positions=positions)
        held.state = state_of(cache)
        return _lines(logits[0]) if n_logits else None

    def forget(self, held: Held) -> None:
        held.state = None

    @torch.inference_mode()
    def batch(self, held: Held | None, length: int, rows: Sequence[Row]) -> list[list[Lines]]:
        shared: Sequence[Any] = [None] * self._layers
        if held is not None and length:
            shared = [(keys[:, :, :length], values[:, :, :length]) for keys, values in held.state]
        cache = Cache(layers=[SharedLayer(one) for one in shared])
        width = max(len(row.context) for row in rows) - length
        tails = max(row.tail_tokens for row in rows)
        ids, positions, mask = _arrange(rows, length, width, tails)
        ids, positions, mask = (tensor.to(self._device) for tensor in (ids, positions, mask))
        seen: torch.Tensor = mask[:, None]
        if self._adds_mask:
            hidden = torch.finfo(self._dtype).min
            seen = torch.zeros_like(seen, dtype=self._dtype).masked_fill_(~seen, hidden)
        with self._adapted():
            logits, _ = self._forward.lines(ids, cache, tails + 1, positions=positions, mask=seen)
        return [_of_tails(row, _lines(logits[number])) for number, row in enumerate(rows)]

    @torch.inference_mode()
    def alone(self, tokens: Sequence[int], n_logits: int) -> Lines:
        with self._adapted():
            logits, _ = self._forward.lines(torch.tensor([list(tokens)], device=self._device), None, n_logits)
        return _lines(logits[0])

    def _adapted(self) -> AbstractContextManager[None]:
        return self._adapters.rows([AllRows(self._adapter)])

    def close(self) -> None:
        self._adapters.release(self._adapter)
        # It holds the model.
        self.__dict__.pop("_forward", None)


def _arrange(
    rows: Sequence[Row], length: int, width: int, tails: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens and positions of shape (rows, ``width + tails``), and what each token sees of the shared ``length``
    columns and of these: (rows, ``width + tails``, ``length + width + tails``)."""
    columns = width + tails
    ids = torch.zeros((len(rows), columns), dtype=torch.long)
    positions = torch.zeros((len(rows), columns), dtype=torch.long)
    mask = torch.zeros((len(rows), columns, length + columns), dtype=torch.bool)
    mask[:, :, :length] = True
    # What fills up a row sees itself, for a token that sees nothing has no numbers.
    mask[:, :, length:] = torch.eye(columns, dtype=torch.bool)
    causal = torch.ones((columns, columns), dtype=torch.bool).tril_()
    for number, row in enumerate(rows):
        own = row.context[length:]
        start = width - len(own)
        ids[number, start:width] = torch.tensor(own)
        positions[number, start:width] = torch.arange(length, length + len(own))
        mask[number, start:width, length + start : length + width] = causal[: len(own), : len(own)]
        at = width
        for tail in row.tails:
            n = len(tail) - 1
            if not n:
                continue
            ids[number, at : at + n] = torch.tensor(tail[:-1])
            positions[number, at : at + n] = torch.arange(len(row.context), len(row.context) + n)
            mask[number, at : at + n, length + start : length + width] = True
            mask[number, at : at + n, length + at : length + at + n] = causal[:n, :n]
            at += n
    return ids, positions, mask


def _of_tails(row: Row, lines: Lines) -> list[Lines]:
    """For each tail the lines that its tokens are drawn from: the context's last, then its own."""
    found, at = [], 1
    for tail in row.tails:
        n = len(tail) - 1
        found.append(lines.picked([0, *range(at, at + n)]))
        at += n
    return found


def _lines(logits: torch.Tensor) -> Lines:
    values = logits.float()
    return Lines(values.cpu().numpy(), torch.logsumexp(values, dim=-1).double().cpu().numpy())
