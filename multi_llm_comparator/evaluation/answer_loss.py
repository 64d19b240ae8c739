"""What quantising costs on one's own prompt: how far other models' predictions are from a reference's, token by token
of an answer that the reference wrote.

As :mod:`evaluation.distributions`, but behind the prompt as the reference read it, and place by place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, ScoreResult, TextScorer
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.evaluation.distributions import TOP_K, losses_by_place

# Of one answer; 256 numbers travel for each.
MAX_TOKENS = 2048


class Predictions(TextScorer, Protocol):
    """The local engine: it scores, and tells tokens."""

    async def tokens(self, target: str, request: TokenRequest) -> TokenList:
        """Ask the tokenizer of ``target``."""


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """How far a model's predictions of one answer are from the reference's.

    Attributes:
        mean_kl: Kullback-Leibler divergence from the reference in nats per token.
        top1_agreement: share of places where both find the same token likeliest.
        by_token: the divergence at each token.
        breaks_at: the first token at which the model finds another one likeliest; None where it never does.
        instead: the text of what it finds likeliest there.
    """

    mean_kl: float
    top1_agreement: float
    by_token: tuple[float, ...]
    breaks_at: int | None = None
    instead: str = ""


@dataclass(frozen=True, slots=True)
class AnswerLosses:
    """Of one answer: the text of each of its tokens, and for each other model its loss, or why there is none."""

    tokens: tuple[str, ...]
    losses: Mapping[str, AnswerLoss | MultiLLMError]


async def loss_on_answer(
    engine: Predictions,
    reference: str,
    others: Sequence[str],
    prompt: str,
    answer: str,
    *,
    configs: Mapping[str, ModelConfig],
    tokens: Sequence[int] = (),
    top_k: int = TOP_K,
) -> AnswerLosses:
    """Compare models with ``reference`` on an answer.

    Args:
        engine: has the models.
        reference: wrote the answer, or may have written it.
        others: models with its tokenizer; one with another is told apart in the result.
        prompt: as the reference read it, control tokens by their names.
        answer: its text.
        configs: how each model is loaded, by name.
        tokens: of the answer, where they are known; else the text is split anew.
        top_k: so many of the reference's likeliest tokens are compared one by one at each place.

    Raises:
        MultiLLMError: the reference cannot be scored, or the answer has no tokens.
    """
    read = await _tokens(engine, reference, prompt, configs[reference], adds_begin=True)
    known = await engine.tokens(
        reference,
        TokenRequest(tokens=tuple(tokens), config=configs[reference])
        if tokens
        else TokenRequest(text=answer, adds_begin=False, config=configs[reference]),
    )
    written = known.tokens[:MAX_TOKENS]
    if not written or not read:
        raise InferenceError("the answer or its prompt has no tokens; choose an answer with some text")
    asked = ScoreRequest(prefix=read, continuations=(written,), config=configs[reference], top_k=top_k)
    own = (await engine.score(reference, asked)).continuations[0]
    losses: dict[str, AnswerLoss | MultiLLMError] = {}
    for other in others:
        try:
            losses[other] = await _loss(engine, other, configs[other], prompt, read, own)
        except MultiLLMError as exc:
            losses[other] = exc
    return AnswerLosses(tuple(text for text, _ in known.spelled[:MAX_TOKENS]), losses)


async def _loss(
    engine: Predictions,
    target: str,
    config: ModelConfig,
    prompt: str,
    read: tuple[int, ...],
    own: ContinuationScore,
) -> AnswerLoss:
    if await _tokens(engine, target, prompt, config, adds_begin=True) != read:
        raise InferenceError(f"{target!r} splits the prompt into other tokens: it has another tokenizer")
    places = tuple(place.ids for place in own.top)
    asked = ScoreRequest(prefix=read, continuations=(own.tokens,), config=config, top_k=1, at=places)
    result: ScoreResult = await engine.score(target, asked)
    score = result.continuations[0]
    divergence, same = losses_by_place(own, score)
    breaks_at = next((place for place, is_same in enumerate(same) if not is_same), None)
    instead = ""
    if breaks_at is not None:
        token = score.top[breaks_at].ids[:1]
        instead = (await engine.tokens(target, TokenRequest(tokens=token, config=config))).text
    return AnswerLoss(
        mean_kl=sum(divergence) / len(divergence),
        top1_agreement=sum(same) / len(same),
        by_token=tuple(divergence),
        breaks_at=breaks_at,
        instead=instead,
    )


async def _tokens(
    engine: Predictions, target: str, text: str, config: ModelConfig, *, adds_begin: bool
) -> tuple[int, ...]:
    asked = TokenRequest(text=text, adds_begin=adds_begin, reads_control=True, config=config)
    return (await engine.tokens(target, asked)).tokens


def scoring_config(config: ModelConfig) -> ModelConfig:
    """The same model, without what would count its tokens while it writes."""
    return replace(config, top_logprobs=None, logit_bias=None, thinking_budget=None)
