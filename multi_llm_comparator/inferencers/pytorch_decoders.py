"""Running the model: all rows in one forward pass where its attention allows that, else one row after another."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from multi_llm_comparator.inferencers.prefill_chunk import tokens_per_step
from multi_llm_comparator.inferencers.pytorch_adapters import RowAdapter, adapters_of
from multi_llm_comparator.inferencers.pytorch_batch import BatchCache
from multi_llm_comparator.inferencers.pytorch_environment import fixed_threads
from multi_llm_comparator.inferencers.pytorch_llama import LlamaStep
from multi_llm_comparator.inferencers.pytorch_prefix import MIN_SHARED_TOKENS, KeptConversations, shared_prefix
from multi_llm_comparator.inferencers.pytorch_vision import ImageInputs
from multi_llm_comparator.inferencers.transformers_seam import (
    Forward,
    ImageOffsets,
    RowState,
    adds_mask,
    layer_kinds,
    new_cache,
    state_of,
)

MAX_CHUNK_TOKENS = 512

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Row:
    """A growing list of tokens: ``done`` of them the model has read; ``state`` is what its decoder keeps for it.

    What a row ``is_alone`` gets depends on its tokens only: not on other rows, on what was read before, or on how many
    threads the others leave it.
    """

    tokens: list[int]
    done: int = 0
    state: Any = None
    is_alone: bool = False
    adapter: RowAdapter | None = None
    images: ImageInputs | None = None
    # What a model that numbers the parts of images by rows and columns adds to the places of tokens behind them.
    image_offsets: Any = None

    @property
    def state_key(self) -> Hashable:
        """Rows of another key have other keys and values for the same tokens."""
        adapter = None if self.adapter is None else self.adapter.key
        return adapter if self.images is None else (adapter, self.images.key)

    @property
    def sees_next(self) -> bool:
        """Whether images are among the tokens that are yet to be read: those are read in one piece, with them."""
        return self.images is not None and self.done < self.images.end

    @property
    def unread(self) -> list[int]:
        """Tokens that the model has yet to read."""
        return self.tokens[self.done :]


class Decoder(ABC):
    """The model with its memory of all rows. A row begins, is read chunk by chunk, joins the others, and ends."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._forward = Forward(model)
        self._adapters = adapters_of(model)
        self.chunk_tokens = MAX_CHUNK_TOKENS
        if device.type == "cpu":
            self.chunk_tokens = tokens_per_step(model.num_parameters(), MAX_CHUNK_TOKENS)
        self._rows: list[Row] = []

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that have joined, in the order of :meth:`decode`'s logits."""
        return self._rows

    @abstractmethod
    def begin(self, row: Row) -> None:
        """Prepare to read; sets ``row.done`` to the number of tokens known from elsewhere."""

    @abstractmethod
    def read(self, row: Row) -> torch.Tensor | None:
        """Read a chunk of the prompt; at its end returns the logits of the next token, shape (1, vocabulary)."""

    @abstractmethod
    def decode(self) -> torch.Tensor:
        """Read the last token of every row; returns the logits of the next ones, shape (rows, vocabulary)."""

    def join(self, row: Row) -> None:
        """Take a row in; all its tokens but the last are read."""
        self._rows.append(row)

    def end(self, row: Row, *, keep: bool) -> None:
        """Forget a row, whether it is a row yet or not; with ``keep`` its conversation may be continued."""
        row.state = None
        if row in self._rows:
            self._rows.remove(row)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()

    def _see(self, row: Row) -> torch.Tensor:
        """Read a prompt with its images from its beginning, in one piece."""
        assert row.images is not None
        with self._adapters.rows([row]):
            logits, row.state = self._forward.seeing(self._ids([row.tokens]), row.state, row.images.values)
        row.done = len(row.tokens)
        return logits

    def _ids(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self._device)


class PlainDecoder(Decoder):
    """For plain attention: what is common to rows in a batch and rows alone."""

    def __init__(self, model: Any, device: torch.device) -> None:
        super().__init__(model, device)
        self._layers = len(layer_kinds(model))
        self._adds_mask = adds_mask(model)
        self._hidden = torch.finfo(model.dtype).min
        # Computes a step in place of the model's own forward pass, where it can.
        self.own_step: LlamaStep | None = None

    def read(self, row: Row) -> torch.Tensor | None:
        if row.sees_next:
            return self._see(row)
        chunk = row.unread[: self.chunk_tokens]
        positions = torch.arange(row.done, row.done + len(chunk), device=self._device)
        with self._adapters.rows([row]):
            logits, row.state = self._forward(self._ids([chunk]), row.state, positions=positions[None])
        row.done += len(chunk)
        return None if row.unread else logits

    def _step(self, batch: BatchCache, rows: Sequence[Row]) -> torch.Tensor:
        """Read the last token of the rows that ``batch`` holds."""
        batch.make_room()
        mask = batch.mask()
        ids = self._ids([row.tokens[-1:] for row in rows])
        if self.own_step is not None and not any(row.adapter for row in rows):
            logits = self.own_step(ids, batch, mask)
        else:
            logits = self._their_step(ids, batch, rows, mask)
        batch.commit()
        for row in rows:
            row.done += 1
        return logits

    def _their_step(
        self, ids: torch.Tensor, batch: BatchCache, rows: Sequence[Row], mask: torch.Tensor | None
    ) -> torch.Tensor:
        if mask is not None and self._adds_mask:
            mask = torch.zeros_like(mask, dtype=self._model.dtype).masked_fill_(~mask, self._hidden)
        with self._adapters.rows(rows):
            logits, _ = self._forward(ids, batch.cache, positions=batch.positions, mask=mask)
        return logits


class BatchDecoder(PlainDecoder):
    """One cache of many rows, one forward pass per step, shared beginnings computed once."""

    def __init__(self, model: Any, device: torch.device, parallel: int, n_ctx: int) -> None:
        super().__init__(model, device)
        self._batch = BatchCache(self._layers, device)
        self._kept = KeptConversations(max(4, parallel), 2 * n_ctx)

    def begin(self, row: Row) -> None:
        # The last token is always read anew: its logits are wanted.
        wanted = row.tokens[:-1]
        state = self._known(wanted, row.state_key)
        if state is not None and row.images is not None and state[0][0].shape[2] < row.images.end:
            # What lies between two images is not worth taking their inputs apart.
            state = None
        row.state = new_cache(state)
        row.done = 0 if state is None else state[0][0].shape[2]

    def _known(self, wanted: list[int], key: Hashable) -> RowState | None:
        """Keys and values for the longest known beginning of ``wanted``, in the batch or among the kept ones."""
        kept, count = self._kept.longest(wanted, key)
        shared = [shared_prefix(row.tokens[: row.done], wanted) if row.state_key == key else 0 for row in self._rows]
        best = max(shared, default=0)
        if max(best, count) < MIN_SHARED_TOKENS:
            return None
        if kept is not None and count >= best:
            return [(keys[:, :, :count], values[:, :, :count]) for keys, values in kept.state]
        return self._batch.copy(shared.index(best), best)

    def join(self, row: Row) -> None:
        self._batch.join(state_of(row.state))
        row.state = None
        super().join(row)

    def decode(self) -> torch.Tensor:
        return self._step(self._batch, self._rows)

    def end(self, row: Row, *, keep: bool) -> None:
        if keep and row.done:
            self._keep(row)
        if row in self._rows:
            number = self._rows.index(row)
            self._batch.leave(number)
            self._rows[number] = self._rows[-1]
            self._rows.pop()
        row.state = None

    def _keep(self, row: Row) -> None:
        """Keep what is computed of a row, as far as memory allows."""
        try:
            joined = row in self._rows
            state = self._batch.copy(self._rows.index(row), row.done) if joined else state_of(row.state)
            self._kept.keep(row.tokens[: row.done], state, row.state_key)
        except (RuntimeError, MemoryError) as exc:
            # It would only have saved time later: no answer is to fail for it, and memory is short.
            _log.warning("no conversation is kept, so that the next turn of each reads all of it anew: %s", exc)
            self._kept.clear()

    def clear(self) -> None:
        super().clear()
        self._batch.clear()
        self._kept.clear()


class LoneDecoder(PlainDecoder):
    """Rows that are computed alone: each has a cache of its own, and its prompt is always read from its beginning."""

    def __init__(self, model: Any, device: torch.device, n_threads: int) -> None:
        """``n_threads`` are used whatever the rest of the engine is allowed at the moment."""
        super().__init__(model, device)
        self._n_threads = n_threads

    def begin(self, row: Row) -> None:
        row.state, row.done = new_cache(), 0

    def read(self, row: Row) -> torch.Tensor | None:
        with fixed_threads(self._n_threads):
            return super().read(row)

    def join(self, row: Row) -> None:
        batch = BatchCache(self._layers, self._device)
        batch.join(state_of(row.state))
        row.state = batch
        super().join(row)

    def decode(self) -> torch.Tensor:
        with fixed_threads(self._n_threads):
            return torch.cat([self._step(row.state, [row]) for row in self._rows])


class SplitDecoder(Decoder):
    """Rows that are to be alone go to one decoder, all others to another."""

    def __init__(self, model: Any, device: torch.device, shared: BatchDecoder, alone: LoneDecoder) -> None:
        super().__init__(model, device)
        self.shared, self._alone = shared, alone

    @property
    def rows(self) -> Sequence[Row]:
        return [*self.shared.rows, *self._alone.rows]

    def begin(self, row: Row) -> None:
        self._of(row).begin(row)

    def read(self, row: Row) -> torch.Tensor | None:
        return self._of(row).read(row)

    def join(self, row: Row) -> None:
        self._of(row).join(row)

    def decode(self) -> torch.Tensor:
        return torch.cat([decoder.decode() for decoder in (self.shared, self._alone) if decoder.rows])

    def end(self, row: Row, *, keep: bool) -> None:
        self._of(row).end(row, keep=keep)

    def clear(self) -> None:
        self.shared.clear()
        self._alone.clear()

    def _of(self, row: Row) -> Decoder:
        return self._alone if row.is_alone else self.shared


class SingleDecoder(Decoder):
    """For any other kind of cache (sliding windows, state spaces, hybrids): each row keeps its model's own."""

    def __init__(self, model: Any, device: torch.device, n_threads: int) -> None:
        """``n_threads`` are used for rows that are alone, whatever the others are allowed at the moment."""
        super().__init__(model, device)
        self._n_threads = n_threads
        self._image_offsets = ImageOffsets(model)
        self.reads_in_chunks = self.keeps

    @property
    def keeps(self) -> bool:
        """Whether the model keeps what it has read; else the whole text is read anew for each token."""
        return self._forward.keeps

    def begin(self, row: Row) -> None:
        row.state, row.done = None, 0

    def read(self, row: Row) -> torch.Tensor | None:
        logits = self.advance(row, self.chunk_tokens if self.reads_in_chunks else len(row.tokens))
        return None if row.unread else logits

    def decode(self) -> torch.Tensor:
        return torch.cat([self.advance(row, 1) for row in self._rows])

    def advance(self, row: Row, n_tokens: int) -> torch.Tensor:
        """Read so many tokens more, or all of them again where the model keeps nothing."""
        tokens = row.unread[:n_tokens] if self.keeps else row.tokens
        n_threads = self._n_threads if row.is_alone else torch.get_num_threads()
        with fixed_threads(n_threads), self._image_offsets.of(row):
            if row.sees_next:
                return self._see(row)
            with self._adapters.rows([row]):
                logits, row.state = self._forward(self._ids([tokens]), row.state)
        row.done = row.done + len(tokens) if self.keeps else len(row.tokens)
        return logits
