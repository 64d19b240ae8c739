"""Running the model: all rows in one forward pass where its attention allows that, else one row after another."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from multi_llm_comparator.inferencers.pytorch_batch import BatchCache, RowState
from multi_llm_comparator.inferencers.pytorch_errors import is_out_of_memory
from multi_llm_comparator.inferencers.pytorch_prefix import MIN_SHARED_TOKENS, KeptConversations, shared_prefix
from multi_llm_comparator.inferencers.reading import tokens_per_step

MAX_CHUNK_TOKENS = 512
# What a model raises when it is asked to compute in a way that it was not made for.
_NOT_MADE_FOR_IT = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)
ONE_BY_ONE = "This kind of model cannot decode several requests in one batch; they are computed one after another."


@dataclass(eq=False)
class Row:
    """A growing list of tokens: ``done`` of them the model has read; ``state`` is what its decoder keeps for it."""

    tokens: list[int]
    done: int = 0
    state: Any = None

    @property
    def unread(self) -> list[int]:
        """Tokens that the model has yet to read."""
        return self.tokens[self.done :]


class Decoder(ABC):
    """The model with its memory of all rows. A row begins, is read chunk by chunk, joins the others, and ends."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self._device = device
        accepted = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self.chunk_tokens = MAX_CHUNK_TOKENS
        if device.type == "cpu":
            self.chunk_tokens = tokens_per_step(model.num_parameters(), MAX_CHUNK_TOKENS)
        self.rows: list[Row] = []

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
        self.rows.append(row)

    def end(self, row: Row, *, keep: bool) -> None:
        """Forget a row, whether it is a row yet or not; with ``keep`` its conversation may be continued."""
        row.state = None
        if row in self.rows:
            self.rows.remove(row)

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()

    def _ids(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self._device)


class BatchDecoder(Decoder):
    """For plain attention: one cache of many rows, one forward pass per step, shared beginnings computed once."""

    def __init__(self, model: Any, device: torch.device, parallel: int, n_ctx: int) -> None:
        super().__init__(model, device)
        self._batch = BatchCache(len(DynamicCache(config=model.config).layers), device)
        self._kept = KeptConversations(max(4, parallel), 2 * n_ctx)
        # sdpa takes True for "may attend"; the other implementations add what the mask holds to the scores.
        self._adds_mask = model.config._attn_implementation != "sdpa"
        self._hidden = torch.finfo(model.dtype).min

    def begin(self, row: Row) -> None:
        # The last token is always read anew: its logits are wanted.
        wanted = row.tokens[:-1]
        state = self._known(wanted)
        row.state = DynamicCache() if state is None else DynamicCache(state)
        row.done = 0 if state is None else state[0][0].shape[2]

    def _known(self, wanted: list[int]) -> RowState | None:
        """Keys and values for the longest known beginning of ``wanted``, in the batch or among the kept ones."""
        kept, count = self._kept.longest(wanted)
        shared = [shared_prefix(row.tokens[: row.done], wanted) for row in self.rows]
        best = max(shared, default=0)
        if max(best, count) < MIN_SHARED_TOKENS:
            return None
        if kept is not None and count >= best:
            return [(keys[:, :, :count], values[:, :, :count]) for keys, values in kept.state]
        return self._batch.copy(shared.index(best), best)

    def read(self, row: Row) -> torch.Tensor | None:
        chunk = row.unread[: self.chunk_tokens]
        positions = torch.arange(row.done, row.done + len(chunk), device=self._device)
        out = self._model(
            input_ids=self._ids([chunk]),
            position_ids=positions[None],
            past_key_values=row.state,
            use_cache=True,
            **self._last_only,
        )
        row.done += len(chunk)
        return None if row.unread else out.logits[:, -1]

    def join(self, row: Row) -> None:
        self._batch.join([(layer.keys, layer.values) for layer in row.state.layers])
        row.state = None
        super().join(row)

    def decode(self) -> torch.Tensor:
        self._batch.make_room()
        mask = self._batch.mask()
        if mask is not None and self._adds_mask:
            mask = torch.zeros_like(mask, dtype=self._model.dtype).masked_fill_(~mask, self._hidden)
        out = self._model(
            input_ids=self._ids([row.tokens[-1:] for row in self.rows]),
            attention_mask=mask,
            position_ids=self._batch.positions,
            past_key_values=self._batch.cache,
            use_cache=True,
        )
        self._batch.commit()
        for row in self.rows:
            row.done += 1
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def end(self, row: Row, *, keep: bool) -> None:
        if keep and row.done:
            self._keep(row)
        if row in self.rows:
            number = self.rows.index(row)
            self._batch.leave(number)
            self.rows[number] = self.rows[-1]
            self.rows.pop()
        row.state = None

    def _keep(self, row: Row) -> None:
        """Keep what is computed of a row, as far as memory allows."""
        try:
            if row in self.rows:
                state = self._batch.copy(self.rows.index(row), row.done)
            else:
                state = [(layer.keys, layer.values) for layer in row.state.layers]
            self._kept.keep(row.tokens[: row.done], state)
        except (RuntimeError, MemoryError):
            # It would only have saved time later: no answer is to fail for it, and memory is short.
            self._kept.clear()

    def clear(self) -> None:
        super().clear()
        self._batch.clear()
        self._kept.clear()


class SingleDecoder(Decoder):
    """For any other kind of cache (sliding windows, state spaces, hybrids): each row keeps its model's own."""

    def __init__(self, model: Any, device: torch.device) -> None:
        super().__init__(model, device)
        accepted = inspect.signature(model.forward).parameters
        names = (name for name in ("past_key_values", "cache_params", "state") if name in accepted)
        self._cache_name = next(names, None)
        self.reads_in_chunks = self._cache_name is not None and self._continues()

    def begin(self, row: Row) -> None:
        row.state, row.done = None, 0

    def read(self, row: Row) -> torch.Tensor | None:
        logits = self._forward(row, self.chunk_tokens if self.reads_in_chunks else len(row.tokens))
        return None if row.unread else logits

    def decode(self) -> torch.Tensor:
        return torch.cat([self._forward(row, 1) for row in self.rows])

    def _forward(self, row: Row, n_tokens: int) -> torch.Tensor:
        """Read so many tokens more, or all of them again where the model keeps nothing."""
        tokens = row.unread[:n_tokens] if self._cache_name else row.tokens
        arguments: dict[str, Any] = {}
        if self._cache_name:
            arguments = {"use_cache": True, self._cache_name: row.state}
        out = self._model(input_ids=self._ids([tokens]), **arguments, **self._last_only)
        if self._cache_name:
            row.state = getattr(out, self._cache_name)
        row.done = row.done + len(tokens) if self._cache_name else len(row.tokens)
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _continues(self) -> bool:
        """Try it: is a text read in two pieces the same to the model as in one? Not every kind of cache allows that."""
        whole, cut = (Row(_some_tokens(self._model, 9)) for _ in range(2))
        try:
            expected = self._forward(whole, 9)
            self._forward(cut, 5)
            return _agrees(self._forward(cut, 4), expected, self._model)
        except _NOT_MADE_FOR_IT as exc:
            if is_out_of_memory(exc):
                raise
            return False


@torch.inference_mode()
def open_decoder(model: Any, device: torch.device, *, parallel: int, n_ctx: int) -> Decoder:
    """The fastest decoder that gives right answers with this model."""
    if has_plain_cache(model, n_ctx):
        decoder = BatchDecoder(model, device, parallel, n_ctx)
        if _is_right(decoder, model, device):
            return decoder
    return SingleDecoder(model, device)


def has_plain_cache(model: Any, n_ctx: int) -> bool:
    """Whether all layers keep all keys and values of the whole context, as far as the configuration tells."""
    accepted = inspect.signature(model.forward).parameters
    if not {"position_ids", "past_key_values", "attention_mask"} <= set(accepted) or model.config.is_encoder_decoder:
        return False
    layers = DynamicCache(config=model.config).layers
    return all(
        type(layer) is DynamicLayer or (type(layer) is DynamicSlidingWindowLayer and layer.sliding_window >= n_ctx)
        for layer in layers
    )


def _is_right(decoder: BatchDecoder, model: Any, device: torch.device) -> bool:
    """Try it: does a short row beside a longer one get the logits that the model gives it alone?

    Not every architecture says in its configuration that it counts positions or hides columns in a way of its own.
    """
    longer, short = (Row(_some_tokens(model, n)) for n in (8, 4))
    try:
        for row in (longer, short):
            row.state = DynamicCache()
            decoder.read(row)
            row.tokens.append(row.tokens[0])
            decoder.join(row)
        beside = decoder.decode()[1]
        alone = model(input_ids=torch.tensor([short.tokens], device=device)).logits[0, -1]
    except _NOT_MADE_FOR_IT as exc:
        if is_out_of_memory(exc):
            raise
        return False
    finally:
        decoder.clear()
    return _agrees(beside, alone, model)


def _some_tokens(model: Any, n: int) -> list[int]:
    vocabulary = model.get_input_embeddings().num_embeddings
    return [(7 * i + 3) % vocabulary for i in range(1, n + 1)]


def _agrees(logits: torch.Tensor, expected: torch.Tensor, model: Any) -> bool:
    """Whether logits are the same but for rounding."""
    tolerance = 1e-3 if expected.dtype == torch.float32 and not getattr(model, "is_quantized", False) else 0.1
    return bool((logits - expected).abs().max() <= tolerance * expected.abs().max())
