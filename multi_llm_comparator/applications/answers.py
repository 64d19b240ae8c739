"""The answers of a run: kept as they come, and given again when the same is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from multi_llm_comparator.applications.desk import Question, Reply
from multi_llm_comparator.core.requests import UNCONSTRAINED
from multi_llm_comparator.core.timings import AnswerProgress

# Questions ask for a page at most. Each sentence, number and quote of a reply is looked at on the event loop.
MAX_REPLY_CHARS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Reply):
    """One question of a run with its answer. ``digest`` tells whether the same is asked again."""

    digest: str
    tokens: int = 0
    prompt_tokens: int = 0
    cost_usd: float | None = None
    answered_by: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Answered:
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


def answered(digest: str, target: str, progress: AnswerProgress) -> Answered:
    """What came of a question."""
    is_done, is_long = progress.state == "done", len(progress.text) > MAX_REPLY_CHARS
    return Answered(
        digest=digest,
        text=progress.text[:MAX_REPLY_CHARS],
        error="" if is_done else progress.error or "the answer was cut off",
        error_type="" if is_done else progress.error_type or "InferenceError",
        is_cut=is_long or progress.finish_reason == "length",
        is_free=UNCONSTRAINED in progress.notes,
        tokens=progress.tokens,
        prompt_tokens=progress.prompt_tokens,
        cost_usd=progress.cost_usd,
        answered_by=progress.answered_by or target,
        seconds=progress.duration_s or 0.0,
    )


def digest_of(question: Question, target: str) -> str:
    """Of a question to somebody."""
    import hashlib

    asked = "\n".join([repr((question, target)), *question.images])
    return hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:32]
