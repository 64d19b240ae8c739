"""Whether two plans say the same, and what a plan comes to when every step is answered exactly."""

import re
from collections import Counter

from demo.composed.operations import QUOTE, listed, recognise, work_out
from multi_llm_comparator.plans import Plan, Step
from multi_llm_comparator.plans.executor import DEFAULT_THRESHOLD
from multi_llm_comparator.plans.prompts import joined_results, step_prompt

Meaning = tuple[object, ...]
"""What a step asks, whatever it is numbered and however it is worded: an operation, its arguments, what it needs."""


def meanings(plan: Plan) -> dict[str, Meaning]:
    """The meaning of each step, by id. An argument that quotes a step is that step's meaning."""
    found: dict[str, Meaning] = {}
    for step in in_order(plan):
        found[step.id] = (*_asked(step, found), frozenset(found[needed] for needed in step.rely))
    return found


def _asked(step: Step, known: dict[str, Meaning]) -> Meaning:
    def meant(argument: str) -> object:
        return known.get(argument[1:-1], argument) if re.fullmatch(QUOTE, argument) else argument

    task = recognise(step.task)
    if task is None:
        return ("only quoted", *map(meant, re.findall(QUOTE, step.task))) if _joins(step) else ("unknown", step.task)
    parts = [part for argument in task.arguments for part in listed(argument)]
    arguments = [meant(part) for part in parts]
    return (task.operation.name, *(sorted(arguments, key=repr) if task.operation.commutes else arguments))


def _joins(step: Step) -> bool:
    return joined_results(step, dict.fromkeys(step.rely, "")) is not None


def in_order(plan: Plan) -> list[Step]:
    """The steps, each after those it relies on."""
    ordered: dict[str, Step] = {}
    while len(ordered) < len(plan.steps):
        ordered |= {s.id: s for s in plan.steps if all(needed in ordered for needed in s.rely)}
    return list(ordered.values())


def same_dag(plan: Plan, expected: Plan) -> bool:
    """Whether both have the same steps with the same dependencies, up to numbering, order and phrasing."""
    return Counter(meanings(plan).values()) == Counter(meanings(expected).values())


def same_models(plan: Plan, expected: Plan, threshold: int = DEFAULT_THRESHOLD) -> bool:
    """Whether both send the same steps to the large model."""

    def sent(one: Plan) -> Counter[object]:
        meaning = meanings(one)
        return Counter((meaning[step.id], step.difficulty >= threshold) for step in one.steps)

    return sent(plan) == sent(expected)


def exact_answers(plan: Plan) -> dict[str, str]:
    """What each step comes to when it is answered exactly, by id, from prompts as the executor writes them.

    Raises:
        ValueError: a step asks something that is no operation of the demo world, or about something unknown to it.
    """
    answers: dict[str, str] = {}
    for step in in_order(plan):
        joined = joined_results(step, answers)
        answers[step.id] = work_out(step_prompt(step, answers, {})) if joined is None else joined
    return answers


def comes_to(plan: Plan, answer: str) -> bool:
    """Whether the plan ends in one step, and that in `answer`, when all steps are answered exactly."""
    try:
        return len(plan.sinks) == 1 and exact_answers(plan)[plan.sinks[0]] == answer
    except ValueError:
        return False
