"""A session of votes as plain data: what the store keeps, what is exported, and what a run is resumed from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from multi_llm_comparator.comparison.snapshots import ModelFacts
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.stored import LifeDocument
from multi_llm_comparator.tracking.records import ItemRecord
from multi_llm_comparator.voting.snapshot import Phase
from multi_llm_comparator.voting.spec import MAX_CONTESTANTS, VotingSpec
from multi_llm_comparator.voting.turns import VoteTurn

KIND = "vote"
_TURN = TypeAdapter(VoteTurn)


class VotingDocument(LifeDocument):
    """Everything of a session but its turns, which are stored one by one."""

    of_kind = KIND
    spec: VotingSpec
    phase: Phase = ""
    facts: dict[str, ModelFacts] = Field(default={}, max_length=MAX_CONTESTANTS)
    versions: dict[str, str] = Field(default={}, max_length=50)


def turn_key(number: int) -> str:
    return str(number)


def turn_document(turn: VoteTurn) -> dict[str, Any]:
    document: dict[str, Any] = _TURN.dump_python(turn, mode="json")
    return document


def turn_item(run_id: str, turn: VoteTurn) -> ItemRecord:
    """What the store keeps of a turn; its text, which searches find, is that of its answers."""
    return ItemRecord(
        run_id=run_id,
        key=turn_key(turn.number),
        position=turn.number,
        status=turn.state,
        text="\n\n".join(answer.text for answer in turn.answers),
        record=turn_document(turn),
    )


def read_turn(document: Any, spec: VotingSpec, what: str) -> VoteTurn:
    """A stored turn.

    Raises:
        DocumentError: it is none of this session; ``what`` names it.
    """
    try:
        turn: VoteTurn = _TURN.validate_python(document)
    except ValidationError as exc:
        raise DocumentError(f"{what} cannot be read") from exc
    known = {one.id for one in spec.contestants}
    if not 0 <= turn.prompt < len(spec.prompts) or not set(turn.places) <= known or turn.number < 0:
        raise DocumentError(f"{what} is of another session")
    if not {answer.contestant for answer in turn.answers} <= set(turn.places):
        raise DocumentError(f"{what} has answers of nobody")
    return turn
