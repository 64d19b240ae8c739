"""One answer of one subject to one item, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.scores import TIE_NATS

CellState = Literal["running", "done", "failed"]
# As many characters of a prompt are stored with an answer: longer ones are cut, and say so.
MAX_PROMPT_CHARS = 20_000
MAX_ANSWER_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class CellKey:
    """Names an answer within its run: the item's number, the subject's id, the repeat counted from 0."""

    item: int
    subject: str
    repeat: int = 0

    def __str__(self) -> str:
        return f"{self.item}.{self.subject}.{self.repeat}"

    @classmethod
    def parse(cls, text: str) -> CellKey:
        """Raises ValueError: it is none."""
        item, subject, repeat = text.split(".")
        return cls(int(item), subject, int(repeat))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge said of one answer, asked twice with the parts of the question in another order.

    ``value`` is between 0 and 1; None where the judge's answer could not be used, and ``error`` says why. ``flipped``:
    it was right by one order and wrong by the other.
    """

    value: float | None
    reasons: tuple[str, ...] = ()
    flipped: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """An answer. ``score`` is between 0 and 1 and None where nothing compared it; ``human`` is what a person gave.

    ``how`` says where it came from: ``asked`` (written), ``scored`` (its choices' log-probabilities, in nats, are in
    ``logprobs``; what is less apart than ``tie_nats`` ties) or ``extracted`` (written, and the choice looked for).
    ``is_alone``: nothing else decoded beside it, so that its speed is the model's own.
    """

    state: CellState
    text: str = ""
    score: float | None = None
    correct: bool | None = None
    reason: str = ""
    extracted: str = ""
    is_tie: bool = False
    how: Literal["asked", "scored", "extracted"] = "asked"
    logprobs: tuple[float, ...] = ()
    tie_nats: float = TIE_NATS
    prompt: str = ""
    is_cut: bool = False
    error: str | None = None
    error_type: str | None = None
    requested_at: float = 0.0
    ended_at: float | None = None
    tokens: int = 0
    prompt_tokens: int = 0
    tokens_per_s: float | None = None
    is_alone: bool = False
    memory_bytes: int | None = None
    load_s: float | None = None
    seed: int | None = None
    answered_by: str | None = None
    cost_usd: float | None = None
    notes: tuple[str, ...] = ()
    human: float | None = None
    judgement: Judgement | None = None

    @property
    def value(self) -> float | None:
        """What counts: how it compares with what was expected, else what the judge said, else what a person gave."""
        if self.state != "done":
            return None
        if self.score is not None:
            return self.score
        if self.judgement is not None and self.judgement.value is not None:
            return self.judgement.value
        return self.human

    @property
    def duration_s(self) -> float | None:
        return None if self.ended_at is None else self.ended_at - self.requested_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Two answers to one prompt against each other, judged in both orders with names hidden.

    ``orders`` are the two outcomes, for the first subject: 1 it won, 0 it lost, 0.5 a tie; where they differ the duel
    is a tie. ``value`` None: the judge's answer could not be used.
    """

    item: int
    first: str
    second: str
    repeat: int = 0
    orders: tuple[float, float] | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None

    @property
    def key(self) -> str:
        return f"duel.{self.item}.{self.first}{self.second}.{self.repeat}"

    @property
    def value(self) -> float | None:
        if self.orders is None:
            return None
        return self.orders[0] if self.orders[0] == self.orders[1] else 0.5

    @property
    def flipped(self) -> bool:
        """Whether the order in which the answers were shown decided."""
        return self.orders is not None and self.orders[0] != self.orders[1]
