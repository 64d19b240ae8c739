"""BIG-Bench Hard (arXiv 2210.09261): 27 tasks, answers with worked reasoning, as lm-eval's ``bbh_cot_fewshot`` 4.0.

Its folder is the authors' own: ``bbh`` with a JSON file a task and ``cot-prompts`` with a text file a task, which holds
a description and three worked examples. Without examples (``shots=0``) it is asked with the description alone, as
``bbh_zeroshot`` 3.0. The Hub's copies have no examples, so a folder it must be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.prompts import Example, few_shot_prompt
from multi_llm_comparator.evaluation.tasks.sources import HUB, chosen_subjects, folder_with, subjects_in, text_of

VERSIONS = {True: "4.0", False: "3.0"}
SHOTS = 3
MAX_FILE_BYTES = 64 * 2**20
MAX_JUDGED_CHARS = 20_000
STEPS = "A: Let's think step by step.\n"
WORKED_STOP, PLAIN_STOP = ("</s>", "Q", "\n\n"), ("</s>", "Q:", "<|im_end|>")
NOTHING = "[invalid]"
_ANSWER = re.compile(r"(?<=the answer is )(.*)(?=.)")
# What does not count where the whole answer is compared.
_IGNORED = re.compile(r'\.$|,|\n|\\|"')


class BigBenchHard(Task):
    """Exact match: behind "the answer is" where examples show that form, else of the whole answer."""

    kind: ClassVar[Kind] = "ask"
    group = "bbh"
    metrics = ("exact_match",)

    def __init__(self, subject: str, items: Sequence[TaskItem], *, is_worked: bool) -> None:
        self.name = f"bbh_{'cot_fewshot' if is_worked else 'zeroshot'}_{subject}"
        self.version, self.items, self._is_worked = VERSIONS[is_worked], tuple(items), is_worked

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this task wants an answer in words")
        target = str(item.target)
        if self._is_worked:
            found = _ANSWER.findall(answer[-MAX_JUDGED_CHARS:])
            extracted = str(found[0]).strip() if found else NOTHING
            correct = extracted == target
        else:
            extracted = answer
            correct = _plain(answer) == _plain(target)
        return ItemScore(
            value=float(correct),
            correct=correct,
            reason=f"answered {extracted[:200]!r}, right is {target!r}",
            extracted=extracted[:2000],
            metrics={"exact_match": float(correct)},
        )


def load_bbh(source: str | Path, options: TaskOptions) -> list[Task]:
    """A task for each of its tasks.

    Raises:
        DocumentError: the source has not what it takes.
    """
    if source == HUB:
        raise DocumentError("BIG-Bench Hard's worked examples are not on the Hub; give the folder of its repository")
    root = Path(source)
    # Its repository has a folder of its own name.
    root = root / "bbh" if (root / "bbh" / "bbh").is_dir() else root
    questions, prompts = folder_with(root, "bbh"), folder_with(root, "cot-prompts")
    tasks: list[Task] = []
    for subject in chosen_subjects(subjects_in(questions, ".json"), options.subjects, repr(str(questions))):
        shots = SHOTS if options.shots is None else options.shots
        description, examples = _worked(prompts / f"{subject}.txt")
        if shots > len(examples):
            raise DocumentError(f"{subject!r} has {len(examples)} worked examples, not {shots}; ask for fewer shots")
        items = [
            _item(subject, number, row, description, examples[:shots], options)
            for number, row in enumerate(_rows(questions / f"{subject}.json")[: options.limit])
        ]
        tasks.append(BigBenchHard(subject, items, is_worked=shots > 0))
    return tasks


def _item(
    subject: str,
    number: int,
    row: dict[str, Any],
    description: str,
    examples: Sequence[Example],
    options: TaskOptions,
) -> TaskItem:
    is_worked = bool(examples)
    question = f"Q: {row['input']}\n" + (STEPS if is_worked else "A:")
    return TaskItem(
        id=f"{subject}/{number}",
        cluster=f"{subject}/{number}",
        prompt=few_shot_prompt(description, examples, question, options, delimiter="" if is_worked else " "),
        target=row["target"],
        question=row["input"],
        tags=(subject,),
        seed=options.seed,
        max_tokens=1024 if is_worked else 256,
        stop=WORKED_STOP if is_worked else PLAIN_STOP,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        data = load_json(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as exc:
        raise DocumentError(f"{str(path)!r} cannot be read: {exc}") from exc
    rows = data.get("examples") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise DocumentError(f"{str(path)!r} has no list 'examples'")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("input", "target")):
            raise DocumentError(f"{str(path)!r}, example {number}: it needs the texts 'input' and 'target'")
    return rows


def _worked(path: Path) -> tuple[str, list[Example]]:
    """The description and the worked examples of a prompt file: behind a line of dashes, then in paragraphs."""
    body = text_of(path).rpartition("-----\n")[2].strip()
    description, *blocks = re.split(r"\n\n(?=Q: )", body)
    examples = []
    for block in blocks:
        question, steps, answer = block.partition(STEPS)
        if not steps:
            raise DocumentError(f"{str(path)!r}: an example has no line {STEPS.strip()!r}")
        examples.append(Example(question + steps, answer.strip()))
    return f"{description.strip()}\n\n", examples


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).strip().lower()
