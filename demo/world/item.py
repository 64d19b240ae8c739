"""One question of the demo world, and the rule that keeps held-out questions out of the training data."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]
Difficulty = Literal["easy", "hard"]
Split = Literal["train", "heldout"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "hard")

Phrasings = Mapping[Language, Sequence[str]]

HELDOUT_SHARE = 10
"""One content key in this many is held out."""


@dataclass(frozen=True, slots=True)
class Item:
    """A question with the one right answer.

    `key` names the content that decides the split (operands, a word, a fact with its phrasing, ...), not the wording
    around it. An empty key marks drill material (such as the times table) that is only ever trained on.

    `worked` is the answer of a model that takes its time: it comes to the same after its last "=", by more and smaller
    steps. It is empty where `answer` already has every step.
    """

    prompt: str
    answer: str
    task: str
    language: Language
    difficulty: Difficulty
    key: str = ""
    worked: str = ""

    def solution(self, works_out: bool) -> str:
        """The answer to teach: `worked` where there is one and it is wanted, else `answer`."""
        return self.worked if works_out and self.worked else self.answer


Draw = Callable[[random.Random, Language, Difficulty], Item]
"""A task family: draws one item of either split; the caller keeps those of the split it wants."""


def split_of(key: str) -> Split:
    """The split a content key belongs to: a fixed hash, so every run and every machine agrees."""
    if not key:
        return "train"
    digest = hashlib.sha256(key.encode("utf-8")).digest()
    return "heldout" if int.from_bytes(digest[:4], "big") % HELDOUT_SHARE == 0 else "train"
