"""What a scripted model does, as a JSON file: the format of :mod:`inferencers.scripted`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.plain_errors import MAX_PROBLEMS, said_of
from multi_llm_comparator.core.reading import read_bytes

MAX_SCRIPT_BYTES = 1024 * 1024


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f"{text!r} is not a regular expression: {exc}") from exc
    return text


Pattern = Annotated[str, Field(max_length=1000), AfterValidator(_is_pattern)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class ScriptedAnswer(ClosedModel):
    """The answer when ``pattern`` (a regular expression) is found in the last message."""

    pattern: Pattern
    text: str


class Fault(ClosedModel):
    """Something that goes wrong.

    ``kind``: ``error`` fails the request (or the loading) with ``error_type`` and ``message``; ``crash`` aborts the
    process, ``exit`` ends it with status 3; ``hang`` makes no step any more. ``at``: while ``load``-ing, or in an
    ``answer`` once ``after_tokens`` tokens of it are out. ``pattern`` limits it to requests whose last message it is
    found in; ``unless_safe`` spares a model that was loaded with safe settings.
    """

    kind: Literal["error", "crash", "exit", "hang"]
    at: Literal["load", "answer"] = "answer"
    after_tokens: int = Field(default=0, ge=0)
    pattern: Pattern = ""
    unless_safe: bool = False
    error_type: str = ""
    message: str = "the script says so"


class Script(ClosedModel):
    """The whole behaviour. Every field has a default: ``{}`` is a model that echoes the last message at once.

    ``answers`` are tried in order; where none fits the answer is ``otherwise``, or the last message itself when that
    is null. A token is a word with the space before it. Without ``tokens_per_second`` there is no pause between
    tokens. ``memory_bytes`` are held (and touched) while the model is loaded. Prompts go through ``chat_template``.
    """

    answers: tuple[ScriptedAnswer, ...] = Field(default=(), max_length=1000)
    otherwise: str | None = None
    chat_template: str = ""
    tokens_per_second: float | None = Field(default=None, gt=0)
    time_to_first_token_s: Seconds = 0.0
    load_s: Seconds = 0.0
    memory_bytes: int = Field(default=0, ge=0, le=8 * 1024**3)
    faults: tuple[Fault, ...] = Field(default=(), max_length=100)

    def answer_to(self, message: str) -> str:
        for answer in self.answers:
            if re.search(answer.pattern, message):
                return answer.text
        return message if self.otherwise is None else self.otherwise

    def fault(self, at: str, message: str = "", *, safe: bool = False) -> Fault | None:
        """The first fault that strikes there."""
        for fault in self.faults:
            if fault.at == at and not (safe and fault.unless_safe) and re.search(fault.pattern, message):
                return fault
        return None


def read_script(path: str) -> Script:
    """Read a script.

    Raises:
        ModelLoadError: it cannot be read, is too large, or is not a script; all its problems at once.
    """
    try:
        data = read_bytes(Path(path), MAX_SCRIPT_BYTES)
    except OSError as exc:
        raise ModelLoadError(f"cannot read the script {path!r}: {exc.strerror}") from exc
    try:
        return Script.model_validate_json(data)
    except ValidationError as exc:
        raise ModelLoadError(f"{path!r} is not a script of a model: {said_of(exc, MAX_PROBLEMS)}") from exc
