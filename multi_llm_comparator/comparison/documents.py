"""A comparison as plain data: what the store keeps and what an exported run holds. One schema for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator

from multi_llm_comparator.comparison import limits
from multi_llm_comparator.comparison.answer import Answer, Curve
from multi_llm_comparator.comparison.conversation import Conversation, Turn
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.parameters import NAMES, Config
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, ImportedFrom, ModelFacts
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.plain_errors import said_of
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.stored_images import MAX_KEPT_BYTES, MAX_THUMBNAIL_CHARS, StoredImage
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.token_pieces import TokenPiece, piece_from_list, piece_to_list
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

KIND = "comparison"
SCHEMA_VERSION = 1
# The keys of images in the store begin with it; those of answers with the number of a turn.
IMAGES = "image/"

# Seconds since the epoch, up to the year 9999: what a date can be made of.
LAST_MOMENT = 253_402_300_799
Moment = Annotated[float, Field(ge=0, le=LAST_MOMENT)]
Name = Annotated[str, Field(max_length=limits.MAX_TARGET_CHARS)]
PaneId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Ordinal = Annotated[int, Field(ge=0, le=2**53)]


T = TypeVar("T", bound=BaseModel)


class PaneDocument(ClosedModel):
    id: PaneId
    target: Name
    config: Config
    by_hand: frozenset[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=len(NAMES))
    constraint: Constraint | None = None


class TurnDocument(ClosedModel):
    prompt: str = Field(max_length=limits.MAX_PROMPT_CHARS)
    created_at: Moment
    selected: dict[PaneId, int]
    picked: PaneId | None = None
    images: tuple[Digest, ...] = Field(default=(), max_length=limits.MAX_IMAGES)


class ImageDocument(ClosedModel):
    """An image beside prompts, as :class:`StoredImage` has it."""

    digest: Digest
    name: str = Field(max_length=300)
    url: str = Field(max_length=2 * MAX_KEPT_BYTES)
    thumbnail: str = Field(max_length=MAX_THUMBNAIL_CHARS)
    width: Ordinal
    height: Ordinal

    def image(self) -> StoredImage:
        return StoredImage(**self.model_dump()).check()


class RunDocument(ClosedModel):
    """Everything of a run but its answers."""

    panes: tuple[PaneDocument, ...] = Field(min_length=1, max_length=limits.MAX_PANES)
    shared_thread: bool = False
    in_turn: bool = False
    turns: tuple[TurnDocument, ...] = Field(default=(), max_length=limits.MAX_TURNS)
    imported_from: ImportedFrom | None = None


class LegDocument(ClosedModel):
    """One request's figures; its text is the next ``text_chars`` characters of the answer's."""

    text_chars: Ordinal
    progress: AnswerProgress

    @field_validator("progress")
    @classmethod
    def _figures_that_can_be(cls, progress: AnswerProgress) -> AnswerProgress:
        for name, value in vars(progress).items():
            most = LAST_MOMENT if name.endswith("_at") else 2**53
            if isinstance(value, int | float) and not 0 <= value <= most:
                raise ValueError(f"{name} cannot be {value!r}")
        return progress


def _piece(data: Any) -> TokenPiece:
    if isinstance(data, TokenPiece):
        return data
    try:
        return piece_from_list(data)
    except ConfigurationError as exc:
        raise ValueError(str(exc)) from exc


# As piece_to_list writes it.
Piece = Annotated[TokenPiece, BeforeValidator(_piece)]


class AnswerDocument(ClosedModel):
    """One attempt of one pane at one turn; its text is kept beside it. Exports name its ``id`` elsewhere."""

    id: Annotated[str, Field(max_length=64)] | None = None
    target: Name
    config: Config
    model: ModelFacts
    versions: dict[str, str] = Field(max_length=50)
    created_at: Moment
    legs: tuple[LegDocument, ...] = Field(min_length=1, max_length=limits.MAX_LEGS)
    curve: tuple[tuple[Moment, Ordinal], ...] = Field(default=(), max_length=limits.MAX_CURVE_POINTS + 1)
    pieces: tuple[tuple[Piece, ...], ...] = Field(default=(), max_length=limits.MAX_LEGS)
    constraint: Constraint | None = None


# --- out --------------------------------------------------------------------------------------------------------


def run_document(snapshot: ComparisonSnapshot) -> dict[str, Any]:
    """The run without its answers, as :class:`RunDocument` reads it."""
    return {
        "panes": [pane_document(pane) for pane in snapshot.panes],
        "shared_thread": snapshot.shared_thread,
        **({"in_turn": True} if snapshot.in_turn else {}),
        "turns": [
            {
                "prompt": turn.prompt,
                "created_at": turn.created_at,
                "selected": {pane_id: answer.attempt for pane_id, answer in turn.answers.items()},
                "picked": turn.picked,
                **({"images": list(turn.images)} if turn.images else {}),
            }
            for turn in snapshot.turns
        ],
        "imported_from": asdict(snapshot.imported_from) if snapshot.imported_from else None,
    }


def pane_document(pane: Pane) -> dict[str, Any]:
    """A pane, as :class:`PaneDocument` reads it."""
    by_hand = None if pane.by_hand is None else sorted(pane.by_hand)
    document = {"id": pane.id, "target": pane.target, "config": pane.config.to_dict(), "by_hand": by_hand}
    return {**document, **_constraint_document(pane.constraint)}


def _constraint_document(constraint: Constraint | None) -> dict[str, Any]:
    """Left out where there is none: most answers are free."""
    return {} if constraint is None else {"constraint": asdict(constraint)}


def answer_document(answer: AnswerSnapshot) -> dict[str, Any]:
    """One answer without its text, as :class:`AnswerDocument` reads it."""
    return {
        "target": answer.target,
        "config": answer.config.to_dict(),
        "model": asdict(answer.model),
        "versions": dict(answer.versions),
        "created_at": answer.created_at,
        "legs": [{"text_chars": len(leg.text), "progress": _without_text(leg)} for leg in answer.legs],
        "curve": [list(point) for point in answer.curve],
        # Once, at the end: while an answer grows it is written often.
        **({"pieces": _pieces(answer)} if answer.pieces and answer.progress.is_over else {}),
        **_constraint_document(answer.constraint),
    }


def _pieces(answer: AnswerSnapshot) -> list[list[list[Any]]]:
    return [[piece_to_list(piece) for piece in pieces] for pieces in answer.pieces]


def _without_text(leg: AnswerProgress) -> dict[str, Any]:
    data = asdict(leg)
    del data["text"]
    if not leg.thought:
        for name in ("thought", "first_thought_at", "last_thought_at", "thought_tokens"):
            del data[name]
    return data


def run_record(snapshot: ComparisonSnapshot) -> RunRecord:
    """What the store keeps of a run. Its line in lists names the models, its search text holds the prompts."""
    names = [answer.model_name for turn in snapshot.turns for answer in turn.answers.values()]
    return RunRecord(
        id=snapshot.id,
        kind=KIND,
        title=snapshot.title,
        detail=", ".join(dict.fromkeys(names)),
        models=tuple(dict.fromkeys(names)),
        status=snapshot.status,
        created_at=snapshot.created_at,
        updated_at=now(),
        document=run_document(snapshot),
        search_text="\n".join(turn.prompt for turn in snapshot.turns),
        schema_version=SCHEMA_VERSION,
    )


def answer_item(run_id: str, answer: AnswerSnapshot) -> ItemRecord:
    """What the store keeps of an answer."""
    return ItemRecord(
        run_id=run_id,
        key=item_key(answer.turn, answer.pane_id),
        attempt=answer.attempt,
        position=answer.turn,
        status=answer.progress.state,
        text=answer.text,
        record={"id": answer.answer_id, **answer_document(answer)},
    )


def item_key(turn: int, pane_id: str) -> str:
    """What the answers of a pane at a turn are called in the store."""
    return f"{turn}/{pane_id}"


def answer_items(snapshot: ComparisonSnapshot) -> list[ItemRecord]:
    """All attempts of all panes at all turns, and the images of the prompts."""
    every = (answer for turn in snapshot.turns for attempts in turn.attempts.values() for answer in attempts)
    images = dict.fromkeys(digest for turn in snapshot.turns for digest in turn.images)
    return [
        *(answer_item(snapshot.id, answer) for answer in every),
        *(image_item(snapshot.id, snapshot.images[digest]) for digest in images),
    ]


def image_item(run_id: str, image: StoredImage) -> ItemRecord:
    """What the store keeps of an image: beside the answers, once for each run. Its text, which is searched, is its
    name."""
    return ItemRecord(
        run_id=run_id,
        key=image_key(image.digest),
        status="done",
        text=image.name,
        record=asdict(image),
    )


def image_key(digest: str) -> str:
    """What an image is called in the store."""
    return f"{IMAGES}{digest}"


# --- in ---------------------------------------------------------------------------------------------------------


def conversation_from(run: RunRecord, answers: Sequence[ItemRecord]) -> Conversation:
    """Rebuild the state of a run. Answers are taken as they are, also those that nobody writes any more.

    Raises:
        DocumentError: written by a newer version, or not what this one writes.
    """
    if run.schema_version != SCHEMA_VERSION:
        raise DocumentError(
            f"run {run.id!r} has schema version {run.schema_version}; this version reads {SCHEMA_VERSION}: update it"
        )
    document = validated(RunDocument, run.document, f"run {run.id!r}")
    conversation = Conversation(
        [pane_from(pane) for pane in document.panes],
        run_id=run.id,
        title=run.title,
        shared_thread=document.shared_thread,
        in_turn=document.in_turn,
        created_at=run.created_at,
        imported_from=document.imported_from,
    )
    conversation.turns = [
        Turn(index, turn.prompt, turn.created_at, picked=turn.picked, images=turn.images)
        for index, turn in enumerate(document.turns)
    ]
    conversation.images = stored_images(answers, {digest for turn in document.turns for digest in turn.images})
    answers = [item for item in answers if not item.key.startswith(IMAGES)]
    for record in sorted(answers, key=lambda item: (item.position, item.key, item.attempt)):
        _place(conversation, record)
    for turn, stored in zip(conversation.turns, document.turns, strict=True):
        _select(turn, stored.selected)
    return conversation


def stored_images(items: Sequence[ItemRecord], wanted: Set[str]) -> dict[str, StoredImage]:
    """The images among a run's items, by their digests.

    Raises:
        DocumentError: one is damaged, or one that is ``wanted`` is not there.
    """
    stored = [item for item in items if item.key.startswith(IMAGES)][: limits.MAX_RUN_IMAGES]
    images = [validated(ImageDocument, item.record, f"image {item.key!r}").image() for item in stored]
    known = {image.digest: image for image in images}
    if missing := wanted - set(known):
        raise DocumentError(f"the run lacks {len(missing)} of its images, the first is {min(missing)[:12]!r}")
    return known


def pane_from(stored: PaneDocument) -> Pane:
    by_hand = None if stored.by_hand is None else stored.by_hand & NAMES
    return Pane(stored.id, stored.target, allowed(stored.config), by_hand, stored.constraint)


def allowed(config: ModelConfig) -> ModelConfig:
    """Parameters that were stored, as one may ask with them now: the bound on max_tokens may have been another."""
    return replace(config, max_tokens=min(config.max_tokens, get_settings().max_tokens_limit))


def _place(conversation: Conversation, record: ItemRecord) -> None:
    where = f"answer {record.key!r}"
    stored = validated(AnswerDocument, record.record, where)
    turn, pane_id = record.position, record.key.partition("/")[2]
    if not 0 <= turn < len(conversation.turns):
        raise DocumentError(f"{where} belongs to turn {turn}, which the run does not have")
    attempts = conversation.turns[turn].answers.setdefault(pane_id, [])
    if record.attempt != len(attempts) + 1 or len(attempts) >= limits.MAX_ATTEMPTS:
        raise DocumentError(f"{where} is attempt {record.attempt} of its pane, but {len(attempts) + 1} comes next")
    pane = Pane(pane_id, stored.target, stored.config, constraint=stored.constraint)
    answer = Answer(
        turn,
        record.attempt,
        pane,
        stored.model,
        stored.versions,
        answer_id=stored.id,
        created_at=stored.created_at,
    )
    answer.legs = list(_legs(stored.legs, record.text))
    answer.curve = Curve(list(stored.curve))
    answer.pieces = [list(pieces[: limits.MAX_PIECES]) for pieces in stored.pieces]
    attempts.append(answer)


def _legs(stored: Sequence[LegDocument], text: str) -> Iterable[AnswerProgress]:
    # The last leg takes whatever is left, so that no character is lost should the lengths not add up.
    start = 0
    for position, leg in enumerate(stored):
        end = start + leg.text_chars if position < len(stored) - 1 else len(text)
        leg.progress.text = text[start:end]
        start = end
        yield leg.progress


def _select(turn: Turn, stored: Mapping[str, int]) -> None:
    """Select what was selected; an attempt that never reached the store gives way to the last one that did."""
    for pane_id, attempts in turn.answers.items():
        attempt = stored.get(pane_id, len(attempts))
        turn.selected[pane_id] = attempt if 1 <= attempt <= len(attempts) else len(attempts)


def validated(model: type[T], data: Any, where: str) -> T:
    """Read a document.

    Raises:
        DocumentError: naming the first few places that are wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise DocumentError(f"{where} is not what this version writes: {said_of(exc, 3)}") from exc
