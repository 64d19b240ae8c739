"""Examples for the Plans page: composed questions of the demo world, each with a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.ui.kit.i18n import LANGUAGES

_FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Example:
    """A question with a plan that answers it."""

    name: str
    question: str
    plan: Plan


@cache
def examples(language: Language) -> tuple[Example, ...]:
    """All examples in one language."""
    assert language in LANGUAGES
    found = []
    for entry in parse_yaml(_FILE.read_bytes()):
        words = entry[language]
        steps = tuple(
            Step(str(number), task, difficulty, token, tuple(map(str, rely)))
            for number, (task, (difficulty, token, rely)) in enumerate(
                zip(words["tasks"], entry["shape"], strict=True), 1
            )
        )
        found.append(Example(entry["name"], words["question"], Plan(steps)))
    return tuple(found)


def template(question: str, language: Language) -> Plan:
    """Where to begin when a plan is written by hand: the plan of a known question, else one step that asks it."""
    known = next((e.plan for e in examples(language) if e.question == question), None)
    return known or Plan((Step("1", question, 5, 256),))
