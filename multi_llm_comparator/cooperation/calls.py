"""One call of one member: what it is for, and the answer as its events leave it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.timings import AnswerProgress

Purpose = Literal["answer", "vote", "review", "group", "integrate"]
# Why a member was not asked, or its answer not waited for or not used.
Reason = Literal["decided", "agreed", "deadline", "failed", "no_ballot", "no_weight", "not_reached"]
MAX_KEPT_PROMPT_CHARS = 20_000


@dataclass
class Call:
    """A call. ``member`` is the number of who was asked among the members, None for who integrates without being one.

    ``key`` names it within its run (``answer.0``, ``review.2``); ``asked`` is a digest of what was asked, by which a
    resumed run sees that an answer it has is to the very same. ``ballot`` is what its answer was counted as.
    """

    key: str
    target: str
    purpose: Purpose
    member: int | None = None
    role: str = ""
    round: int = 1
    sample: int = 0
    asked: str = ""
    ballot: str | None = None
    left: Reason | None = None
    progress: AnswerProgress = field(default_factory=lambda: AnswerProgress(requested_at=0.0))

    @property
    def is_done(self) -> bool:
        return self.progress.state == "done"

    @property
    def text(self) -> str:
        return self.progress.text

    def copied(self) -> Call:
        """As it is now, for readers on other threads."""
        return replace(self, progress=replace(self.progress))


def digest(target: str, messages: Sequence[Message], config: ModelConfig, constraint: Constraint | None) -> str:
    """What tells two calls apart that ask something else."""
    said = [target, [[m.role, m.content, list(m.images)] for m in messages], config.to_dict(), repr(constraint)]
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A member that was not asked, or whose answer does not count, and why."""

    target: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CooperationNote:
    """A remark on how the answer came to be: its code, and what fills its text in."""

    code: str
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, code: str, **values: object) -> CooperationNote:
        return cls(code, tuple((name, str(value)) for name, value in values.items()))
