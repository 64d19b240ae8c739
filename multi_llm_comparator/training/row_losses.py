"""The loss of several rows in one pass through the model, none of which sees another.

Rows lie one behind another in one run of tokens, each with positions from 0, so that none is padded. Attention is
computed row by row, which is also less work than one large masked product. Where each number of tokens needs kernels
of its own, a last row of blanks fills the run up to one of few numbers; nothing is learnt from it. A model that keeps
more of its past than attention does (a recurrent state, a convolution over neighbours) would let rows see each other:
so this is tried out on each model before it is used, and what does not pass is computed a row at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface

from multi_llm_comparator.training.chat_rows import IGNORED, Row
from multi_llm_comparator.training.learnt_loss import token_losses
from multi_llm_comparator.training.row_attention import RowAttention, makes_kernels
from multi_llm_comparator.training.tuning_steps import filled_up

NAME = "row_by_row"
PROBE_LENGTHS = (5, 11, 8)
# Of a token's loss, in nats: what rounding alone may change. A row that sees its neighbours is off by whole nats.
TOLERANCE = {torch.float32: 1e-3}
COARSE_TOLERANCE = 0.35


_attention = RowAttention()


class RowLosses:
    """Sums of the losses of each row's learnt tokens.

    Args:
        model: the causal language model, with or without adapters in it.

    ``packs`` says whether rows may be packed; ``why_not`` why they are computed one at a time.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._own_attention = getattr(model.config, "_attn_implementation", "") == "sdpa"
        self._usual = getattr(model.config, "_attn_implementation", None)
        self._head = model.get_output_embeddings()
        AttentionInterface.register(NAME, _attention)
        self.packs, self.why_not = True, ""
        self._try_out()

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """Negative log likelihoods in nats of each row's learnt tokens, float32 of the shape (rows,)."""
        if len(rows) > 1 and not self.packs:
            return torch.cat([self._losses([row]) for row in rows])
        return self._losses(rows)

    def begin(self) -> None:
        """Switch the model to attention by rows; it cannot generate text meanwhile."""
        if self._own_attention:
            self._model.set_attn_implementation(NAME)

    def end(self) -> None:
        """Switch it back."""
        if self._own_attention:
            self._model.set_attn_implementation(self._usual)

    def _losses(self, rows: Sequence[Row]) -> torch.Tensor:
        ends = np.cumsum([0, *(len(row.input_ids) for row in rows)])
        blanks = self._blanks(int(ends[-1]))
        _attention.ends = [*ends.tolist(), int(ends[-1]) + blanks] if blanks else ends.tolist()
        labels = np.concatenate([np.append(row.labels[1:], IGNORED) for row in rows])
        learnt = np.flatnonzero(labels != IGNORED)
        owner = self._tensor(np.searchsorted(ends, learnt, side="right") - 1)
        found = self._of_tokens(
            self._tensor(np.concatenate([*(row.input_ids for row in rows), np.zeros(blanks)]))[None],
            self._tensor(np.concatenate([*(np.arange(len(row.input_ids)) for row in rows), np.arange(blanks)]))[None],
            self._tensor(learnt),
            self._tensor(labels[learnt]),
        )
        return torch.zeros(len(rows), device=self._device).index_add(0, owner, found)

    def _blanks(self, tokens: int) -> int:
        """How many follow so many tokens."""
        if not (self.packs and self._own_attention and makes_kernels(self._model.dtype, self._device)):
            return 0
        return filled_up(tokens) - tokens

    def _of_tokens(
        self, ids: torch.Tensor, positions: torch.Tensor, learnt: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        if self._head is not None:
            hidden = self._model.base_model(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
            return token_losses(hidden[0, learnt], self._head.weight, getattr(self._head, "bias", None), targets)
        return self._by_logits(ids, positions, learnt, targets)

    def _by_logits(
        self, ids: torch.Tensor, positions: torch.Tensor | None, learnt: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        more = {} if positions is None else {"position_ids": positions}
        logits = self._model(input_ids=ids, use_cache=False, **more).logits[0, learnt]
        return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")

    def _tensor(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64), device=self._device)

    @torch.no_grad()
    def _try_out(self) -> None:
        """Find the fastest way whose losses are those of the model itself, row by row."""
        rows = _probe(int(self._model.get_input_embeddings().num_embeddings))
        was_training = self._model.training
        self._model.eval()
        try:
            wanted = torch.stack([self._plain(row) for row in rows])
            if not self._is_right(rows, wanted) and self._head is not None:
                self._head = None  # something lies between the last layer and the logits
            if not self._is_right(rows, wanted) and self._own_attention:
                self._own_attention = False
            if not self._is_right(rows, wanted):
                self.packs = False
                self.why_not = (
                    "rows are computed one at a time, which is slower: packed, this model lets them see each other"
                )
        finally:
            self._model.train(was_training)

    def _is_right(self, rows: Sequence[Row], wanted: torch.Tensor) -> bool:
        self.begin()
        try:
            found = self._losses(rows)
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return False
        finally:
            self.end()
        allowed = TOLERANCE.get(self._model.dtype, COARSE_TOLERANCE)
        tokens = torch.tensor([row.learnt_tokens for row in rows], device=found.device)
        return bool(((found - wanted).abs() / tokens <= allowed).all())

    def _plain(self, row: Row) -> torch.Tensor:
        ids = self._tensor(row.input_ids)
        learnt = torch.arange(len(ids) - 1, device=self._device)
        return self._by_logits(ids[None], None, learnt, ids[1:]).sum()


def _probe(n_vocab: int) -> list[Row]:
    """Short rows of arbitrary tokens, learnt from the second one on."""
    drawn = np.random.default_rng(0)
    rows = []
    for length in PROBE_LENGTHS:
        ids = drawn.integers(0, n_vocab, length).astype(np.int32)
        rows.append(Row(ids, np.append(np.int32(IGNORED), ids[1:]).astype(np.int32)))
    return rows
