"""The figures of one answer, over all its legs: what a table, a chart and an export show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from multi_llm_comparator.core.timings import AnswerProgress, known_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Times in seconds, memory in bytes; None means not yet, or never.

    An answer that was continued has several legs: one request each. Times and generated tokens are sums over the legs,
    so that the pause between them counts for nothing; ``ttft_s``, ``prompt_tokens`` and ``cached_tokens`` are the first
    leg's, ``memory_bytes`` is the latest. ``tokens_per_second`` is the speed of decoding alone. ``contended_by`` are
    the models that were at work on the same device meanwhile, ``thought_tokens`` those of ``tokens`` that were no part
    of the answer, ``batched_with`` the most other answers that the model itself was writing at the same time.
    """

    queued_s: float | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    ttft_s: float | None = None
    decode_s: float | None = None
    duration_s: float | None = None
    tokens_per_second: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    thought_s: float | None = None
    thought_tokens: int = 0
    thought_tokens_per_second: float | None = None
    memory_bytes: int | None = None
    contended_by: tuple[str, ...] = ()
    batched_with: int = 0
    cost_usd: float | None = None
    legs: int = 1

    def to_dict(self) -> dict[str, Any]:
        """As plain data; of an answer without thoughts nothing about them, as of almost all."""
        data = asdict(self)
        if not self.thought_tokens:
            data = {name: value for name, value in data.items() if not name.startswith("thought_")}
        return data


def figures_of(legs: Sequence[AnswerProgress]) -> Figures:
    """Put together the figures of an answer's legs, oldest first; at least one."""
    decoded = [(leg.answer_tokens - 1, span) for leg in legs if leg.answer_tokens > 1 and (span := _decode_s(leg))]
    decode_s = sum(span for _, span in decoded)
    return Figures(
        queued_s=known_sum(leg.queued_s for leg in legs),
        load_s=known_sum(leg.load_s for leg in legs),
        prefill_s=known_sum(leg.prefill_s for leg in legs),
        ttft_s=legs[0].ttft_s,
        decode_s=decode_s or None,
        duration_s=known_sum(leg.duration_s for leg in legs),
        tokens_per_second=sum(tokens for tokens, _ in decoded) / decode_s if decode_s else None,
        prompt_tokens=legs[0].prompt_tokens,
        cached_tokens=legs[0].cached_tokens,
        tokens=sum(leg.tokens for leg in legs),
        thought_s=known_sum(leg.thought_s for leg in legs),
        thought_tokens=sum(leg.thought_tokens for leg in legs),
        thought_tokens_per_second=next((speed for leg in legs if (speed := leg.thought_tokens_per_second)), None),
        memory_bytes=next((leg.memory_bytes for leg in reversed(legs) if leg.memory_bytes is not None), None),
        contended_by=tuple(sorted({other for leg in legs for other in leg.contended_by})),
        batched_with=max(leg.batched_with for leg in legs),
        cost_usd=known_sum(leg.cost_usd for leg in legs),
        legs=len(legs),
    )


def _decode_s(leg: AnswerProgress) -> float | None:
    if leg.first_token_at is None or leg.last_token_at is None:
        return None
    return max(0.0, leg.last_token_at - leg.first_token_at)
