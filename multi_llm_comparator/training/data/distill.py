"""Prompts that a model shall answer, so that another one learns its answers: what is asked, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.training.data.files import encoding_for, find_files, open_text, rows_of_file
from multi_llm_comparator.training.data.formats import PROMPTS
from multi_llm_comparator.training.data.turns import Unusable, turns_of

MAX_PROMPTS = 20_000
MAX_PROMPT_CHARS = 100_000
MAX_ALL_CHARS = 50_000_000
_TEXTS = (*PROMPTS, "instruction", "text")

# What a person decided: nothing yet, to use it as it was read or edited, to use it unread, not to use it.
Review = Literal["open", "kept", "taken", "rejected"]
AnswerState = Literal["waiting", "done", "failed"]


class DistillOptions(BaseModel):
    """Who answers, and how.

    Args:
        target: any name that the gateway knows: a model, a group, an echelon, a remote one.
        parameters: of the answers, by the names of :class:`~multi_llm_comparator.core.config.ModelConfig`.
        system_prompt: said before each prompt that has no system message; it is not part of what is learnt later.
        concurrency: so many prompts are under way at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(min_length=1, max_length=500)
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=40)
    system_prompt: str = Field(default="", max_length=100_000)
    concurrency: int = Field(default=4, ge=1, le=64)


@dataclass(frozen=True, slots=True)
class DistillPrompt:
    """One prompt. ``key`` is made of what it says, so that the same prompt is asked once."""

    key: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledAnswer:
    """What became of a prompt.

    ``text`` is what the model said, ``edited`` what a person made of it. ``is_cut``: it reached the most tokens and has
    no end; such an answer is not taken unread with the others.
    """

    state: AnswerState = "waiting"
    text: str = ""
    edited: str | None = None
    review: Review = "open"
    is_cut: bool = False
    error: str = ""
    tokens: int = 0
    answered_by: str = ""

    @property
    def final(self) -> str:
        return self.text if self.edited is None else self.edited

    @property
    def is_used(self) -> bool:
        """Whether it goes into the training file: a person decided so."""
        return self.state == "done" and self.review in ("kept", "taken") and bool(self.final.strip())

    @property
    def can_be_taken(self) -> bool:
        """Whether it may be used without having been looked at, and nobody has decided yet."""
        return self.state == "done" and self.review == "open" and not self.is_cut and bool(self.final.strip())


def make_prompts(conversations: Iterable[tuple[Message, ...]]) -> tuple[DistillPrompt, ...]:
    """Prompts with keys, each once.

    Raises:
        DocumentError: there are none, or more than are answered in one run.
    """
    found: dict[str, DistillPrompt] = {}
    chars = 0
    for messages in conversations:
        size = sum(len(message.content) for message in messages)
        if size > MAX_PROMPT_CHARS:
            raise DocumentError(f"a prompt has {size:,} characters; at most {MAX_PROMPT_CHARS:,} are asked")
        said = json.dumps([[message.role, message.content] for message in messages])
        key = hashlib.blake2b(said.encode(), digest_size=10).hexdigest()
        chars += 0 if key in found else size
        found.setdefault(key, DistillPrompt(key, messages))
        if len(found) > MAX_PROMPTS or chars > MAX_ALL_CHARS:
            raise DocumentError(f"there are more than {MAX_PROMPTS:,} prompts, or too long ones; answer them in parts")
    if not found:
        raise DocumentError("there are no prompts; give a file with one a line, or a data set")
    return tuple(found.values())


def read_prompts(path: str | Path) -> tuple[DistillPrompt, ...]:
    """The prompts of a file: one a line (``.txt``), or the questions of a data set in any form that is read.

    Raises:
        DocumentError: it cannot be read, or has no prompts.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == ".txt":
        find_files(path)
        with open_text(path, encoding_for(path, "")) as file:
            lines = (line.strip() for line in iter(lambda: file.readline(MAX_PROMPT_CHARS), ""))
            return make_prompts((Message("user", line),) for line in lines if line)
    return make_prompts(_questions(path))


def _questions(path: Path) -> Iterable[tuple[Message, ...]]:
    files = find_files(path)
    for file in files.files:
        for row in rows_of_file(file, files.name_of(file), encoding_for(file, "")):
            if row.value is not None and (messages := _question(dict(row.value))):
                yield messages


def _question(row: dict[str, Any]) -> tuple[Message, ...]:
    """What a row asks, up to the first answer; empty for nothing."""
    try:
        for name, role, content in (("messages", "role", "content"), ("conversations", "from", "value")):
            if name in row:
                turns, _ = turns_of(row[name], name, role, content)
                first = next((i for i, turn in enumerate(turns) if turn.role == "assistant"), len(turns))
                return tuple(turns[:first]) if any(turn.role == "user" for turn in turns[:first]) else ()
    except Unusable:
        return ()
    text = next((row[name] for name in _TEXTS if isinstance(row.get(name), str) and row[name].strip()), "")
    more = row.get("input") if "instruction" in row and isinstance(row.get("input"), str) else ""
    asked = "\n".join(filter(None, (text, more)))
    return (Message("user", asked),) if asked else ()


def training_line(prompt: DistillPrompt, answer: DistilledAnswer) -> str:
    """A line of the training file: chat messages, as every reader of such files takes them."""
    said = [*prompt.messages, Message("assistant", answer.final)]
    messages = [{"role": message.role, "content": message.content} for message in said]
    return json.dumps({"messages": messages}, ensure_ascii=False) + "\n"


def training_file(answers: Iterable[tuple[DistillPrompt, DistilledAnswer]]) -> str:
    """The answers that are used, as JSON lines of ``messages``.

    Raises:
        DocumentError: none is used.
    """
    lines = [training_line(prompt, answer) for prompt, answer in answers if answer.is_used]
    if not lines:
        raise DocumentError("no answer is to be used; keep some first, or take those that nobody has looked at")
    return "".join(lines)


def write_training_file(path: Path, answers: Iterable[tuple[DistillPrompt, DistilledAnswer]]) -> int:
    """Replace the file with the answers that are used; how many they are.

    Raises:
        DocumentError: none is used.
        NotWrittenError: the file cannot be written.
    """
    text = training_file(answers)
    write_atomically(path, text)
    return text.count("\n")
