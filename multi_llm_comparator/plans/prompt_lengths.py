"""How long a step's prompt will be, and how much of it its model will have to read: what it has in memory already takes
no time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from multi_llm_comparator.plans.answer_lengths import SeenAnswer
from multi_llm_comparator.plans.least_squares import seconds_fitted
from multi_llm_comparator.plans.plan import Step

# Fewer prompts than this do not tell what of their length comes from where.
MIN_FITTED = 12


@dataclass(frozen=True, slots=True)
class PromptLengths:
    """Tokens: some for every step, some for each character of its task, some for each token that it quotes.

    ``of`` says which: those of the whole prompt, or those of it that must be read.
    """

    of: Literal["prompt_tokens", "read_tokens"] = "read_tokens"
    fixed: float = 0.0
    per_character: float = 0.0
    per_quoted_token: float = 0.0

    @classmethod
    def fitted(cls, of: Literal["prompt_tokens", "read_tokens"], seen: Sequence[SeenAnswer]) -> PromptLengths:
        """From prompts that were read, at least one."""
        lengths = np.array([max(1.0, getattr(s, of)) for s in seen])
        if len(seen) < MIN_FITTED:
            return cls(of, float(lengths.mean()))
        facts = np.array([[1.0, len(s.task), s.quoted_tokens] for s in seen])
        return cls(of, *seconds_fitted(facts, lengths, np.ones(len(seen))).tolist())

    def expected(self, seen: Sequence[SeenAnswer], step: Step, whole: str, quoted_tokens: float) -> float:
        """Tokens of a step's prompt: as for the same task, else by its length.

        Args:
            seen: earlier answers of the model.
            step: what is to be solved.
            whole: its task as :func:`plans.answer_lengths.whole_tasks` gives it.
            quoted_tokens: length of the answers that it needs.
        """
        if same := [getattr(s, self.of) for s in seen if s.whole == whole]:
            return float(median(same))
        return self.fixed + self.per_character * len(step.task) + self.per_quoted_token * quoted_tokens
