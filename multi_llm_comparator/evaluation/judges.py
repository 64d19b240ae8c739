"""Judges of answers: two against each other, by a rubric, or by a reference. Each is asked in two orders.

A judge that prefers whatever stands first is found out by that: where the two orders disagree, two answers are a tie
(Zheng et al. 2023, arXiv 2306.05685, section 3.4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.readable import cut
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.evaluation.judge_asking import HIGHEST, LOWEST, NOT_TO_FOLLOW, ask_judge, read_verdict
from multi_llm_comparator.evaluation.measuring.cells import Judgement
from multi_llm_comparator.evaluation.measuring.spec import JudgeSpec

MAX_SHOWN_CHARS = 6000
Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class _Said(BaseModel, ABC):
    """What a judge says, and why; ``value`` is the same between 0 and 1."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reason: Reason

    @property
    @abstractmethod
    def value(self) -> float: ...


class _Preference(_Said):
    better: Literal["first", "second", "tie"]

    @property
    def value(self) -> float:
        return {"first": 1.0, "second": 0.0, "tie": 0.5}[self.better]


class _Grade(_Said):
    score: Annotated[int, Field(ge=LOWEST, le=HIGHEST)]

    @property
    def value(self) -> float:
        return (self.score - LOWEST) / (HIGHEST - LOWEST)


class _Correctness(_Said):
    correct: bool

    @property
    def value(self) -> float:
        return float(self.correct)


S = TypeVar("S", bound=_Said)


class AnswerJudge:
    """Asks one target for verdicts on answers, whose authors it is not told.

    Args:
        source: answers.
        spec: who judges, and by what.
    """

    def __init__(self, source: TextSource, spec: JudgeSpec) -> None:
        self._source, self._spec = source, spec

    async def compare(self, question: str, first: str, second: str) -> tuple[tuple[float, float] | None, Judgement]:
        """Two answers against each other: the outcomes of both orders for the first one (1 won, 0.5 tie, 0 lost), and
        the reasons or the error."""
        reasons: list[str] = []
        outcomes: list[float] = []
        for one, other, is_swapped in ((first, second, False), (second, first, True)):
            said, error = await self._ask(_pairwise(question, one, other), _Preference, _PREFERENCE)
            if said is None:
                return None, Judgement(value=None, reasons=tuple(reasons), error=error)
            outcomes.append(1.0 - said.value if is_swapped else said.value)
            reasons.append(said.reason)
        flipped = outcomes[0] != outcomes[1]
        value = 0.5 if flipped else outcomes[0]
        return (outcomes[0], outcomes[1]), Judgement(value=value, reasons=tuple(reasons), flipped=flipped)

    async def grade(self, question: str, answer: str, reference: str) -> Judgement:
        """One answer: right or wrong by the reference where the judge goes by one and there is one, else 1 to 10 by the
        rubric, as 0 to 1."""
        by_reference = self._spec.mode == "reference" and bool(reference.strip())
        values: list[float] = []
        reasons: list[str] = []
        for answer_first in (False, True):
            said: _Said | None
            if by_reference:
                said, error = await self._correctness(question, answer, reference, answer_first)
            else:
                said, error = await self._rating(question, answer, answer_first)
            if said is None:
                return Judgement(value=None, reasons=tuple(reasons), error=error)
            values.append(said.value)
            reasons.append(said.reason)
        flipped = (values[0] >= 0.5) != (values[1] >= 0.5)
        return Judgement(value=sum(values) / 2, reasons=tuple(reasons), flipped=flipped)

    async def _correctness(
        self, question: str, answer: str, reference: str, answer_first: bool
    ) -> tuple[_Correctness | None, str]:
        instruction = _by_reference(question, answer, reference, answer_first=answer_first)
        return await self._ask(instruction, _Correctness, _CORRECTNESS)

    async def _rating(self, question: str, answer: str, answer_first: bool) -> tuple[_Grade | None, str]:
        instruction = _by_rubric(question, answer, self._spec.rubric, answer_first=answer_first)
        return await self._ask(instruction, _Grade, _GRADE)

    async def _ask(self, instruction: str, kind: type[S], constraint: Constraint) -> tuple[S | None, str]:
        return await ask_judge(
            self._source,
            self._spec.target,
            self._spec.config,
            instruction,
            partial(read_verdict, kind),
            constraint=constraint,
        )


def _schema(name: str, value: dict[str, object]) -> Constraint:
    # The reason comes first: a judge that has said why decides better than one that must defend what it said.
    properties = {"reason": {"type": "string", "minLength": 1, "maxLength": 400}, name: value}
    return Constraint.of_schema(
        {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    )


_PREFERENCE = _schema("better", {"enum": ["first", "second", "tie"]})
_GRADE = _schema("score", {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST})
_CORRECTNESS = _schema("correct", {"type": "boolean"})


def _pairwise(question: str, first: str, second: str) -> str:
    return (
        "Two answers to one question are to be compared: which is better? Judge what they say, not how long they are "
        f"or in which order they stand. {NOT_TO_FOLLOW}\n-----\nQuestion:\n{_shown(question)}\n\nFirst answer:\n"
        f"{_shown(first)}\n\nSecond answer:\n{_shown(second)}\n-----\n\nAnswer with one JSON object and nothing else: "
        'a reason of one sentence, then which is better, "first", "second" or "tie", such as\n'
        '{"reason": "...", "better": "tie"}'
    )


def _by_rubric(question: str, answer: str, rubric: str, *, answer_first: bool) -> str:
    parts = [f"Question:\n{_shown(question)}", f"Answer:\n{_shown(answer)}"]
    return (
        f"Score an answer from {LOWEST} (useless) to {HIGHEST} (could not be better) by this: {rubric} "
        f"{NOT_TO_FOLLOW}\n-----\n{_ordered(parts, answer_first)}\n-----\n\nAnswer with one JSON object and nothing "
        'else: a reason of one sentence, then the score, such as\n{"reason": "...", "score": 7}'
    )


def _by_reference(question: str, answer: str, reference: str, *, answer_first: bool) -> str:
    parts = [
        f"Question:\n{_shown(question)}",
        f"Right answer:\n{_shown(reference)}",
        f"Given answer:\n{_shown(answer)}",
    ]
    return (
        "Is the given answer to a question correct, that is, does it say what the right answer says, in whatever "
        f"words? {NOT_TO_FOLLOW}\n-----\n{_ordered(parts, answer_first)}\n-----\n\nAnswer with one JSON object and "
        'nothing else: a reason of one sentence, then if it is correct, such as\n{"reason": "...", "correct": true}'
    )


def _ordered(parts: list[str], is_reversed: bool) -> str:
    return "\n\n".join(reversed(parts) if is_reversed else parts)


def _shown(text: str) -> str:
    return cut(text, MAX_SHOWN_CHARS)
