"""What a tuning learns from, and how it ended."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from multi_llm_comparator.training.checkpoints import TuningState


def worse_than_chance(loss: float, vocabulary: int) -> str | None:
    """That a mean loss per token is worse than guessing among the tokens that the model knows, if it is."""
    chance = math.log(vocabulary)
    if loss <= chance:
        return None
    return f"a loss of {loss:.2f} is worse than guessing among the model's {vocabulary:,} tokens ({chance:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningStart:
    """What a tuning is about to learn from: ``answers`` (or pairs) of ``tokens``, of which ``learnt_tokens`` count in
    the loss; ``kept_aside`` are what it is measured on, ``left_out`` rows and answers are neither. The model knows
    ``vocabulary`` tokens.
    """

    answers: int
    learnt_tokens: int
    tokens: int
    kept_aside: int
    left_out: int
    vocabulary: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningResult:
    """How a tuning ended.

    ``is_done`` False means that it was stopped at ``step``: the same call resumes there.
    """

    is_done: bool
    step: int
    steps: int
    start: TuningStart
    state: TuningState

    @property
    def first_loss(self) -> float | None:
        return self.state.losses[0][1] if self.state.losses else None

    @property
    def last_loss(self) -> float | None:
        return self.state.losses[-1][1] if self.state.losses else None

    def to_dict(self) -> dict[str, Any]:
        """Figures as JSON data, without curves."""
        validation = self.state.validation
        return {
            "is_done": self.is_done,
            "step": self.step,
            "steps": self.steps,
            "first_loss": self.first_loss,
            "last_loss": self.last_loss,
            "first_validation_loss": validation[0][1] if validation else None,
            "last_validation_loss": validation[-1][1] if validation else None,
            "best_validation_loss": self.state.best_loss if self.state.best_step is not None else None,
            "best_step": self.state.best_step,
            "training_s": self.state.trained_s,
            "start": self.start.to_dict(),
        }
