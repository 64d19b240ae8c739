"""What quantising a model costs: how far its predictions move from those of a reference, on given texts.

At each place of a text the reference's ``TOP_K`` likeliest tokens and all others together (the "rest") make a
distribution; the other model's probabilities of the same tokens, and its rest, make a second one. The Kullback-Leibler
divergence between the two is at most the one over the whole vocabulary, and equal to it as far as the rest is small:
how large it is on average is part of the result. So one place takes two kilobytes instead of four for every thousand
tokens of the vocabulary, and each model is loaded once and scores all texts before the next one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError, InvalidParameterError
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, TextScorer

TOP_K = 256
MAX_TEXTS = 10_000
# In all texts together; two kilobytes are held for each.
MAX_TOKENS = 100_000
# So many texts are scored at once.
AT_ONCE = 16
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class TextLoss:
    """One text: mean divergence in nats per token, share of places with the same likeliest token, its tokens."""

    mean_kl: float
    top1_agreement: float
    tokens: int


@dataclass(frozen=True, slots=True)
class DistributionLoss:
    """How far a model's predictions are from a reference's.

    Attributes:
        mean_kl: divergence from the reference in nats per token, over all places of all texts.
        top1_agreement: share of places where both find the same token likeliest.
        per_text: the same for each text, in order.
        tokens: places that were compared.
        top_k: so many of the reference's tokens were compared one by one at each place.
        mean_rest: the reference's probability of all others together, on average.
        split_otherwise: texts that the model's own tokenizer would have split into other tokens of the same
            vocabulary; they were compared with the reference's.
    """

    mean_kl: float
    top1_agreement: float
    per_text: tuple[TextLoss, ...]
    tokens: int
    top_k: int
    mean_rest: float
    split_otherwise: int = 0


async def compare_distributions(
    scorer: TextScorer,
    reference: str,
    others: Sequence[str],
    texts: Sequence[str],
    *,
    configs: Mapping[str, ModelConfig] | None = None,
) -> dict[str, DistributionLoss]:
    """Compare models with ``reference`` on ``texts``, which may be longer than the context.

    Args:
        scorer: the engine that has the models.
        reference: the unquantised model, or the one that is quantised least.
        others: the models that are compared with it. They must have its vocabulary, which is checked.
        texts: such as prompts and answers of one's own work.
        configs: how each model is loaded, by name; contexts must have the same length. None: the usual way.

    Raises:
        InvalidParameterError: no text, too many or empty ones, or contexts of different lengths.
        InferenceError: a model has another tokenizer, or cannot be scored.
    """
    chosen = {name: (configs or {}).get(name, ModelConfig()) for name in (reference, *others)}
    if len({config.n_ctx for config in chosen.values()}) > 1:
        raise InvalidParameterError("the models' contexts differ in length (n_ctx): windows could not be compared")
    seen = await reference_view(scorer, reference, chosen[reference], texts)
    return {other: await loss_from(scorer, seen, other, chosen[other]) for other in others}


async def reference_view(
    scorer: TextScorer, reference: str, config: ModelConfig, texts: Sequence[str], *, top_k: int = TOP_K
) -> ReferenceView:
    """What the reference predicts on the texts, to compare one model after another with; raises as
    :func:`compare_distributions`."""
    texts = tuple(text for text in texts if text.strip())
    if not 0 < len(texts) <= MAX_TEXTS:
        raise InvalidParameterError(f"predictions are compared on 1 to {MAX_TEXTS} texts, not {len(texts)}")
    return ReferenceView(texts, tuple(await _reference(scorer, reference, config, texts, top_k)), top_k)


async def loss_from(scorer: TextScorer, seen: ReferenceView, other: str, config: ModelConfig) -> DistributionLoss:
    """How far one model is from the reference, whose context (``n_ctx``) must be as long; raises as
    :func:`compare_distributions`."""
    return await _loss(scorer, other, config, seen.texts, seen.known, seen.top_k)


@dataclass(frozen=True, slots=True)
class _Text:
    """The reference's view of a text: its tokens, and for each place the ids and log-probabilities of the likeliest."""

    tokens: tuple[int, ...]
    ids: Any
    logprobs: Any


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """What a reference predicts at each place of each text."""

    texts: tuple[str, ...]
    known: tuple[_Text, ...]
    top_k: int


async def _reference(
    scorer: TextScorer, target: str, config: ModelConfig, texts: Sequence[str], top_k: int
) -> list[_Text]:
    import numpy as np

    known: list[_Text] = []
    requests = [_request(text, config, top_k=top_k) for text in texts]
    for begin in range(0, len(requests), AT_ONCE):
        for score in await _scored(scorer, target, requests[begin : begin + AT_ONCE]):
            ids = np.array([place.ids for place in score.top], dtype=np.int32)
            logprobs = np.array([place.logprobs for place in score.top], dtype=np.float32)
            known.append(_Text(score.tokens, ids, logprobs))
        if sum(len(text.tokens) for text in known) > MAX_TOKENS:
            raise InvalidParameterError(f"the texts have more than {MAX_TOKENS} tokens; compare on fewer")
    return known


async def _loss(
    scorer: TextScorer, target: str, config: ModelConfig, texts: Sequence[str], known: Sequence[_Text], top_k: int
) -> DistributionLoss:
    found: list[ContinuationScore] = []
    for begin in range(0, len(texts), AT_ONCE):
        part = zip(texts[begin : begin + AT_ONCE], known[begin : begin + AT_ONCE], strict=True)
        found += await _scored(scorer, target, [_request(text, config, at=own) for text, own in part])
    differing = [i for i, (score, own) in enumerate(zip(found, known, strict=True)) if score.tokens != own.tokens]
    if len(differing) == len(texts):
        raise InferenceError(
            f"{target!r} splits none of the texts into the reference's tokens: it has another tokenizer, and their "
            "predictions cannot be compared"
        )
    for i in differing:
        found[i] = (await _scored(scorer, target, [_request(known[i].tokens, config, at=known[i])]))[0]
    per_text, rests = [], 0.0
    for own, score in zip(known, found, strict=True):
        loss, rest = _of_text(own, score)
        per_text.append(loss)
        rests += rest * loss.tokens
    tokens = sum(one.tokens for one in per_text)
    return DistributionLoss(
        mean_kl=sum(one.mean_kl * one.tokens for one in per_text) / tokens,
        top1_agreement=sum(one.top1_agreement * one.tokens for one in per_text) / tokens,
        per_text=tuple(per_text),
        tokens=tokens,
        top_k=top_k,
        mean_rest=rests / tokens,
        split_otherwise=len(differing),
    )


def _of_text(own: _Text, score: ContinuationScore) -> tuple[TextLoss, float]:
    """The loss of one text, and the reference's mean rest."""
    divergence, same, p_rest = _by_place(own, score)
    return TextLoss(float(divergence.mean()), float(same.mean()), len(own.tokens)), float(p_rest.mean())


def _by_place(own: _Text, score: ContinuationScore) -> tuple[Any, Any, Any]:
    """For each place the divergence in nats, whether both find the same token likeliest, and the reference's rest."""
    import numpy as np

    p, q = own.logprobs.astype(np.float64), np.array(score.at, dtype=np.float64)
    p_rest = np.clip(1 - np.exp(p).sum(axis=1), 0, 1)
    q_rest = np.clip(1 - np.exp(q).sum(axis=1), _LEAST, 1)
    divergence = (np.exp(p) * (p - q)).sum(axis=1)
    divergence += np.where(p_rest > _LEAST, p_rest * np.log(np.maximum(p_rest, _LEAST) / q_rest), 0.0)
    same = np.array([place.ids[0] for place in score.top]) == own.ids[:, 0]
    divergence = np.maximum(divergence, 0)
    if not math.isfinite(float(divergence.mean())):
        raise InferenceError("a model gives a token of the text no probability at all; load it in another precision")
    return divergence, same, p_rest


def _request(
    text: str | tuple[int, ...], config: ModelConfig, *, top_k: int = 1, at: _Text | None = None
) -> ScoreRequest:
    places = () if at is None else tuple(tuple(int(i) for i in ids) for ids in at.ids)
    return ScoreRequest(prefix="", continuations=(text,), config=config, is_rolling=True, top_k=top_k, at=places)


async def _scored(scorer: TextScorer, target: str, requests: Sequence[ScoreRequest]) -> list[ContinuationScore]:
    results = await asyncio.gather(*(scorer.score(target, request) for request in requests))
    return [result.continuations[0] for result in results]


def losses_by_place(reference: ContinuationScore, score: ContinuationScore) -> tuple[list[float], list[bool]]:
    """For each token of a text the divergence from the reference in nats, and whether both find the same one likeliest.

    Args:
        reference: scored with its likeliest tokens (``top_k``).
        score: scored with its likeliest one, and at the ids of the reference's (``at``).
    """
    import numpy as np

    ids = np.array([place.ids for place in reference.top], dtype=np.int32)
    logprobs = np.array([place.logprobs for place in reference.top], dtype=np.float32)
    divergence, same, _ = _by_place(_Text(reference.tokens, ids, logprobs), score)
    return [float(value) for value in divergence], [bool(value) for value in same]
