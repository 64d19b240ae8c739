"""Rows of the batch cache come, go and grow, and each keeps exactly its own keys and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.inferencers.pytorch_batch import SPARE_COLUMNS, BatchCache
from multi_llm_comparator.inferencers.pytorch_prefix import KeptConversations, shared_prefix

CPU = torch.device("cpu")
LAYERS = 2


def state_of(values: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A row whose keys are its numbers and whose values are their negatives, two heads of different width."""
    row = torch.tensor(values, dtype=torch.float32)
    return [
        (row.expand(1, 2, 3, -1).transpose(2, 3) + i, -row.expand(1, 2, 5, -1).transpose(2, 3)) for i in range(LAYERS)
    ]


class Checked:
    """The cache beside plain lists of what should be in it."""

    def __init__(self) -> None:
        self.batch = BatchCache(LAYERS, CPU)
        self.rows: list[list[int]] = []
        self.next = 1

    def join(self, length: int) -> None:
        row = list(range(self.next, self.next + length))
        self.next += length
        assert self.batch.join(state_of(row)) == len(self.rows)
        self.rows.append(row)

    def leave(self, number: int) -> None:
        self.batch.leave(number)
        self.rows[number] = self.rows[-1]
        self.rows.pop()

    def step(self) -> None:
        self.batch.make_room()
        mask = self.batch.mask()
        assert self.batch.positions[:, 0].tolist() == [len(row) for row in self.rows]
        for row in self.rows:
            row.append(self.next)
            self.next += 1
        new = torch.tensor([row[-1:] for row in self.rows], dtype=torch.float32)[:, None, :, None]
        for i in range(LAYERS):
            keys, values = self.batch.cache.update(new.expand(-1, 2, 1, 3) + i, -new.expand(-1, 2, 1, 5), i)
            for number, row in enumerate(self.rows):
                seen = slice(None) if mask is None else mask[number, 0, 0]
                assert keys[number, 0, seen, 0].tolist() == [value + i for value in row]
                assert values[number, 1, seen, 4].tolist() == [-value for value in row]
            assert keys.isfinite().all()
        self.batch.commit()


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(1, 40)),
        st.tuples(st.just("leave"), st.integers(0, 3)),
        st.tuples(st.just("step"), st.integers(1, 6)),
    ),
    max_size=25,
)


@given(ACTIONS)
@settings(max_examples=100, deadline=None)
def test_every_row_sees_its_own_tokens_in_order_whatever_the_others_do(actions: list[tuple[str, int]]) -> None:
    checked = Checked()
    for action, number in actions:
        if action == "join" and len(checked.rows) < 4:
            checked.join(number)
        elif action == "leave" and number < len(checked.rows):
            checked.leave(number)
        elif action == "step" and checked.rows:
            for _ in range(number):
                checked.step()


def test_a_batch_outgrows_its_buffers() -> None:
    checked = Checked()
    checked.join(3)
    checked.join(1)
    for _ in range(SPARE_COLUMNS + 10):
        checked.step()
    assert len(checked.rows[1]) == SPARE_COLUMNS + 11


def test_a_row_can_be_copied_out_and_joined_again() -> None:
    checked = Checked()
    checked.join(9)
    checked.join(4)
    checked.step()
    copied = checked.batch.copy(1, 5)
    assert torch.equal(copied[0][0], state_of(checked.rows[1])[0][0])
    checked.batch.join(copied)
    checked.rows.append(list(checked.rows[1]))
    checked.step()


def test_numbers_that_are_none_leave_with_their_row() -> None:
    checked = Checked()
    checked.join(3)
    broken = [(keys * float("nan"), values * float("nan")) for keys, values in state_of([1] * 30)]
    checked.batch.join(broken)
    checked.batch.leave(1)
    checked.join(2)
    checked.step()


def test_an_empty_batch_holds_no_memory() -> None:
    checked = Checked()
    checked.join(5)
    checked.leave(0)
    assert all(layer.keys is None for layer in checked.batch.cache.layers)


def test_the_longest_known_beginning_is_found() -> None:
    kept = KeptConversations(3, 100)
    kept.keep([1, 2, 3], state_of([1, 2, 3]))
    kept.keep([1, 2, 9, 9], state_of([1, 2, 9, 9]))
    found, count = kept.longest([1, 2, 3, 4])
    assert found is not None
    assert (found.tokens, count) == ([1, 2, 3], 3)
    assert kept.longest([7])[1] == 0


def test_a_conversation_that_went_on_replaces_its_beginning_and_the_oldest_go_first() -> None:
    kept = KeptConversations(2, 10)
    kept.keep([1, 2], state_of([1, 2]))
    kept.keep([1, 2, 3], state_of([1, 2, 3]))
    assert kept.tokens == 3
    kept.keep([4] * 6, state_of([4] * 6))
    assert kept.tokens == 9
    kept.keep([5] * 4, state_of([5] * 4))
    assert kept.longest([1, 2, 3])[1] == 0
    kept.keep([6] * 11, state_of([6] * 11))
    assert kept.tokens == 0


def test_shared_beginnings_end_with_the_shorter_list() -> None:
    assert shared_prefix([1, 2], [1, 2, 3]) == 2
    assert shared_prefix([1, 5], [1, 2, 3]) == 1
    assert shared_prefix([], [1]) == 0


@pytest.mark.parametrize("allocations", range(2 * LAYERS + 1))
def test_a_row_that_finds_no_memory_leaves_the_others_as_they_were(
    monkeypatch: pytest.MonkeyPatch, allocations: int
) -> None:
    checked = Checked()
    checked.join(9)
    checked.join(4)
    checked.step()
    real: dict[str, Callable[..., Any]] = {"new_zeros": torch.Tensor.new_zeros, "zeros": torch.zeros}
    made: list[str] = []

    def scarce(name: str) -> Callable[..., Any]:
        def allocate(*args: Any, **options: Any) -> Any:
            if len(made) == allocations:
                raise torch.OutOfMemoryError("CUDA out of memory")
            made.append(name)
            return real[name](*args, **options)

        return allocate

    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "new_zeros", scarce("new_zeros"))
        patched.setattr(torch, "zeros", scarce("zeros"))
        with pytest.raises(torch.OutOfMemoryError):
            checked.batch.join(state_of([1] * 30))
    for _ in range(3):
        checked.step()
    checked.join(30)
    checked.step()
