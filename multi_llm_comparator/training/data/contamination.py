"""Whether training data has questions in it that a model will be measured with.

A question is in the data if a row asks the very same (case, width and punctuation do not count), or has a run of 13
words or Chinese characters in common with it. Runs that stand in more than ten questions of a set are how its
questions are worded, and do not count (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.training.data.chats import Example, messages_of
from multi_llm_comparator.training.data.grams import GRAM_UNITS, gram_hashes, text_hash
from multi_llm_comparator.training.data.units import units

MAX_TEXTS = 500_000
MAX_GRAMS = 20_000_000
# A run of so many questions is boilerplate.
MAX_SHARING = 10
# Shorter questions ("What is it?") are alike by chance.
LEAST_EXACT_UNITS = 5
MAX_EXAMPLES = 5
MAX_SHOWN = 200

Kind = Literal["exact", "overlap"]


@dataclass(frozen=True, slots=True)
class EvaluationText:
    """One question of an evaluation set. ``more`` is what belongs to it, such as its choices."""

    id: str
    text: str
    set: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A question that was found in training data. ``where`` names the row, ``trained`` is the row's side of it."""

    set: str
    id: str
    kind: Kind
    question: str
    where: str = ""
    trained: str = ""


@dataclass(frozen=True, slots=True)
class SetContamination:
    """How much of an evaluation set is in the data: ``exact`` and ``overlapping`` questions of its ``texts``.

    A question that is there exactly does not count as overlapping.
    """

    name: str
    texts: int
    exact: int
    overlapping: int
    examples: tuple[Match, ...] = ()

    @property
    def share(self) -> float:
        return (self.exact + self.overlapping) / self.texts if self.texts else 0.0


@dataclass(frozen=True, slots=True)
class Contamination:
    """All sets that were looked at. ``rows`` of the training data have a question in them, None if that is not known.

    ``sampled`` below 1: only such a share of the data's runs is known, so that single overlaps may be missed.
    """

    sets: tuple[SetContamination, ...]
    rows: int | None = None
    sampled: float = 1.0

    @property
    def is_clean(self) -> bool:
        return not any(one.exact or one.overlapping for one in self.sets)

    def to_dict(self) -> dict[str, Any]:
        return {
            "sets": [{**asdict(one), "share": one.share} for one in self.sets],
            "rows": self.rows,
            "sampled": self.sampled,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Contamination:
        sets = [{name: value for name, value in one.items() if name != "share"} for one in data["sets"]]
        made = [SetContamination(**{**one, "examples": tuple(Match(**m) for m in one["examples"])}) for one in sets]
        return cls(tuple(made), data["rows"], data["sampled"])


class EvaluationIndex:
    """The questions of evaluation sets, ready to be found in rows.

    Args:
        texts: all questions.

    Raises:
        DocumentError: there are more than are compared at once.
    """

    def __init__(self, texts: Iterable[EvaluationText]) -> None:
        self._texts: list[EvaluationText] = []
        self._exact: dict[int, list[int]] = {}
        grams: list[NDArray[np.uint64]] = []
        owners: list[NDArray[np.int32]] = []
        total = 0
        for number, text in enumerate(texts):
            if number >= MAX_TEXTS or total > MAX_GRAMS:
                raise DocumentError(f"the evaluation sets have more than {MAX_TEXTS:,} questions; choose fewer of them")
            self._texts.append(text)
            for key in exact_keys(text):
                self._exact.setdefault(key, []).append(number)
            found = np.unique(grams_of(text))
            total += len(found)
            grams.append(found)
            owners.append(np.full(len(found), number, np.int32))
        self._grams, self._owners = _without_boilerplate(
            np.concatenate(grams or [np.empty(0, np.uint64)]), np.concatenate(owners or [np.empty(0, np.int32)])
        )
        self._kinds: dict[int, Kind] = {}
        self._examples: dict[str, list[Match]] = {}
        self._rows = 0

    def __len__(self) -> int:
        return len(self._texts)

    def check(self, example: Example) -> tuple[Match, ...]:
        """The questions that an example has in it; they are counted for :meth:`result`."""
        words = [units(message.content) for message in messages_of(example)]
        asked = units(example.question)
        kinds: dict[int, Kind] = {}
        for found in (asked, *words):
            kinds |= dict.fromkeys(self._exact.get(text_hash(found), ()), "exact")
        for found in words:
            for number in self._owners_of(gram_hashes(found)):
                kinds.setdefault(number, "overlap")
        matches = tuple(self._match(number, kind, example) for number, kind in kinds.items())
        self._note(kinds, matches)
        return matches

    def result(self) -> Contamination:
        """What was found in all examples that were checked."""
        sets = Counter(text.set for text in self._texts)
        found = Counter((self._texts[number].set, kind) for number, kind in self._kinds.items())
        return Contamination(
            tuple(
                SetContamination(
                    name, count, found[name, "exact"], found[name, "overlap"], tuple(self._examples.get(name, ()))
                )
                for name, count in sets.items()
            ),
            self._rows,
        )

    def _owners_of(self, grams: NDArray[np.uint64]) -> set[int]:
        if not len(grams) or not len(self._grams):
            return set()
        low = np.searchsorted(self._grams, grams, "left")
        high = np.searchsorted(self._grams, grams, "right")
        return {int(self._owners[i]) for a, b in zip(low, high, strict=True) if a < b for i in range(a, b)}

    def _match(self, number: int, kind: Kind, example: Example) -> Match:
        text = self._texts[number]
        shown = cut_line(example.question, MAX_SHOWN)
        return Match(text.set, text.id, kind, cut_line(text.text, MAX_SHOWN), example.where, shown)

    def _note(self, kinds: Mapping[int, Kind], matches: Iterable[Match]) -> None:
        self._rows += bool(kinds)
        for number, kind in kinds.items():
            if self._kinds.get(number) != "exact":
                self._kinds[number] = kind
        for match in matches:
            examples = self._examples.setdefault(match.set, [])
            if len(examples) < MAX_EXAMPLES and all(match.id != other.id for other in examples):
                examples.append(match)


def exact_keys(text: EvaluationText) -> set[int]:
    """The numbers under which a question is the very same: alone, unless too short, and with what belongs to it."""
    alone, whole = units(text.text), units(f"{text.text}\n{text.more}")
    return {text_hash(found) for found in (alone, whole) if len(found) >= LEAST_EXACT_UNITS}


def grams_of(text: EvaluationText) -> NDArray[np.uint64]:
    """The runs of a question; of a short one, together with what belongs to it."""
    words = units(text.text)
    return gram_hashes(words if len(words) >= GRAM_UNITS else units(f"{text.text}\n{text.more}"))


def _without_boilerplate(
    grams: NDArray[np.uint64], owners: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Sorted runs and whose they are, without those of more than ``MAX_SHARING`` questions."""
    order = np.argsort(grams, kind="stable")
    grams, owners = grams[order], owners[order]
    _, where, counts = np.unique(grams, return_inverse=True, return_counts=True)
    kept = counts[where] <= MAX_SHARING
    return grams[kept], owners[kept]
