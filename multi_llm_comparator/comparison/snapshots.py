"""A comparison as it was at one moment: plain, immutable, safe to hand to any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from multi_llm_comparator.comparison.figures import Figures, figures_of
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import AnswerInterrupted
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.tracking.records import RunState

# A note of an answer, or of its beginning, that a person wrote.
BY_HAND = "The beginning of this answer was written by hand."

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Which model answered, exactly. ``fingerprint`` is a hash of its weights, None until it is known.

    ``metadata`` holds what its headers said: architecture, parameters, quantization, context length and the like.
    """

    id: str = ""
    name: str = ""
    path: str = ""
    model_type: str = ""
    size_bytes: int | None = None
    fingerprint: str | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSnapshot:
    """One attempt of one pane at one turn.

    ``attempt`` counts from 1 and ``attempts`` is how many the pane made at this turn. ``progress`` is the latest leg's,
    with the text of all legs; ``legs`` are all of them, each with its own text. ``config`` is what was asked for, with
    the seed that a regenerate drew. ``curve`` holds points (seconds since the epoch, tokens so far).
    """

    answer_id: str
    pane_id: str
    turn: int
    attempt: int
    attempts: int
    target: str
    model: ModelFacts
    config: ModelConfig
    created_at: float
    progress: AnswerProgress
    legs: tuple[AnswerProgress, ...]
    curve: tuple[tuple[float, int], ...] = ()
    pieces: tuple[tuple[TokenPiece, ...], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    constraint: Constraint | None = None

    @property
    def is_written_by_hand(self) -> bool:
        """Whether a person wrote the text, or its beginning."""
        return BY_HAND in self.legs[0].notes

    @property
    def model_name(self) -> str:
        return self.model.name or self.target

    @property
    def text(self) -> str:
        return self.progress.text

    @property
    def thought(self) -> str:
        """What the model thought before it answered, of all legs together."""
        return "\n\n".join(leg.thought for leg in self.legs if leg.thought)

    @property
    def figures(self) -> Figures:
        return figures_of(self.legs)

    @property
    def can_continue(self) -> bool:
        """Whether the model can go on from the text so far: there is some, and the model did not end it itself."""
        return self.progress.is_over and bool(self.text) and self.progress.finish_reason != "stop"

    @property
    def is_cut(self) -> bool:
        """Whether it ended at ``max_tokens`` or at the context's end, not where the model would have ended it."""
        return self.progress.state == "done" and self.progress.finish_reason == "length"

    @property
    def can_retry(self) -> bool:
        return self.progress.state == "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSnapshot:
    """One prompt and what the panes made of it.

    ``answers`` has the selected attempt of each pane that was asked, ``attempts`` all of them, oldest first. ``chosen``
    is the pane whose answer a shared thread goes on from: the one that was ``picked``, if it has text, else the first
    that has. ``images`` are digests of those that stand before the prompt.
    """

    index: int
    prompt: str
    created_at: float
    answers: Mapping[str, AnswerSnapshot]
    attempts: Mapping[str, tuple[AnswerSnapshot, ...]]
    chosen: str | None = None
    picked: str | None = None
    images: tuple[str, ...] = ()

    @property
    def is_picked(self) -> bool:
        return self.picked is not None

    def goes_on_from(self, answer: AnswerSnapshot) -> bool:
        """Whether this very attempt is what a shared thread goes on from."""
        return self.chosen == answer.pane_id and self.answers[answer.pane_id] is answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFrom:
    """Where a run that was read from a file came from."""

    run_id: str
    created_at: float
    imported_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSnapshot:
    """The whole. ``version`` grows with every change; ``save_error`` says why the latest state is not in the store.

    ``waiting_prompts`` are still to be sent, when a run is made again; until they are, it counts as running.
    ``branched_from`` is the id that the run had until another program changed it. With ``in_turn`` the panes answer one
    after another, so that each has the machine for itself.
    """

    id: str
    title: str
    created_at: float
    panes: tuple[Pane, ...]
    shared_thread: bool
    turns: tuple[TurnSnapshot, ...]
    is_running: bool
    version: int
    imported_from: ImportedFrom | None = None
    branched_from: str | None = None
    save_error: str | None = None
    waiting_prompts: int = 0
    in_turn: bool = False
    images: Mapping[str, StoredImage] = field(default_factory=dict)

    def images_of(self, turn: TurnSnapshot) -> tuple[StoredImage, ...]:
        """The images beside a prompt."""
        return tuple(self.images[digest] for digest in turn.images)

    @property
    def status(self) -> RunState:
        """``running``; else what became of the answers to the last prompt: the worst of it, else ``done``."""
        if self.is_running:
            return "running"
        last = [answer.progress for answer in self.turns[-1].answers.values()] if self.turns else []
        if any(progress.error_type == AnswerInterrupted.__name__ for progress in last):
            return "interrupted"
        states = {progress.state for progress in last}
        return "failed" if "failed" in states else "stopped" if "stopped" in states else "done"
