"""What one may choose of a tuning, and what comes out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.training.left_out import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions:
    """How a model is tuned by LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

    Args:
        epochs: how often each answer is seen.
        learning_rate: at its highest; it rises over the first steps and falls to nothing at the end.
        rank: of the two matrices beside each linear layer; their scale ``alpha`` is twice that.
        batch_size: answers in a step.
        max_tokens: a longer chat is left out, for it would be cut. Never more than the model's context.
        seed: of the adapters' first values and the order of answers.

    Raises:
        InvalidParameterError: a value is out of its range.
    """

    epochs: float = 3.0
    learning_rate: float = 2e-4
    rank: int = 8
    batch_size: int = 8
    max_tokens: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 0.01, 1000),
            ("learning_rate", 1e-9, 1),
            ("rank", 1, 1024),
            ("batch_size", 1, 4096),
            ("max_tokens", 8, 2**20),
            ("seed", 0, 2**32 - 1),
        ):
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise InvalidParameterError(f"{name} must be {low} to {high}, not {value}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningStart:
    """What a tuning is about to learn from: ``answers`` with ``learnt_tokens`` that count in the loss.

    ``left_out`` are the records and answers that cannot be learnt. ``chance_loss`` is the mean loss per token of who
    guesses among all tokens that the model has, the natural logarithm of their number.
    """

    answers: int
    learnt_tokens: int
    left_out: tuple[Reason, ...]
    vocabulary: int

    @property
    def chance_loss(self) -> float:
        return math.log(self.vocabulary)

    @property
    def left_out_count(self) -> int:
        return sum(reason.count for reason in self.left_out)


@dataclass(frozen=True, slots=True)
class TuningProgress:
    """How far a tuning is. ``loss`` is the mean per learnt token since it was last told, None before that."""

    step: int
    steps: int
    loss: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningResult:
    """How a tuning ended.

    ``is_done`` False means that it was stopped at ``step``: the same call goes on from there. ``start`` says what it
    learnt from.
    """

    is_done: bool
    step: int
    steps: int
    start: TuningStart
    first_loss: float | None
    last_loss: float | None

    @property
    def is_worse_than_chance(self) -> bool:
        """Whether guessing among the tokens would have done better than the tuned model does."""
        return self.last_loss is not None and self.last_loss > self.start.chance_loss
