"""One turn: a prompt, the answers in the order in which they stand, and the vote on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from multi_llm_comparator.core.clock import now

MAX_ANSWER_CHARS = 200_000
TurnState = Literal["answering", "ready", "voted", "skipped", "failed"]
# Instead of a contestant's id.
TIE, BAD = "tie", "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteAnswer:
    """What one contestant wrote, and the figures that are shown once the vote is given."""

    contestant: str
    text: str = ""
    seed: int | None = None
    tokens: int = 0
    tokens_per_s: float | None = None
    ttft_s: float | None = None
    duration_s: float | None = None
    is_cut: bool = False
    answered_by: str | None = None
    error: str | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteTurn:
    """``places`` are the contestants as their answers stand, from the left; ``answers`` are in the same order, without
    those that are still being written. ``choice`` is the id of the better one's contestant, TIE or
    BAD, empty until then. ``is_automatic``: nobody was asked, for the answers are the same word for word."""

    number: int
    prompt: int
    places: tuple[str, ...]
    answers: tuple[VoteAnswer, ...] = ()
    state: TurnState = "answering"
    choice: str = ""
    is_automatic: bool = False
    ready_at: float = 0.0
    voted_at: float | None = None

    @property
    def best(self) -> VoteAnswer | None:
        """The answer that was chosen; None for a tie, for bad ones, and before the vote."""
        return next((answer for answer in self.answers if answer.contestant == self.choice), None)

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The contestants that have not answered yet."""
        there = {answer.contestant for answer in self.answers}
        return tuple(one for one in self.places if one not in there)

    def with_answer(self, answer: VoteAnswer) -> VoteTurn:
        """The turn with one more answer; with the last one it is ready, or failed where one is no answer."""
        found = {one.contestant: one for one in (*self.answers, answer)}
        answers = tuple(found[one] for one in self.places if one in found)
        if len(answers) < len(self.places):
            return replace(self, answers=answers)
        failed = any(one.error is not None for one in answers)
        return replace(self, answers=answers, state="failed" if failed else "ready", ready_at=now())

    @property
    def are_same(self) -> bool:
        return len({answer.text.strip() for answer in self.answers}) == 1
