"""What a cooperation is: who works together, how, on which question. All that is needed to run it again."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from multi_llm_comparator.cooperation.normalising import AnswerKind
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.requests import Message

Mode = Literal["sequential", "parallel", "voting", "pipeline", "ensemble", "cascade", "council"]
MODES: tuple[Mode, ...] = get_args(Mode)
PREFIX = "cooperate:"
MAX_MEMBERS, MAX_SAMPLES, MAX_ROUNDS = 16, 16, 5
MAX_QUESTION_CHARS = 200_000
MAX_HISTORY = 200
MEMBER_TIMEOUT_S = 1800.0


class Member(ClosedModel):
    """Who takes part: any target of the gateway. ``role`` is its part in a pipeline; ``weight`` what its vote counts,
    None as measured, or 1 where nothing is. ``config`` None is that of the cooperation."""

    target: Annotated[str, Field(min_length=1, max_length=1024)]
    role: Annotated[str, Field(max_length=60)] = ""
    weight: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    config: ModelConfig | None = None

    @model_validator(mode="after")
    def _is_a_model(self) -> Member:
        if self.target.startswith(PREFIX):
            raise ValueError(f"{self.target!r} is a cooperation itself, and cannot be a member of one")
        return self


class CooperationSpec(ClosedModel):
    """One cooperation.

    Attributes:
        mode: how the members work together.
        members: in their order: of a cascade the last is the large one, in a sequence each builds on those before.
        question: what is asked; ``history`` is the conversation before it.
        integration: the strategy that makes one answer of several, by name; "" is the mode's own.
        integrator: who combines answers, judges and presides; "" is the member whose vote counts most.
        rounds: of voting (those after the first see the other answers, and happen only without a majority), and layers
            of an ensemble.
        samples: how often each member of an ensemble, and each small one of a cascade, answers.
        agreement: of a cascade, the share of the small ones that must agree.
        answers: what votes are compared as.
        stop_early: whether voting ends as soon as the rest cannot change it.
        confidence: ends it earlier: as soon as the leader stays ahead with this chance; None only for certain.
        deadline_s: of all of it, in seconds from its start or from where it is resumed.
        member_timeout_s: of one answer.
        constraint: what answers of members and the final one are held to.

    Raises:
        ValidationError: nobody takes part, too few for the mode, or more than fits.
    """

    mode: Mode
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MAX_MEMBERS)]
    question: Annotated[str, Field(min_length=1, max_length=MAX_QUESTION_CHARS)]
    history: Annotated[tuple[Message, ...], Field(max_length=MAX_HISTORY)] = ()
    integration: Annotated[str, Field(max_length=60)] = ""
    integrator: Annotated[str, Field(max_length=1024)] = ""
    rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS)] = 1
    samples: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] = 1
    agreement: Annotated[float, Field(gt=0, le=1)] = 1.0
    answers: AnswerKind = "auto"
    stop_early: bool = True
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] = 1
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    member_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = MEMBER_TIMEOUT_S
    config: ModelConfig = Field(default_factory=ModelConfig)
    constraint: Constraint | None = None
    title: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _is_whole(self) -> CooperationSpec:
        if not self.question.strip():
            raise ValueError("there is no question")
        if self.mode == "cascade" and len(self.members) < 2:
            raise ValueError("a cascade has at least two members: the small ones, and a large one at the end")
        if self.integrator.startswith(PREFIX):
            raise ValueError(f"{self.integrator!r} is a cooperation itself, and cannot combine answers")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """Everybody who may be asked, each once."""
        return tuple(dict.fromkeys([*(m.target for m in self.members), *filter(None, (self.integrator,))]))

    def weight(self, number: int) -> float:
        """What a member's vote counts."""
        found = self.members[number].weight
        return 1.0 if found is None else found

    @property
    def by_weight(self) -> tuple[int, ...]:
        """The members' numbers, the weightiest first."""
        return tuple(sorted(range(len(self.members)), key=lambda n: (-self.weight(n), n)))

    @property
    def chair(self) -> str:
        """Who combines answers, judges and presides."""
        return self.integrator or self.members[self.by_weight[0]].target


def checked_spec(**fields: object) -> CooperationSpec:
    """Build a cooperation.

    Raises:
        ConfigurationError: the first thing that is wrong with it.
        InvalidParameterError: a parameter of generation is out of its range.
    """
    spec = checked(CooperationSpec, fields)
    for config in (spec.config, *(member.config for member in spec.members if member.config)):
        config.validate()
    return spec
