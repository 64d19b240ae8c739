"""BIG-Bench Hard (arXiv 2210.09261): 27 tasks, answers with worked reasoning, as lm-eval's ``bbh_cot_fewshot`` 4.0.

Its folder is the authors' own: ``bbh`` with a JSON file a task and ``cot-prompts`` with a text file a task, which holds
a description and three worked examples. Without examples (``shots=0``) it is asked with the description alone, as
``bbh_zeroshot`` 3.0. On the Hub ``SaylorTwift/bbh``, as for lm-eval: it has questions and answers alone. Examples from
there are a subject's first questions with their answers, which are then not asked; lm-eval has no such task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.prompts import Example, few_shot_prompt
from multi_llm_comparator.evaluation.tasks.sources import (
    HUB,
    chosen_subjects,
    folder_with,
    hub_rows,
    subjects_in,
    text_of,
)

# What stands before a question: worked examples, examples with their answers alone, or nothing.
Form = Literal["worked", "direct", "plain"]
# What the task is then called behind "bbh_", and its version.
FORMS: dict[Form, tuple[str, str]] = {
    "worked": ("cot_fewshot", "4.0"),
    "direct": ("direct", "1"),
    "plain": ("zeroshot", "3.0"),
}
HUB_NAME = "SaylorTwift/bbh"
SHOTS = 3
MAX_FILE_BYTES = 64 * 2**20
MAX_JUDGED_CHARS = 20_000
STEPS = "A: Let's think step by step.\n"
STOPS: dict[Form, tuple[str, ...]] = {
    "worked": ("</s>", "Q", "\n\n"),
    "direct": ("</s>", "Q:", "\n\n"),
    "plain": ("</s>", "Q:", "<|im_end|>"),
}
NOTHING = "[invalid]"
_ANSWER = re.compile(r"(?<=the answer is )(.*)(?=.)")
# What does not count where the whole answer is compared.
_IGNORED = re.compile(r'\.$|,|\n|\\|"')
_DEDUCTION = "A logical deduction task which requires deducing the order of a sequence of objects."
_SWAPS = (
    "A task requiring determining the final positions of a set of objects given their initial positions and a "
    "description of a sequence of swaps."
)
# The authors' description of each task, which the Hub has not: the first lines of their prompt files.
DESCRIPTIONS = {
    "boolean_expressions": "Evaluate the result of a random Boolean expression.",
    "causal_judgement": "Answer questions about causal attribution.",
    "date_understanding": "Infer the date from context.",
    "disambiguation_qa": "Clarify the meaning of sentences with ambiguous pronouns.",
    "dyck_languages": "Correctly close a Dyck-n word.",
    "formal_fallacies": "Distinguish deductively valid arguments from formal fallacies.",
    "geometric_shapes": "Name geometric shapes from their SVG paths.",
    "hyperbaton": "Order adjectives correctly in English sentences.",
    "logical_deduction_five_objects": _DEDUCTION,
    "logical_deduction_seven_objects": _DEDUCTION,
    "logical_deduction_three_objects": _DEDUCTION,
    "movie_recommendation": "Recommend movies similar to the given list of movies.",
    "multistep_arithmetic_two": "Solve multi-step arithmetic problems.",
    "navigate": (
        "Given a series of navigation instructions, determine whether one would end up back at the starting point."
    ),
    "object_counting": "Questions that involve enumerating objects and asking the model to count them.",
    "penguins_in_a_table": "Answer questions about a table of penguins and their attributes.",
    "reasoning_about_colored_objects": ("Answer extremely simple questions about the colors of objects on a surface."),
    "ruin_names": "Select the humorous edit that 'ruins' the input movie or musical artist name.",
    "salient_translation_error_detection": (
        "Detect the type of error in an English translation of a German source sentence."
    ),
    "snarks": (
        "Determine which of two sentences is sarcastic.\n\nAccording to Cambridge University Dictionary, sarcasm is "
        "\"the use of remarks that clearly mean the opposite of what they say, made in order to hurt someone's "
        'feelings or to criticize something in a humorous way." Sarcastic sentences often contain satirical or ironic '
        "utterances, hyperboles, ambivalent or witty remarks."
    ),
    "sports_understanding": (
        "Determine whether an artificially constructed sentence relating to sports is plausible or not."
    ),
    "temporal_sequences": ("Task description: Answer questions about which times certain events could have occurred."),
    "tracking_shuffled_objects_five_objects": _SWAPS,
    "tracking_shuffled_objects_seven_objects": _SWAPS,
    "tracking_shuffled_objects_three_objects": _SWAPS,
    "web_of_lies": "Evaluate a random boolean function expressed as a word problem.",
    "word_sorting": "Sort a list of words.",
}


class BigBenchHard(Task):
    """Exact match: behind "the answer is" where examples show that form, else of the whole answer."""

    kind: ClassVar[Kind] = "ask"
    group = "bbh"
    metrics = ("exact_match",)

    def __init__(self, subject: str, items: Sequence[TaskItem], form: Form) -> None:
        name, self.version = FORMS[form]
        self.name, self.items, self._form = f"bbh_{name}_{subject}", tuple(items), form

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this task wants an answer in words")
        target = str(item.target)
        if self._form == "worked":
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
    return _from_hub(options) if source == HUB else _from_folder(Path(source), options)


def shots_of(options: TaskOptions) -> int:
    """How many examples stand before each question."""
    return SHOTS if options.shots is None else options.shots


def _from_folder(root: Path, options: TaskOptions) -> list[Task]:
    # Its repository has a folder of its own name.
    root = root / "bbh" if (root / "bbh" / "bbh").is_dir() else root
    questions, prompts = folder_with(root, "bbh"), folder_with(root, "cot-prompts")
    shots = shots_of(options)
    tasks: list[Task] = []
    for subject in chosen_subjects(subjects_in(questions, ".json"), options.subjects, repr(str(questions))):
        description, examples = _worked(prompts / f"{subject}.txt")
        if shots > len(examples):
            raise DocumentError(f"{subject!r} has {len(examples)} worked examples, not {shots}; ask for fewer shots")
        rows = _rows(questions / f"{subject}.json")
        form: Form = "worked" if shots else "plain"
        items = _items(subject, rows, 0, description, examples[:shots], form, options)
        tasks.append(BigBenchHard(subject, items, form))
    return tasks


def _from_hub(options: TaskOptions) -> list[Task]:
    shots = shots_of(options)
    tasks: list[Task] = []
    for subject in chosen_subjects(list(DESCRIPTIONS), options.subjects, repr(HUB_NAME)):
        rows = _checked(hub_rows(HUB_NAME, subject, "test"), f"{HUB_NAME!r} ({subject})")
        if shots >= len(rows):
            raise DocumentError(
                f"{subject!r} has {len(rows)} questions: with {shots} as examples none is left; ask for fewer shots"
            )
        examples = [Example(_question(row), row["target"]) for row in rows[:shots]]
        form: Form = "direct" if shots else "plain"
        items = _items(subject, rows, shots, f"{DESCRIPTIONS[subject]}\n\n", examples, form, options)
        tasks.append(BigBenchHard(subject, items, form))
    return tasks


def _items(
    subject: str,
    rows: Sequence[dict[str, Any]],
    first: int,
    description: str,
    examples: Sequence[Example],
    form: Form,
    options: TaskOptions,
) -> list[TaskItem]:
    """The questions from the one numbered ``first`` on, each behind the same examples."""
    is_worked = form == "worked"
    delimiter = "" if is_worked else " "
    return [
        TaskItem(
            id=f"{subject}/{number}",
            cluster=f"{subject}/{number}",
            prompt=few_shot_prompt(
                description, examples, _question(row, is_worked=is_worked), options, delimiter=delimiter
            ),
            target=row["target"],
            question=row["input"],
            tags=(subject,),
            seed=options.seed,
            max_tokens=1024 if is_worked else 256,
            stop=STOPS[form],
        )
        for number, row in list(enumerate(rows))[first:][: options.limit]
    ]


def _question(row: dict[str, Any], *, is_worked: bool = False) -> str:
    return f"Q: {row['input']}\n" + (STEPS if is_worked else "A:")


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        data = load_json(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as exc:
        raise DocumentError(f"{str(path)!r} cannot be read: {exc}") from exc
    rows = data.get("examples") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise DocumentError(f"{str(path)!r} has no list 'examples'")
    return _checked(rows, repr(str(path)))


def _checked(rows: list[Any], where: str) -> list[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("input", "target")):
            raise DocumentError(f"{where}, example {number}: it needs the texts 'input' and 'target'")
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
