"""Scoring with a PyTorch model: questions behind a shared beginning, and all texts behind each, in one forward pass.

They stand one behind the other in a single row of the batch. Each sees the shared beginning and itself only, each text
its question and itself, at the positions that they would have alone:

    shared beginning | a b c | d e f g | k l m n o        "a b c" with texts "d e (x)" and "f g (y)", and "k l m n o"
                                                          whose texts are of one token each, which need not be read

So a question with one-token choices takes the tokens of the question and no more, nothing is filled up, and the keys
and values of the beginning are there once. Needs plain attention, as a batch of answers does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
    Forward,
    RowState,
    adds_mask,
    new_cache,
    state_of,
)

MAX_ROWS = 64
# Chunks of a prompt that one step reads when nobody waits for the next token of an answer.
QUIET_CHUNKS = 4
MAX_CHUNK_TOKENS = 512


class PyTorchScoring:
    """The :class:`~inferencers.scorer.ScoreBackend` of a checkpoint that an engine holds.

    Log-probabilities are computed from the logits in float32, whatever the model computes in.
    """

    max_rows = MAX_ROWS

    def __init__(
        self, model: Any, device: torch.device, *, can_share: bool, n_ctx: int, adapter: RowAdapter | None = None
    ) -> None:
        self._forward, self._device = Forward(model), device
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
        state: RowState | None = None
        if held is not None and length:
            state = [(keys[:, :, :length], values[:, :, :length]) for keys, values in held.state]
        layout = _lay_out(rows, length)
        ids, positions, mask, wanted = (tensor.to(self._device) for tensor in layout.tensors)
        seen = mask[None, None]
        if self._adds_mask:
            hidden = torch.finfo(self._dtype).min
            seen = torch.zeros_like(seen, dtype=self._dtype).masked_fill_(~seen, hidden)
        with self._adapted():
            logits, _ = self._forward.lines(ids[None], new_cache(state), wanted, positions=positions[None], mask=seen)
        lines = _lines(logits[0])
        return [[lines.picked(places) for places in tails] for tails in layout.places]

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


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tokens of a batch stand.

    Args:
        tensors: tokens and positions of shape (tokens,), what each token sees of the shared beginning and of these:
            (tokens, ``length`` + tokens), and the places whose logits are wanted: (lines,).
        places: for each row, for each of its tails, the lines that its tokens are drawn from.
    """

    tensors: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
    places: list[list[list[int]]]


def _lay_out(rows: Sequence[Row], length: int) -> _Layout:
    """All rows one behind the other, behind a beginning of ``length`` tokens that they share."""
    columns = sum(len(row.context) - length + row.tail_tokens for row in rows)
    ids: list[int] = []
    positions: list[int] = []
    mask = torch.zeros((columns, length + columns), dtype=torch.bool)
    mask[:, :length] = True
    wanted: list[int] = []
    places: list[list[list[int]]] = []
    for row in rows:
        start, own = len(ids), row.context[length:]
        ids += own
        positions += range(length, len(row.context))
        end = len(ids)
        _see_before(mask, length, start, end)
        last = len(wanted)
        wanted.append(end - 1)
        places.append([])
        for tail in row.tails:
            at, tokens = len(ids), tail[:-1]
            ids += tokens
            positions += range(len(row.context), len(row.context) + len(tokens))
            mask[at : len(ids), length + start : length + end] = True
            _see_before(mask, length, at, len(ids))
            places[-1].append([last, *range(len(wanted), len(wanted) + len(tokens))])
            wanted += range(at, len(ids))
    return _Layout((torch.tensor(ids), torch.tensor(positions), mask, torch.tensor(wanted)), places)


def _see_before(mask: torch.Tensor, length: int, begin: int, end: int) -> None:
    """Each of these tokens sees itself and those of them that stand before it."""
    mask[begin:end, length + begin : length + end].fill_(True).tril_()


def _lines(logits: torch.Tensor) -> Lines:
    values = logits.float()
    return Lines(values.cpu().numpy(), torch.logsumexp(values, dim=-1).double().cpu().numpy())
