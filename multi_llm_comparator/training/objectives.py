"""What a tuning makes small: the loss of the answers, or of preferring the worse of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from multi_llm_comparator.training.chat_rows import Row
from multi_llm_comparator.training.row_losses import RowLosses

# What is learnt as one: a row, or the rows of the better and of the worse answer to one prompt.
Example = tuple[Row, ...]


class Examples:
    """What is learnt, or measured on: ``rows`` of each, and ``asked``, the last thing said before its answer."""

    def __init__(self) -> None:
        self.rows: list[Example] = []
        self.asked: list[str] = []

    def add(self, rows: Example, asked: str) -> None:
        self.rows.append(rows)
        self.asked.append(asked)

    def __len__(self) -> int:
        return len(self.rows)


def length_of(example: Example) -> int:
    """Tokens that are computed for it."""
    return sum(len(row.input_ids) for row in example)


class Objective(Protocol):
    """Losses of examples, and what a loss is the mean over."""

    def losses(self, examples: Sequence[Example]) -> torch.Tensor:
        """The loss of each example, float32 of the shape (examples,), with gradients if torch takes them."""
        ...

    def weight(self, example: Example) -> int:
        """How much of the mean the example is: the mean is the sum of losses over the sum of weights."""
        ...


class AnswerObjective:
    """The negative log likelihood of the answers, in nats per learnt token."""

    def __init__(self, row_losses: RowLosses) -> None:
        self._row_losses = row_losses

    def losses(self, examples: Sequence[Example]) -> torch.Tensor:
        return self._row_losses([row for (row,) in examples])

    def weight(self, example: Example) -> int:
        return example[0].learnt_tokens


class PreferenceObjective:
    """Direct preference optimisation (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290), a mean over pairs.

    The model to keep to is the same one without its adapter, so no second model is held; what it says of a pair is
    computed once.
    """

    def __init__(self, model: Any, row_losses: RowLosses, beta: float) -> None:
        self._model, self._row_losses, self._beta = model, row_losses, beta
        self._kept: dict[tuple[int, int], float] = {}

    def losses(self, examples: Sequence[Example]) -> torch.Tensor:
        rows = [row for pair in examples for row in pair]
        found = self._row_losses(rows)
        margins = found[1::2] - found[0::2]
        return -torch.nn.functional.logsigmoid(self._beta * (margins - self._before(examples, rows, margins)))

    def weight(self, example: Example) -> int:
        return 1

    def _before(self, examples: Sequence[Example], rows: Sequence[Row], like: torch.Tensor) -> torch.Tensor:
        """How much more likely the better answer of each pair was before tuning, in nats."""
        # Rows live as long as the tuning does, so that each is known by where it lies.
        keys = [(id(better), id(worse)) for better, worse in examples]
        if any(key not in self._kept for key in keys):
            with torch.no_grad(), self._model.disable_adapter():
                found = self._row_losses(rows)
            self._kept.update(zip(keys, (found[1::2] - found[0::2]).tolist(), strict=True))
        return torch.tensor([self._kept[key] for key in keys], device=like.device, dtype=like.dtype)
