"""A session of votes as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from multi_llm_comparator.comparison.snapshots import ModelFacts
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.runs.snapshot import RunSnapshot
from multi_llm_comparator.voting.spec import VotingSpec
from multi_llm_comparator.voting.turns import VoteTurn

# What a session at work does: it writes answers for the next turns, or has written enough of them.
Phase = Literal["", "answering", "voting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingSnapshot(RunSnapshot):
    """``facts`` say exactly which model each contestant was, by its id; ``versions`` are those of libraries; ``images``
    are those of the prompts, by digest. ``answering_since`` is when this process began to have the answers of
    :attr:`answering` written, None where it does not."""

    spec: VotingSpec
    turns: tuple[VoteTurn, ...]
    facts: Mapping[str, ModelFacts]
    versions: Mapping[str, str]
    images: Mapping[str, StoredImage] = field(default_factory=dict)
    answering_since: float | None = None

    @property
    def answering(self) -> VoteTurn | None:
        """The turn whose answers are being written."""
        return next((turn for turn in self.turns if turn.state == "answering"), None)

    @property
    def open_turn(self) -> VoteTurn | None:
        """The turn that waits for a vote."""
        return next((turn for turn in self.turns if turn.state == "ready"), None)

    @property
    def voted(self) -> tuple[VoteTurn, ...]:
        return tuple(turn for turn in self.turns if turn.state == "voted")

    @property
    def by_hand(self) -> int:
        """How many votes a person gave."""
        return sum(not turn.is_automatic for turn in self.voted)

    def images_of(self, turn: VoteTurn) -> tuple[StoredImage, ...]:
        """What stands before the prompt of a turn."""
        return tuple(self.images[digest] for digest in self.spec.prompts[turn.prompt].images)

    def fingerprint(self, contestant: str) -> str | None:
        facts = self.facts.get(contestant)
        return facts.fingerprint if facts is not None else None
