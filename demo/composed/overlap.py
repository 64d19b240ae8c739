"""How the steps of composed questions overlap with what the models that solve them were trained on.

The demo world holds content out by a hash of its key (`demo.world.item.split_of`): no training item, in whichever
phrasing or language, has a key that the hash holds out. So whether a step can stand in the training data is known from
its key alone, and no training data has to be drawn again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from demo.composed.comparing import in_order
from demo.composed.operations import recognise, work_out
from demo.composed.question import ComposedQuestion
from demo.world.item import split_of
from multi_llm_comparator.plans.prompts import joined_results, step_prompt


@dataclass(frozen=True, slots=True)
class Overlap:
    """Steps of questions, counted. `worked_out` are those with numbers, times, lists or letters to work on, `taught`
    those of them that can stand in the training data; `known` ask for a fact, a translation or an irregular plural,
    which a model must have been taught to know. Steps that only join answers are not counted."""

    worked_out: int
    taught: int
    known: int

    @property
    def share(self) -> float:
        return self.taught / self.worked_out if self.worked_out else 0.0


def overlap_of(questions: Iterable[ComposedQuestion]) -> Overlap:
    """The overlap, with steps as they are asked where every step before is answered exactly."""
    worked_out = taught = known = 0
    for question in questions:
        for key in step_keys(question):
            known += key is None
            worked_out += key is not None
            taught += key is not None and split_of(key) == "train"
    return Overlap(worked_out, taught, known)


def step_keys(question: ComposedQuestion) -> list[str | None]:
    """The content key of each step that asks a model, as `Operation.key` says.

    Raises:
        ValueError: a step is no operation of the demo world.
    """
    answers: dict[str, str] = {}
    keys: list[str | None] = []
    for step in in_order(question.plan):
        if (joined := joined_results(step, answers)) is not None:
            answers[step.id] = joined
            continue
        prompt = step_prompt(step, answers, {})
        answers[step.id] = work_out(prompt)
        if found := recognise(prompt):
            keys.append(found.operation.key(found.arguments))
    return keys
