"""How well a model does on examples that it does not learn: the loss, and answers to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from multi_llm_comparator.jobs.events import SampleKind
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training.objectives import Examples, Objective, length_of
from multi_llm_comparator.training.packs import packs_of
from multi_llm_comparator.training.row_losses import RowLosses
from multi_llm_comparator.training.sample_answers import AnswerWriter, Question

EXTREMES = 2
USUAL_FIXED = 3


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is answered at each evaluation: ``fixed`` questions, and the best and worst of the examples."""

    writer: AnswerWriter
    fixed: tuple[Question, ...]


class Validation:
    """Measures ``model`` on ``examples``; there may be none, and then only questions are answered.

    Args:
        micro_tokens: computed in one pass, see :func:`packs.packs_of`.
    """

    def __init__(
        self,
        model: Any,
        row_losses: RowLosses,
        objective: Objective,
        examples: Examples,
        micro_tokens: int,
        sampling: Sampling,
    ) -> None:
        self._model, self._row_losses, self._objective = model, row_losses, objective
        self._examples, self._asked, self._sampling = examples.rows, examples.asked, sampling
        self._packs = packs_of([length_of(example) for example in examples.rows], micro_tokens)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to evaluate."""
        return not self._examples and not self._sampling.fixed

    @torch.no_grad()
    def measure(self) -> tuple[float | None, list[float]]:
        """The mean loss and the loss of each example per unit of its weight; None where there are no examples."""
        if not self._examples:
            return None, []
        was_training = self._model.training
        self._model.eval()
        losses = [math.nan] * len(self._examples)
        try:
            for pack in self._packs:
                found = self._objective.losses([self._examples[number] for number in pack]).tolist()
                for number, loss in zip(pack, found, strict=True):
                    losses[number] = loss
        finally:
            self._model.train(was_training)
        weights = [self._objective.weight(example) for example in self._examples]
        each = [loss / weight for loss, weight in zip(losses, weights, strict=True)]
        return sum(losses) / sum(weights), each

    def tell_answers(self, report: Report, step: int, losses: Sequence[float]) -> None:
        """Answer the fixed questions, and those of the examples with the lowest and the highest loss."""
        order = sorted(range(len(losses)), key=lambda number: losses[number])
        extremes = min(EXTREMES, len(order) // 2)
        chosen: list[tuple[SampleKind, Question, float | None]] = [
            ("fixed", asked, None) for asked in self._sampling.fixed
        ]
        extreme: tuple[tuple[SampleKind, list[int]], ...] = (
            ("best", order[:extremes]),
            ("worst", order[::-1][:extremes]),
        )
        for kind, numbers in extreme:
            for number in numbers:
                # The first row of a pair is its better answer.
                asked = self._sampling.writer.of_row(self._examples[number][0], self._asked[number])
                if asked is not None:
                    chosen.append((kind, asked, losses[number]))
        if not chosen:
            return
        self._row_losses.end()
        try:
            answers = self._sampling.writer.answers([asked for _, asked, _ in chosen])
        finally:
            self._row_losses.begin()
        for (kind, asked, loss), answer in zip(chosen, answers, strict=True):
            report.sample(step, kind, asked.prompt, answer, reference=asked.reference, score=loss)
