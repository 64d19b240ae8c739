"""Reading a plan while the planner still writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from multi_llm_comparator.plans.attributes import read_step
from multi_llm_comparator.plans.errors import (
    CycleError,
    DuplicateStepError,
    EmptyPlanError,
    MalformedPlanError,
    PlanTooLargeError,
    SecondPlanError,
    TruncatedPlanError,
    UnknownElementError,
)
from multi_llm_comparator.plans.markup import Preamble, Repairer
from multi_llm_comparator.plans.plan import Plan, Step

MAX_REPAIRS_KEPT = 100
MAX_NESTING = 4
_STEP_BEHIND = re.compile(r"<step\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Bounds on what a planner may write: characters of everything together, steps, and steps in one chain."""

    max_characters: int = 4_000_000
    max_steps: int = 10_000
    max_depth: int = 10_000


class PlanParser:
    """Feeds on a planner's text piece by piece and gives each step the moment its tag is closed.

    ``thinking`` is what stood in a ``<think>`` block, ``repairs`` what was repaired, in words. After an error it is of
    no more use.
    """

    def __init__(self, limits: PlanLimits | None = None) -> None:
        self.repairs: list[str] = []
        self._limits = limits or PlanLimits()
        self._preamble = Preamble()
        self._repairer = Repairer(self._note)
        self._xml: XMLPullParser[Element] = XMLPullParser(["start", "end"])
        # Since expat 2.6 (Python 3.13, late 3.11 and 3.12) short pieces wait for more unless it is told otherwise.
        self._flush: Callable[[], None] = getattr(self._xml, "flush", lambda: None)
        self._steps: dict[str, Step] = {}
        self._needed: set[str] = set()
        self._characters = 0
        self._nesting = 0
        self._has_begun = False
        self._has_ended = False
        self._behind = ""

    @property
    def thinking(self) -> str:
        return self._preamble.thinking.strip()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps read so far."""
        return tuple(self._steps.values())

    def feed(self, text: str) -> list[Step]:
        """Take a piece of the planner's text; returns the steps it completes.

        Raises:
            PlanError: something that cannot be repaired with certainty.
        """
        self._characters += len(text)
        if self._characters > self._limits.max_characters:
            raise PlanTooLargeError(f"the plan is longer than {self._limits.max_characters} characters")
        if not self._has_begun:
            begun = self._preamble.feed(text)
            if begun is None:
                return []
            text = self._begin(begun)
        found: list[Step] = []
        # One tag at a time: what follows the plan's end is not XML, and must reach neither repairer nor parser.
        for piece in _tags(text):
            if self._has_ended:
                self._look_behind(piece)
            else:
                self._read(self._repairer.feed(piece), found)
        return found

    def close(self, *, complete: bool = True) -> Plan:
        """The whole plan, after the last piece.

        Args:
            complete: whether the planner ended by itself, rather than being cut off.

        Raises:
            PlanError: no plan, a truncated one, or one whose steps do not form a DAG.
        """
        if not self._has_begun:
            self._preamble.close()
            raise EmptyPlanError("there is no <Plan> in the planner's answer")
        if not self._has_ended:
            self._finish(complete=complete)
        plan = Plan(self.steps)
        plan.validate()
        if plan.depth > self._limits.max_depth:
            raise PlanTooLargeError(f"the plan has a chain of {plan.depth} steps; {self._limits.max_depth} are allowed")
        return plan

    def _begin(self, text: str) -> str:
        self._has_begun = True
        if self._preamble.prose.strip():
            self._note("ignored the text before the plan")
        if text[1:5].lower() == "step":
            self._note("put the steps into the missing <Plan>")
            return "<Plan>" + text
        return text

    def _finish(self, *, complete: bool) -> None:
        self._read(self._repairer.feed("", final=True), [])
        if self._has_ended:
            return
        if not complete or not self._repairer.is_between_tags or not self._steps or self._nesting > 1:
            raise TruncatedPlanError(f"the plan breaks off after {len(self._steps)} steps; write it to its end")
        self._note("closed the plan, whose </Plan> is missing")

    def _read(self, markup: str, found: list[Step]) -> None:
        try:
            self._xml.feed(markup)
            self._flush()
            for event in self._xml.read_events():
                kind, element = cast("tuple[str, Element]", event)
                self._take(kind, element, found)
        except ParseError as exc:
            raise MalformedPlanError(f"the plan is not well-formed XML: {exc}") from exc

    def _look_behind(self, text: str) -> None:
        """What follows the plan is set aside as long as no steps are lost with it."""
        if text.strip():
            self._note("ignored the text after the plan")
        self._behind += text
        if _STEP_BEHIND.search(self._behind):
            raise SecondPlanError("there are steps after </Plan>; write one plan with all steps in it, and only once")
        self._behind = self._behind[-len("<step") :]

    def _take(self, kind: str, element: Element, found: list[Step]) -> None:
        name = element.tag.lower()
        if kind == "start":
            if name not in ("plan", "step"):
                raise UnknownElementError(f"the plan has a <{element.tag[:40]}>; write only Plan and Step elements")
            self._nesting += 1
            if self._nesting > MAX_NESTING:
                raise MalformedPlanError("the plan nests elements in each other; write Step elements side by side")
            return
        self._nesting -= 1
        if name == "step":
            step = read_step(element.attrib, self._note)
            if self._is_new(step):
                found.append(step)
        # The tree must not grow with the plan.
        element.clear()
        if self._nesting == 0:
            self._has_ended = True

    def _is_new(self, step: Step) -> bool:
        known = self._steps.get(step.id)
        if known == step:
            self._note(f"dropped the repetition of step {step.id!r}")
            return False
        if known is not None:
            raise DuplicateStepError(f"two different steps have the ID {step.id!r}")
        if len(self._steps) >= self._limits.max_steps:
            raise PlanTooLargeError(f"the plan has more than {self._limits.max_steps} steps")
        self._steps[step.id] = step
        if step.id in self._needed:
            self._refuse_cycle(step)
        self._needed.update(step.rely)
        return True

    def _refuse_cycle(self, new: Step) -> None:
        """A cycle is closed by its last step: only a step that earlier ones wait for can do that."""
        seen: set[str] = set()
        pending = list(new.rely)
        while pending:
            needed = pending.pop()
            if needed == new.id:
                raise CycleError(f"step {new.id!r} waits, through others, for itself")
            if needed not in seen and needed in self._steps:
                seen.add(needed)
                pending.extend(self._steps[needed].rely)

    def _note(self, repair: str) -> None:
        if len(self.repairs) < MAX_REPAIRS_KEPT and repair not in self.repairs:
            self.repairs.append(repair)


def _tags(markup: str) -> Iterator[str]:
    start = 0
    while (end := markup.find(">", start)) >= 0:
        yield markup[start : end + 1]
        start = end + 1
    if start < len(markup):
        yield markup[start:]


def parse_plan(text: str, *, limits: PlanLimits | None = None) -> Plan:
    """Read a whole plan; prose and a ``<think>`` block around it are set aside.

    Raises:
        PlanError: what is wrong with it, in words a planner can act on.
    """
    parser = PlanParser(limits)
    parser.feed(text)
    return parser.close()
