"""Training conversations of the demo planner: a question, and its plan."""

import random

from demo.composed import FAMILIES, draw_composed
from demo.composed.question import ComposedQuestion, Draft, compact_xml
from demo.conversations import Turn
from demo.world.item import LANGUAGES

SINGLE_SHARE = 0.04
"""How often a question needs no splitting: its plan is one step that asks just that."""


class PlannerConversations:
    """Draws questions with their plans from the training split."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._families = tuple(FAMILIES)

    def conversation(self) -> list[Turn]:
        """One question and its plan."""
        rng = self._rng
        language = rng.choice(LANGUAGES)
        question = draw_composed(rng, rng.choice(self._families), language, "train")
        if rng.random() < SINGLE_SHARE:
            return self._single(question)
        return [("user", self._dressed(question.prompt)), ("assistant", compact_xml(question.plan))]

    def _single(self, question: ComposedQuestion) -> list[Turn]:
        """The first step of a plan on its own."""
        draft = Draft(question.language)
        draft.steps.append(question.plan.steps[0])
        return [("user", question.plan.steps[0].task), ("assistant", compact_xml(draft.plan()))]

    def _dressed(self, prompt: str) -> str:
        """The question, now and then typed carelessly."""
        chance = self._rng.random()
        if chance < 0.04:
            return prompt.rstrip("?.。？")
        if chance < 0.06:
            return prompt[0].lower() + prompt[1:]
        return prompt
