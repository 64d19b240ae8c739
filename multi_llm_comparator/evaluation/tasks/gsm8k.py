"""GSM8K (arXiv 2110.14168): worded arithmetic, as lm-eval's ``gsm8k`` version 3.0.

Its folder is the authors' own: ``train.jsonl`` and ``test.jsonl``; on the Hub ``openai/gsm8k``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.prompts import Example, few_shot_prompt
from multi_llm_comparator.evaluation.tasks.sources import HUB, hub_rows, json_rows

VERSION = "3.0"
HUB_NAME = "openai/gsm8k"
STOP = ("Question:", "</s>", "<|im_end|>")
MAX_ANSWER_TOKENS = 256
NOTHING = "[invalid]"
_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
# What does not count when answers are compared.
_IGNORED = re.compile(r"[,$]")
_FULL_STOP = re.compile(r"\.$")


class Gsm8k(Task):
    """``strict`` wants the number behind ``####``, as the examples write it; ``flexible`` takes the last number."""

    kind: ClassVar[Kind] = "ask"
    name = group = "gsm8k"
    version = VERSION
    metrics = ("strict", "flexible")

    def __init__(self, items: Sequence[TaskItem]) -> None:
        self.items = tuple(items)

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this task wants an answer in words")
        found = {"strict": strict_number(answer), "flexible": flexible_number(answer)}
        right = plain_number(str(item.target))
        metrics = {name: float(plain_number(number) == right) for name, number in found.items()}
        correct = bool(metrics["strict"])
        reason = f"{found['strict']} behind '####', right is {right}"
        if found["strict"] == NOTHING:
            reason = f"no number behind '####'; the last one is {found['flexible']}, right is {right}"
        return ItemScore(
            value=metrics["strict"], correct=correct, reason=reason, extracted=found["strict"], metrics=metrics
        )


def load_gsm8k(source: str | Path, options: TaskOptions) -> list[Task]:
    """One task, its items from the test split; examples (usually 5) are drawn for each item from the training split.

    Raises:
        DocumentError: the source has not what it takes.
    """
    shots = 5 if options.shots is None else options.shots
    train = _rows(source, "train") if shots else []
    if shots > len(train):
        raise DocumentError(f"GSM8K has {len(train)} examples here, not {shots}; ask for fewer shots")
    # One generator for all items in their order, as lm-eval draws them.
    generator = random.Random(options.seed)
    items = []
    for number, row in enumerate(_rows(source, "test")[: options.limit]):
        drawn = generator.sample(train, shots) if shots else []
        examples = [Example(_question(one), str(one["answer"])) for one in drawn]
        items.append(
            TaskItem(
                id=f"gsm8k/{number}",
                cluster=f"gsm8k/{number}",
                prompt=few_shot_prompt("", examples, _question(row), options),
                target=str(row["answer"]),
                question=str(row["question"]),
                tags=("gsm8k",),
                seed=options.seed,
                max_tokens=MAX_ANSWER_TOKENS,
                stop=STOP,
            )
        )
    return [Gsm8k(items)]


def strict_number(answer: str) -> str:
    """The first number behind ``####``."""
    found = _STRICT.findall(answer)
    return str(found[0]).strip() if found else NOTHING


def flexible_number(answer: str) -> str:
    """The last number of an answer."""
    found = _FLEXIBLE.findall(answer)
    return next((part for part in found[-1] if part), NOTHING).strip() if found else NOTHING


def plain_number(text: str) -> str:
    """A number as it is compared: without commas, dollars, what stands before it and the full stop behind it."""
    # As lm-eval's patterns do, but for ".*#### ", which would look through an answer from each of its characters.
    return _FULL_STOP.sub("", _IGNORED.sub("", text).rpartition("#### ")[2]).lower()


def _question(row: dict[str, Any]) -> str:
    return f"Question: {row['question']}\nAnswer:"


def _rows(source: str | Path, split: str) -> list[dict[str, Any]]:
    if source == HUB:
        return hub_rows(HUB_NAME, "main", split)
    # A part of the training split serves as well, under a name that says so.
    folder = inside if (inside := Path(source) / "gsm8k").is_dir() else Path(source)
    paths = [path for name in (f"{split}.jsonl", f"{split}_*.jsonl") for path in sorted(folder.glob(name))]
    if not paths:
        raise DocumentError(f"{str(source)!r} has no {split}.jsonl")
    rows = json_rows(paths[0])
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("question"), str) or not isinstance(row.get("answer"), str):
            raise DocumentError(f"{str(paths[0])!r}, row {number}: it needs the texts 'question' and 'answer'")
    return rows
