"""``echo`` of ``/v1/completions``: the prompt comes back, with the log-probabilities of its own tokens where wanted.

It is how lm-eval's local-completions scores texts: ``echo``, ``logprobs: 1``, ``max_tokens: 1``, ``temperature: 0``.
One score of the prompt and of one more place tells all of that; a longer continuation is written as usual.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest
from multi_llm_comparator.core.token_pieces import NO_CHANCE, TokenChance, TokenPiece
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, target_of
from multi_llm_comparator.server.api.calls import FINGERPRINT, served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.logprobs import CompletionLogprobs, joined
from multi_llm_comparator.server.api.openai_forms import CompletionForm, raw_request
from multi_llm_comparator.server.api.tokenizers import local_model
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import Meter
from multi_llm_comparator.server.serving import Served

T = TypeVar("T")
# What stands at the place behind the prompt while it is scored: any token will do, only the likeliest there is read.
_ANY = 0


async def echoed(request: Request, form: CompletionForm, n_ctx: int) -> Response:
    """Answer a form with ``echo``."""
    served = await served_by(request)
    target = target_of(served, form.model)
    name = local_model(served, form.model)
    config = form.config(n_ctx, max(1, form.max_tokens or 1), 0)
    asked = [raw_request(prompt, config) for prompt in form.prompt]
    meter = Meter(served, request, target)
    await meter.admit(asked)
    told = list[ServedAnswer]()
    with meter.counting(told):
        choices = await unless_left(request.receive, _all([_Echo(served, name, form, one).choice() for one in asked]))
        told += [answer for answer, _ in choices]
    read, written = sum(one.prompt_tokens for one in told), sum(one.tokens for one in told)
    return JSONResponse(
        {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "system_fingerprint": FINGERPRINT,
            "model": target,
            "choices": [{"index": number, **choice} for number, (_, choice) in enumerate(choices)],
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }
    )


async def _all(work: list[Coroutine[Any, Any, T]]) -> list[T]:
    return list(await asyncio.gather(*work))


class _Echo:
    """One prompt that is given back."""

    def __init__(self, served: Served, model: str, form: CompletionForm, asked: GenerationRequest) -> None:
        self._served, self._model, self._form, self._asked = served, model, form, asked

    async def choice(self) -> tuple[ServedAnswer, dict[str, Any]]:
        """What was written, and the choice without its number."""
        form, asked = self._form, self._asked
        text = asked.messages[-1].content if asked.messages else ""
        listed = await self._tokens(TokenRequest(text=text, tokens=asked.prompt_tokens, config=asked.config))
        if not listed.tokens:
            raise ApiError("the prompt is empty; write something for the model to read", param="prompt")
        logprobs = None if form.logprobs is None else CompletionLogprobs(form.logprobs)
        score = None if logprobs is None else await self._score(listed)
        pieces = [] if score is None else await self._pieces(listed, score)
        answer = await self._written(listed, pieces)
        text = text if asked.messages else listed.text
        told = None
        if logprobs is not None:
            # A begin mark that the model's own tokenizer put there is no part of the text.
            spelled = "".join(one for one, _ in listed.spelled)
            first = listed.spelled[0][0] if spelled == text or not asked.messages else ""
            own, behind = pieces[: len(listed.tokens) - 1], answer.pieces
            told = joined([logprobs.begun(first), logprobs.of(own), logprobs.of(behind)])
        reason = "length" if answer.is_cut else "stop"
        return answer, {"text": text + answer.whole_text, "logprobs": told, "finish_reason": reason}

    async def _score(self, listed: TokenList) -> ContinuationScore:
        """What the model thinks of the prompt's tokens from the second on, and of the place behind them."""
        first, *rest = listed.tokens
        config = self._asked.config
        scored = ScoreRequest(
            prefix=(first,), continuations=((*rest, _ANY),), config=config, top_k=max(1, self._form.logprobs or 0)
        )
        result = await self._served.there(self._served.engine.score(self._model, scored))
        return result.continuations[0]

    async def _pieces(self, listed: TokenList, score: ContinuationScore) -> list[TokenPiece]:
        """The tokens of the prompt from the second on, and the likeliest one behind them."""
        ids = tuple(dict.fromkeys(id for place in score.top for id in place.ids))
        known = await self._tokens(TokenRequest(tokens=ids, config=self._asked.config))
        spelled = dict(zip(known.tokens, known.spelled, strict=True))
        spelled |= zip(listed.tokens, listed.spelled, strict=True)
        pieces = []
        next_token = score.top[-1].ids[0]
        logprobs = (*score.token_logprobs[:-1], score.top[-1].logprobs[0])
        for token, logprob, top in zip((*listed.tokens[1:], next_token), logprobs, score.top, strict=True):
            chances = tuple(
                TokenChance(id, spelled[id][0], max(one, NO_CHANCE), tuple(spelled[id][1]))
                for id, one in zip(top.ids, top.logprobs, strict=True)
            )
            text, raw = spelled[token]
            pieces.append(TokenPiece(token, text, tuple(raw), max(logprob, NO_CHANCE), chances))
        return pieces

    async def _written(self, listed: TokenList, pieces: list[TokenPiece]) -> ServedAnswer:
        """What follows the prompt."""
        asked, answer = self._asked, ServedAnswer()
        answer.prompt_in_all = len(listed.tokens)
        if self._form.max_tokens == 0:
            return answer
        if pieces and asked.config.max_tokens == 1 and asked.config.is_greedy and not asked.config.logit_bias:
            answer.pieces, answer.tokens, answer.ends_for_length = pieces[-1:], 1, pieces[-1].text != listed.end
            answer.text = [pieces[-1].text] if answer.ends_for_length else []
            return answer
        answers = Answers(self._served, target_of(self._served, self._form.model), [asked])
        try:
            (answer,) = await answers.whole()
        finally:
            answers.close()
        return answer

    async def _tokens(self, asked: TokenRequest) -> TokenList:
        return await self._served.there(self._served.engine.tokens(self._model, asked))
