"""Whether a tuned model has learnt what it is asked: a score on questions that it was trained on measures nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.spec import Subject

# A line of lettered choices, as the published tasks write them.
_CHOICE = re.compile(r"^[A-J]\. ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Question:
    """One question that is asked; ``more`` are its choices, which belong to it where it is short."""

    id: str
    text: str
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """How much of a source a subject was tuned on: of ``questions``, ``exact`` word for word and ``overlapping`` by a
    passage.

    ``sampled`` below 1: only such a share of what it learnt is remembered. ``examples`` are some of the questions.
    ``error``: what is remembered cannot be read.
    """

    subject: str = ""
    source: str = ""
    questions: int = 0
    exact: int = 0
    overlapping: int = 0
    sampled: float = 1.0
    examples: tuple[str, ...] = ()
    error: str = ""

    @property
    def found(self) -> int:
        return self.exact + self.overlapping


class KnownTo(Protocol):
    """Tells what is known of a target's training data."""

    def __call__(self, target: str, questions: Mapping[str, Sequence[Question]]) -> Sequence[Learnt]:
        """One entry for each source; none where the target was not tuned here. Called in a thread; raises nothing."""


def learnt_by(
    subjects: Sequence[Subject], materials: Sequence[Material], known_to: KnownTo | None
) -> tuple[Learnt, ...]:
    """What each subject has learnt of each source; nothing of those that were not tuned here."""
    if known_to is None:
        return ()
    questions = questions_of(materials)
    by_target = {target: known_to(target, questions) for target in dict.fromkeys(s.target for s in subjects)}
    return tuple(replace(one, subject=subject.id) for subject in subjects for one in by_target[subject.target])


def questions_of(materials: Sequence[Material]) -> dict[str, list[Question]]:
    """The questions of each source, without instructions and worked examples, which all of them share."""
    found: dict[str, list[Question]] = {}
    for one in materials:
        item = one.item
        text = item.question or (item.prompt if isinstance(item.prompt, str) else item.prompt[-1].content)
        asked, more = _without_choices(text) if item.choices is not None else (text, "")
        found.setdefault(one.task.group, []).append(Question(f"{one.task.name} {item.id}", asked, more))
    return found


def _without_choices(text: str) -> tuple[str, str]:
    """A question and its lettered choices, without letters and the words that an answer follows."""
    begins = [match.start() for match in _CHOICE.finditer(text)]
    if not begins:
        return text, ""
    lines = text[begins[0] :].splitlines()
    return text[: begins[0]].strip(), "\n".join(_CHOICE.sub("", line) for line in lines if _CHOICE.match(line))
