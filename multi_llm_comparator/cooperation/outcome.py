"""What a cooperation came to, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from multi_llm_comparator.cooperation.calls import CooperationNote, LeftOut
from multi_llm_comparator.cooperation.votes import Tally


@dataclass(frozen=True, slots=True)
class Ranked:
    """What reviewers thought of one answer without knowing whose it is: its mean ``place``, from 1 on."""

    target: str
    place: float
    reviews: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer, and how it was made.

    Attributes:
        answer: the text.
        made_by: the integration strategy, or ``vote``, or ``member`` where one member's answer stands.
        of: whose answer it is, or who wrote it.
        notes: what a reader should know of how it came to be.
        left_out: members that were not asked, or whose answers do not count.
        ranking: of a council, the best first.
    """

    answer: str
    made_by: str
    of: str = ""
    notes: tuple[CooperationNote, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    ranking: tuple[Ranked, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """The count of one round of votes; ``shown`` are the choices as they were written."""

    tally: Tally
    round: int = 1
    shown: tuple[tuple[str, str], ...] = field(default=())

    def words(self, choice: str) -> str:
        """A choice as a member wrote it."""
        return dict(self.shown).get(choice, choice)
