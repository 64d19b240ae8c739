"""How long the answer to a step will be, from earlier answers: to the same task, else to tasks that read like it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.prompts import filled_task

# A chain of steps that quote each other several times over grows without end; by its beginning it is known well enough.
MAX_WHOLE_CHARACTERS = 1_000
# More earlier answers than this make nothing better, and each is looked at for each step.
MAX_COMPARED = 200
_WORD = re.compile(r"\d+|[A-Za-z\u00c0-\u024f]+|\S")
# How much each counts; learnt on plans of the demo world, each predicted from the others.
_PER_DIFFICULTY, _PER_LENGTH, _PER_WORDS = 0.5, 1.0, 8.0


@dataclass(frozen=True, slots=True)
class SeenAnswer:
    """An answer that a model gave to a step: how long it was, in tokens, and to what.

    ``task`` is the step's own, ``whole`` the same with the tasks of those that it needs instead of their answers, which
    had ``quoted_tokens``. ``read_tokens`` are those of the prompt's ``prompt_tokens`` that the model did not have in
    memory.
    """

    task: str
    whole: str
    difficulty: int
    token: int
    tokens: int
    read_tokens: int = 0
    quoted_tokens: int = 0
    prompt_tokens: int = 0


def whole_tasks(steps: Iterable[Step]) -> dict[str, str]:
    """The tasks of steps, by id, each with the tasks of those that it needs in the places of their answers.

    Args:
        steps: of one plan, in its order. What quotes a later one stays as it is written.
    """
    whole: dict[str, str] = {}
    for step in steps:
        needed = {n: f"({whole[n]})" for n in step.rely if n in whole}
        text, quoted = filled_task(step, needed)
        listed = [needed[n] for n in needed.keys() - quoted]
        whole[step.id] = "\n".join([text, *sorted(listed)])[:MAX_WHOLE_CHARACTERS]
    return whole


def expected_tokens(seen: Sequence[SeenAnswer], step: Step, whole: str) -> float | None:
    """Tokens that the answer to a step will have, within its budget; None if nothing was ever seen.

    Args:
        seen: earlier answers of the model, the latest last.
        step: what is to be solved.
        whole: its task as :func:`whole_tasks` gives it.
    """
    if not seen:
        return None
    # Where a task quotes answers, its own words alone do not say what is asked.
    quotes_none = whole.startswith(step.task)
    same = [s.tokens for s in seen if s.whole == whole]
    if same or (quotes_none and (same := [s.tokens for s in seen if s.task == step.task])):
        return min(float(step.token), median(same))
    latest = seen[-MAX_COMPARED:]
    weights = [math.exp(-_distance(s, step)) for s in latest]
    likely = sum(w * s.tokens for w, s in zip(weights, latest, strict=True)) / sum(weights)
    return min(float(step.token), likely)


def _distance(seen: SeenAnswer, step: Step) -> float:
    """How unlike they are: difficulty, budget, length and words of the task count."""
    ours, theirs = _words(step.task), _words(seen.task)
    shared = len(ours & theirs) / max(1, len(ours | theirs))
    return (
        _PER_DIFFICULTY * abs(seen.difficulty - step.difficulty)
        + abs(math.log(seen.token / step.token))
        + _PER_LENGTH * abs(math.log((1 + len(seen.task)) / (1 + len(step.task))))
        + _PER_WORDS * (1 - shared)
    )


@lru_cache(maxsize=4096)
def _words(task: str) -> frozenset[str]:
    """The words of a task; of a number only how many digits it has, of Chinese the characters."""
    return frozenset("#" * len(word) if word.isdigit() else word.lower() for word in _WORD.findall(task[:2000]))
