"""Measuring a demo model on held-out questions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from tokenizers import Tokenizer
from transformers import PreTrainedModel

from demo.answering import answer_all
from demo.scoring import is_correct
from demo.world import DIFFICULTIES, LANGUAGES, TASKS, Item, generate

EVALUATION_SEED = 2026


@dataclass(frozen=True, slots=True)
class Answered:
    """A held-out item with the model's answer."""

    item: Item
    text: str
    correct: bool


class Score(TypedDict):
    """Right answers among items; `accuracy` is their quotient, rounded to four places."""

    items: int
    right: int
    accuracy: float


class Report(TypedDict):
    """A measurement. `tasks` has "TASK DIFFICULTY LANGUAGE" for every group that has items."""

    seed: int
    overall: Score
    halves: dict[str, Score]
    languages: dict[str, Score]
    tasks: dict[str, Score]


def measure(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    items: int,
    seed: int = EVALUATION_SEED,
    tasks: Sequence[str] | None = None,
) -> list[Answered]:
    """Answers to about `items` held-out questions: rounded up to whole rounds of task x language x difficulty."""
    per_round = 4 * len(tasks or TASKS)
    drawn = generate(seed, -(-items // per_round) * per_round, "heldout", tasks)
    # The same question may be drawn twice where a task's world is small; it counts once.
    questions = list({(item.task, item.prompt): item for item in drawn}.values())
    model.eval()
    texts = answer_all(model, tokenizer, [item.prompt for item in questions])
    return [Answered(item, text, is_correct(item, text)) for item, text in zip(questions, texts, strict=True)]


def score(answered: Iterable[Answered]) -> Score:
    """Counts right answers; no items give an accuracy of 0."""
    marks = [a.correct for a in answered]
    return {"items": len(marks), "right": sum(marks), "accuracy": round(sum(marks) / max(len(marks), 1), 4)}


def _scores(answered: Sequence[Answered], name: Callable[[Item], str]) -> dict[str, Score]:
    groups: dict[str, list[Answered]] = {}
    for a in answered:
        groups.setdefault(name(a.item), []).append(a)
    return {group: score(members) for group, members in groups.items()}


def summary(answered: Sequence[Answered], seed: int = EVALUATION_SEED) -> Report:
    """The figures of a measurement: overall, by difficulty, by language, and by all three with the task."""
    tasks = _scores(answered, lambda item: f"{item.task} {item.difficulty} {item.language}")
    order = [f"{task} {level} {language}" for task in TASKS for level in DIFFICULTIES for language in LANGUAGES]
    return {
        "seed": seed,
        "overall": score(answered),
        "halves": _scores(answered, lambda item: item.difficulty),
        "languages": _scores(answered, lambda item: item.language),
        "tasks": {name: tasks[name] for name in order if name in tasks},
    }
