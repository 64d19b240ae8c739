"""A composed question: what is asked, the plan that answers it, and the exact answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from xml.sax.saxutils import escape

from demo.composed.operations import OPERATIONS
from demo.world.item import Language, split_of
from multi_llm_comparator.plans import Plan, Step

JOIN_DIFFICULTY, JOIN_TOKENS = 1, 24
REDRAWS = 60
"""One step in ten is new."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ComposedQuestion:
    """`key` names the content that decides the split, as for the questions of the demo world."""

    prompt: str
    plan: Plan
    answer: str
    family: str
    language: Language
    key: str


@dataclass(frozen=True, slots=True)
class Result:
    """The answer of a step: in tasks it is written as a quote, and its exact value is known beforehand."""

    step_id: str
    value: str

    def __str__(self) -> str:
        return f"{{{self.step_id}}}"

    @property
    def number(self) -> int:
        return int(self.value)


Argument = Result | Sequence[Result] | int | str


class Unsuitable(Exception):
    """What was drawn leads outside what is wanted; another draw will do."""


@dataclass(slots=True)
class Draft:
    """A plan in the making; its steps are worked out as they are added.

    With ``only_new`` it takes no step that can stand in the training data of the models that solve steps, unless that
    only asks for something one must know.
    """

    language: Language
    only_new: bool = False
    steps: list[Step] = field(default_factory=list)
    answer: str = ""

    def ask(self, name: str, *arguments: Argument) -> Result:
        """Add the step of an operation; a sequence of results is written as a list.

        Raises:
            Unsuitable: the step is none that this draft takes.
        """
        operation = OPERATIONS[name]
        written, values = [_written(a) for a in arguments], tuple(_value(a) for a in arguments)
        if self.only_new and (key := operation.key(values)) is not None and split_of(key) == "train":
            raise Unsuitable
        self.answer = operation.solve(self.language, values)
        return self._add(
            operation.task(self.language, written), operation.difficulty(tuple(written)), operation.tokens, arguments
        )

    def join(self, results: Sequence[Result]) -> Result:
        """Add the step that puts several results side by side: a task of nothing but quotes."""
        self.answer = _value(results)
        return self._add(_written(results), JOIN_DIFFICULTY, JOIN_TOKENS, [results])

    def redrawn(self, draw: Callable[[], T]) -> T:
        """What ``draw`` gives; of a draft of new steps only, drawn again a while until its steps are."""
        steps, answer = len(self.steps), self.answer
        for _ in range(REDRAWS if self.only_new else 0):
            try:
                return draw()
            except Unsuitable:
                del self.steps[steps:]
                self.answer = answer
        return draw()

    def plan(self) -> Plan:
        return Plan(tuple(self.steps))

    def _add(self, task: str, difficulty: int, token: int, arguments: Sequence[Argument]) -> Result:
        needed = [r.step_id for argument in arguments for r in _results(argument)]
        step = Step(str(len(self.steps) + 1), task, difficulty, token, tuple(sorted(set(needed), key=int)))
        self.steps.append(step)
        return Result(step.id, self.answer)


def _results(argument: Argument) -> Sequence[Result]:
    if isinstance(argument, Result):
        return [argument]
    return argument if not isinstance(argument, int | str) else []


def _written(argument: Argument) -> str:
    return str(argument) if isinstance(argument, Result | int | str) else ", ".join(map(str, argument))


def _value(argument: Argument) -> str:
    if isinstance(argument, Result):
        return argument.value
    return str(argument) if isinstance(argument, int | str) else ", ".join(r.value for r in argument)


def compact_xml(plan: Plan) -> str:
    """The plan as the demo planner writes it: on one line, each token of which it has to write."""
    lines = (
        f'<Step ID="{s.id}" Task="{escape(s.task, {chr(34): "&quot;"})}" Difficulty="{s.difficulty}" '
        f'Token="{s.token}" Rely="{",".join(s.rely)}"/>'
        for s in plan.steps
    )
    return f"<Plan>{''.join(lines)}</Plan>"
