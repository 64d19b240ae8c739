"""The key-value cache of a batch whose rows come and go.

All rows end at the same column, so that one step writes one column for all of them; shorter rows have empty columns at
their beginning, which the attention mask hides and the row's own positions do not count. Buffers are larger than what
is in them: a step copies nothing but its own column.

    column      begin                      end      capacity
    row 0         . . . a b c d e f g h i j |          |
    row 1         k l m n o p q r s t u v w |          |
    row 2         . . . . . . . . . x y z . |          |     (. is empty)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from multi_llm_comparator.inferencers.transformers_seam import Cache, CacheLayerMixin, RowState

SPARE_COLUMNS = 256


class UsedPart:
    """Which part of the buffers is in use; one for all layers."""

    def __init__(self) -> None:
        self.rows = self.begin = self.end = self.capacity = 0


class BatchLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer, in buffers of shape (slots, heads, capacity, width)."""

    is_sliding = False
    keys: torch.Tensor | None
    values: torch.Tensor | None

    def __init__(self, span: UsedPart) -> None:
        super().__init__()
        self._span = span

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: the batch makes the buffers when the first row joins."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        span = self._span
        assert self.keys is not None and self.values is not None
        end = span.end + key_states.shape[2]
        self.keys[: span.rows, :, span.end : end] = key_states
        self.values[: span.rows, :, span.end : end] = value_states
        return self.keys[: span.rows, :, span.begin : end], self.values[: span.rows, :, span.begin : end]

    def get_seq_length(self) -> int:
        return self._span.end - self._span.begin

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1

    def resized(
        self, slots: int, capacity: int, offset: int, like: tuple[torch.Tensor, torch.Tensor]
    ) -> list[torch.Tensor]:
        """What is here in new buffers of another size, where column ``begin`` is column ``offset``.

        New memory is zeroed: a hidden column counts nothing only as long as it holds numbers.
        """
        span = self._span
        old, new = (self.keys, self.values), []
        for buffer, sample in zip(old, like, strict=True):
            grown = sample.new_zeros((slots, sample.shape[1], capacity, sample.shape[3]))
            if buffer is not None and span.rows:
                grown[: span.rows, :, offset : offset + span.end - span.begin] = buffer[
                    : span.rows, :, span.begin : span.end
                ]
            new.append(grown)
        return new

    def move_into(self, buffers: list[torch.Tensor]) -> None:
        """Use these buffers from now on."""
        self.keys, self.values = buffers
        self.is_initialized = True

    def write_row(self, slot: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put one row, which ends at column ``end``, into an empty slot."""
        start = self._span.end - keys.shape[2]
        assert self.keys is not None and self.values is not None
        self.keys[slot, :, start : self._span.end] = keys[0]
        self.values[slot, :, start : self._span.end] = values[0]

    def move_row(self, source: int, target: int) -> None:
        """Overwrite slot ``target`` with slot ``source`` and leave that one empty."""
        for buffer in (self.keys, self.values):
            assert buffer is not None
            if source != target:
                buffer[target] = buffer[source]
            buffer[source].zero_()

    def copy_row(self, slot: int, length: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The first ``count`` tokens of a row of ``length`` tokens, as tensors of their own."""
        start = self._span.end - length
        assert self.keys is not None and self.values is not None
        return (
            self.keys[slot : slot + 1, :, start : start + count].clone(),
            self.values[slot : slot + 1, :, start : start + count].clone(),
        )


class BatchCache:
    """The cache of all rows. Rows are numbered 0 to ``rows - 1`` without gaps."""

    def __init__(self, n_layers: int, device: torch.device) -> None:
        self._span = UsedPart()
        self._device = device
        self._layers = [BatchLayer(self._span) for _ in range(n_layers)]
        self.cache = Cache(layers=self._layers)
        self._lengths: list[int] = []
        self._visible = torch.zeros((0, 0), dtype=torch.bool, device=device)
        self.positions = torch.zeros((0, 1), dtype=torch.long, device=device)

    @property
    def rows(self) -> int:
        return self._span.rows

    def join(self, state: RowState) -> int:
        """Add a row and return its number."""
        span, length = self._span, state[0][0].shape[2]
        slots = 0 if not self.rows else self._visible.shape[0]
        room = span.end - length if self.rows else -1
        if room < 0 or self.rows == slots:
            # Rows end together, so a longer row moves the others to the right.
            used = max(length, span.end - span.begin)
            self._resize(self.rows + 1, used + SPARE_COLUMNS, used, state)
        for layer, (keys, values) in zip(self._layers, state, strict=True):
            layer.write_row(span.rows, keys, values)
        self._lengths.append(length)
        span.rows += 1
        self._arrange()
        return span.rows - 1

    def leave(self, row: int) -> None:
        """Remove a row; the last row takes its number."""
        last = self.rows - 1
        for layer in self._layers:
            layer.move_row(last, row)
        self._lengths[row] = self._lengths[last]
        self._lengths.pop()
        self._span.rows -= 1
        if self.rows:
            self._arrange()
        else:
            self.clear()

    def copy(self, row: int, count: int) -> RowState:
        """The first ``count`` tokens of a row."""
        return [layer.copy_row(row, self._lengths[row], count) for layer in self._layers]

    def clear(self) -> None:
        """Remove all rows and free their memory."""
        span = self._span
        span.rows = span.begin = span.end = span.capacity = 0
        self._lengths.clear()
        for layer in self._layers:
            layer.keys = layer.values = None
            layer.is_initialized = False

    def make_room(self) -> None:
        """See that the next step has a column to write."""
        span = self._span
        if span.end < span.capacity:
            return
        used = span.end - span.begin
        like = [(layer.keys, layer.values) for layer in self._layers]
        self._resize(self.rows, used + max(SPARE_COLUMNS, used // 2), used, like)
        self._arrange()

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the step's column of (rows, heads, 1, width) into a layer; what its rows attend to, with it."""
        return self._layers[layer].update(keys, values)

    def mask(self) -> torch.Tensor | None:
        """What each row's next token may attend to, itself included: (rows, 1, 1, columns); None: everything."""
        span = self._span
        if min(self._lengths) == span.end - span.begin:
            return None
        return self._visible[: span.rows, None, None, span.begin : span.end + 1]

    def commit(self) -> None:
        """The step has written its column for every row."""
        self._span.end += 1
        self._lengths = [length + 1 for length in self._lengths]
        self.positions += 1

    def _resize(self, slots: int, capacity: int, end: int, like: RowState | Sequence[Any]) -> None:
        span = self._span
        offset = end - (span.end - span.begin)
        # Nothing changes before all memory is there: where it runs out, the rows go on as they were.
        resized = [
            layer.resized(slots, capacity, offset, sample) for layer, sample in zip(self._layers, like, strict=True)
        ]
        visible = torch.zeros((slots, capacity), dtype=torch.bool, device=self._device)
        for layer, buffers in zip(self._layers, resized, strict=True):
            layer.move_into(buffers)
        span.begin, span.end, span.capacity = offset, end, capacity
        self._visible = visible

    def _arrange(self) -> None:
        """Follow a change of rows: what is visible, where each row stands, which columns nobody needs any more."""
        span = self._span
        span.begin = span.end - max(self._lengths)
        for row, length in enumerate(self._lengths):
            self._visible[row, : span.end - length] = False
            self._visible[row, span.end - length :] = True
        self.positions = torch.tensor([[length] for length in self._lengths], device=self._device)
