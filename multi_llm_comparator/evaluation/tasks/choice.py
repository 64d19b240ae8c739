"""Multiple choice: the likeliest label behind the question is the model's choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.scores import ScoreResult, best_of
from multi_llm_comparator.evaluation.scoring import chosen_letter, final_answer
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.prompts import Example, choices_after, few_shot_prompt

LABELS = ("A", "B", "C", "D")


class ChoiceTask(Task):
    """Questions with lettered choices. ``acc`` compares log-probabilities, ``acc_norm`` divides each by the length of
    its label first, which is the same for letters; both as lm-eval has them."""

    kind: ClassVar[Kind] = "choose"
    metrics = ("acc", "acc_norm")

    def __init__(self, name: str, group: str, version: str, items: Sequence[TaskItem]) -> None:
        self.name, self.group, self.version, self.items = name, group, version, tuple(items)

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        return score_choice(item, answer)


def score_choice(item: TaskItem, answer: ItemAnswer) -> ItemScore:
    """Whether the likeliest of an item's choices, or the one that was written, is the right one."""
    right = int(item.target)
    if isinstance(answer, str):
        return _of_text(item, right, answer)
    if len(answer.continuations) != len(item.labels):
        return ItemScore(value=0.0, correct=False, reason="the scores are not those of this question's choices")
    return _of_scores(item, right, answer)


def _of_scores(item: TaskItem, right: int, answer: ScoreResult) -> ItemScore:
    chosen = answer.best
    by_length = best_of([value / len(label) for value, label in zip(answer.logprobs, item.labels, strict=True)])
    reason = f"chose {item.labels[chosen]}, right is {item.labels[right]}"
    if answer.is_tie:
        reason += "; another choice is as likely"
    correct = chosen == right
    return ItemScore(
        value=float(correct),
        correct=correct,
        reason=reason,
        extracted=item.labels[chosen],
        is_tie=answer.is_tie,
        metrics={"acc": float(correct), "acc_norm": float(by_length == right)},
    )


def _of_text(item: TaskItem, right: int, answer: str) -> ItemScore:
    letter = chosen_letter(final_answer(answer)) or ""
    if letter not in item.labels:
        return ItemScore(value=0.0, correct=False, reason="no choice was found in the answer", metrics={"acc": 0.0})
    correct = letter == item.labels[right]
    return ItemScore(
        value=float(correct),
        correct=correct,
        reason=f"wrote {letter}, right is {item.labels[right]}",
        extracted=letter,
        metrics={"acc": float(correct)},
    )


class Question:
    """One row of a data set of lettered choices."""

    def __init__(self, text: str, right: int, id: str, about: dict[str, Any]) -> None:
        self.text, self.right, self.id, self.about = text, right, id, about


def lettered(question: str, choices: Sequence[str], ending: str) -> str:
    """The question, its choices in lines of their own, and the words that the answer follows."""
    lines = [question.strip(), *(f"{label}. {choice}" for label, choice in zip(LABELS, choices, strict=True)), ending]
    return "\n".join(lines)


def letter_number(letter: str, where: str) -> int:
    """The number of a right choice.

    Raises:
        DocumentError: it is no letter of a choice.
    """
    try:
        return LABELS.index(letter.strip())
    except ValueError:
        raise DocumentError(f"{where}: the right answer is {letter!r}, which is none of A, B, C and D") from None


def choice_items(
    name: str, description: str, shots: Sequence[Question], questions: Sequence[Question], options: TaskOptions
) -> list[TaskItem]:
    """Items whose prompts begin with the same examples, the first ones of the subject."""
    wanted = 5 if options.shots is None else options.shots
    if wanted > len(shots):
        raise DocumentError(f"{name!r} has {len(shots)} examples, not {wanted}; ask for fewer shots")
    examples = [Example(one.text, LABELS[one.right]) for one in shots[:wanted]]
    items = []
    for one in questions[: options.limit]:
        prompt = few_shot_prompt(description, examples, one.text, options)
        items.append(
            TaskItem(
                id=one.id,
                cluster=one.id,
                prompt=prompt,
                target=one.right,
                choices=choices_after(prompt, LABELS),
                labels=LABELS,
                question=one.text,
                tags=(name,),
                seed=options.seed,
                about=one.about,
            )
        )
    return items
