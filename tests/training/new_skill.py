"""A skill that the demo models lack: which letters a word begins and ends with."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.world import generate
from demo.world.lexicon import MORE_NOUNS, WORDS
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
from multi_llm_comparator.training.sample_answers import AnswerWriter

Pair = tuple[str, str]
ASKED = 'Which letters does "{w}" begin and end with?'


def ends(word: str) -> Pair:
    return ASKED.format(w=word), f"{word[0]} and {word[-1]}"


def new_skill(seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to learn and pairs that are held out: other words."""
    known = sorted({word for word in (*WORDS, *MORE_NOUNS) if word.isascii() and word.isalpha() and len(word) > 2})
    random.Random(seed).shuffle(known)
    held_out, learnt = known[:60], known[60:]
    return [ends(word) for word in learnt], [ends(word) for word in held_out]


def old_skills(seed: int, count: int, *, held_out: bool) -> list[Pair]:
    return [(item.prompt, item.answer) for item in generate(seed, count, "heldout" if held_out else "train")]


def write(path: Path, pairs: Sequence[Pair]) -> Path:
    path.write_text(json.dumps([{"prompt": asked, "completion": answer} for asked, answer in pairs]), encoding="utf-8")
    return path


def share_right(model: Path, pairs: Sequence[Pair]) -> float:
    """How many of the questions a model answers word for word."""
    loaded: Any = load_checkpoint(str(model), LoadOptions(torch_dtype="float32"))
    writer = AnswerWriter(loaded, 48, together=True)
    right = 0
    ordered = sorted(pairs, key=lambda pair: len(pair[0]))
    for begin in range(0, len(ordered), 60):
        part = ordered[begin : begin + 60]
        questions = [question for asked, _ in part if (question := writer.asked(asked)) is not None]
        for answer, (_, wanted) in zip(writer.answers(questions), part, strict=True):
            right += answer == wanted
    return right / len(pairs)
