"""What a job tells while it works: one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, TypeAdapter, ValidationError

from multi_llm_comparator.core.clock import now

# Three texts, each of characters that take six bytes in JSON, fit.
MAX_LINE_BYTES = 512 * 1024
MAX_TEXT_CHARS = 16_000
MAX_NAME_CHARS = 64
# As the store keeps it.
MAX_PHASE_CHARS = 32

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS + 1)]
Count = Annotated[int, Field(ge=0, le=2**53)]
SampleKind = Literal["fixed", "best", "worst"]
Level = Literal["info", "warning", "error"]
Outcome = Literal["done", "stopped", "failed", "interrupted"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: FiniteFloat = Field(default_factory=now)


class Began(_Event):
    """A process began to work on the job: the first line of each attempt."""

    event: Literal["began"] = "began"
    pid: Count
    host: Text = ""


class Phase(_Event):
    event: Literal["phase"] = "phase"
    name: Annotated[str, StringConstraints(max_length=MAX_PHASE_CHARS)]


class Progress(_Event):
    """``done`` of ``total`` units; ``left_s`` seconds to go, where that can be said."""

    event: Literal["progress"] = "progress"
    done: Count
    total: Count
    unit: Name = "steps"
    left_s: FiniteFloat | None = None


class PointMade(_Event):
    event: Literal["point"] = "point"
    series: Name
    step: Count
    value: FiniteFloat


class Sample(_Event):
    """An answer that the model gave at a step: to a ``fixed`` prompt, or ``best`` or ``worst`` of the validation."""

    event: Literal["sample"] = "sample"
    step: Count
    kind: SampleKind
    prompt: Text
    answer: Text
    reference: Text | None = None
    score: FiniteFloat | None = None


class JobNote(_Event):
    event: Literal["note"] = "note"
    level: Level = "info"
    text: Text


class Artefact(_Event):
    """A file or folder that the job made; ``about`` is what its kind says of it."""

    event: Literal["artefact"] = "artefact"
    kind: Name
    path: Text
    about: dict[str, Any] = {}


class Result(_Event):
    """What came out, as figures and short texts."""

    event: Literal["result"] = "result"
    values: dict[str, Any]


class Ended(_Event):
    """The last line of an attempt that was not killed; ``type`` and ``text`` say why it is not done."""

    event: Literal["ended"] = "ended"
    outcome: Outcome
    type: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)] = ""
    text: Text = ""


JobEvent = Began | Phase | Progress | PointMade | Sample | JobNote | Artefact | Result | Ended
_EVENT: TypeAdapter[JobEvent] = TypeAdapter(Annotated[JobEvent, Field(discriminator="event")])


def event_line(event: JobEvent) -> bytes:
    return event.model_dump_json(exclude_defaults=False).encode() + b"\n"


def read_event(line: bytes) -> JobEvent | None:
    """The event that a line tells; None for a line that is none: cut off by a crash, or of a newer version."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def cut(text: str) -> str:
    """The text as an event may hold it, ending in … where it was cut."""
    # Halves of surrogate pairs have no bytes in UTF-8.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}…"
