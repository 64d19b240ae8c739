"""``/v1/chat/completions`` and ``/v1/completions``."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from multi_llm_comparator.core.events import Event, Finished, TextDelta, ThoughtDelta, ToolCallDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, check_temperature, target_of, tokens_within
from multi_llm_comparator.server.api.calls import (
    EVENT_STREAM,
    FINGERPRINT,
    as_event,
    load_comments,
    served_by,
    streamed_answer,
    whole_answer,
)
from multi_llm_comparator.server.api.echo import echoed
from multi_llm_comparator.server.api.errors import ApiError, openai_body
from multi_llm_comparator.server.api.forms import MAX_PROMPTS
from multi_llm_comparator.server.api.logprobs import CompletionLogprobs, chat_logprobs
from multi_llm_comparator.server.api.openai_forms import ChatForm, CompletionForm, Sampling, raw_request
from multi_llm_comparator.server.api.plan_models import is_run, refuse_for_plan

router = APIRouter(tags=["OpenAI"])
DONE = b"data: [DONE]\n\n"


@router.post("/chat/completions")
async def chat_completions(form: ChatForm, request: Request) -> Response:
    """Answer a conversation."""
    _check_ending(form)
    param = "max_completion_tokens" if form.max_completion_tokens else "max_tokens"
    n_ctx, most = await _bounds(request, form, form.wanted_tokens, param)
    messages, tools = tuple(message.message() for message in form.messages), form.tools_asked()
    refuse_for_plan(target_of(await served_by(request), form.model), form, _PLAN_FIELDS)
    requests = [
        GenerationRequest(
            messages=messages,
            config=form.config(n_ctx, most, choice),
            continue_final=form.continue_final_message,
            constraint=form.constraint,
            **tools,
        )
        for choice in range(form.n)
    ]
    style = _Style("chatcmpl-", "chat.completion", "chat.completion.chunk", form.pieces_wanted)
    return await _answered(request, form, requests, style)


@router.post("/completions")
async def completions(form: CompletionForm, request: Request) -> Response:
    """Write on from one prompt or several, each as it is."""
    if is_run(target_of(await served_by(request), form.model)):
        raise ApiError("plans and cooperations answer conversations only; ask /v1/chat/completions", param="model")
    if form.n * len(form.prompt) > MAX_PROMPTS:
        raise ApiError(f"'n' times the prompts are more than {MAX_PROMPTS} answers; send several requests", param="n")
    n_ctx, most = await _bounds(request, form, form.wanted_tokens, "max_tokens")
    if form.echo:
        return await echoed(request, form, n_ctx)
    requests = [
        raw_request(prompt, form.config(n_ctx, most, choice), form.constraint)
        for prompt in form.prompt
        for choice in range(form.n)
    ]
    return await _answered(
        request, form, requests, _Style("cmpl-", "text_completion", "text_completion", form.logprobs)
    )


async def _bounds(request: Request, form: Sampling, wanted: int | None, param: str) -> tuple[int, int]:
    check_temperature(form.temperature)
    return (await served_by(request)).n_ctx, tokens_within(wanted, param)


def _check_ending(form: ChatForm) -> None:
    if form.continue_final_message and form.messages[-1].role != "assistant":
        said = "'continue_final_message' continues an answer, and the last message is not the assistant's"
        raise ApiError(said, param="continue_final_message")
    if form.add_generation_prompt not in (None, not form.continue_final_message):
        said = "'add_generation_prompt' must be the opposite of 'continue_final_message'"
        raise ApiError(said, param="add_generation_prompt")


@dataclass(frozen=True)
class _Style:
    """How one of the two kinds writes what it has. ``n_top``: how many of the likeliest tokens are told beside each
    token; None where no log-probabilities are."""

    prefix: str
    whole: str
    chunk: str
    n_top: int | None = None

    @property
    def is_chat(self) -> bool:
        return self.whole != self.chunk

    def choice(self, number: int, answer: ServedAnswer) -> dict[str, Any]:
        said: dict[str, Any] = {"text": answer.whole_text}
        if self.is_chat:
            said = {"message": {"role": "assistant", **_said(answer), "refusal": None, **_thought(answer)}}
        return {"index": number, **said, "logprobs": self._logprobs(answer.pieces), "finish_reason": _reason(answer)}

    def piece(
        self,
        number: int,
        text: str,
        reason: str | None = None,
        pieces: Sequence[TokenPiece] = (),
        lists: CompletionLogprobs | None = None,
    ) -> dict[str, Any]:
        has_text = text or pieces
        said: dict[str, Any] = {"delta": {"content": text} if has_text else {}} if self.is_chat else {"text": text}
        told = self._logprobs(pieces, lists) if pieces else None
        return {"index": number, **said, "logprobs": told, "finish_reason": reason}

    def _logprobs(self, pieces: Sequence[TokenPiece], lists: CompletionLogprobs | None = None) -> dict[str, Any] | None:
        if self.n_top is None:
            return None
        return chat_logprobs(pieces) if self.is_chat else (lists or CompletionLogprobs(self.n_top)).of(pieces)

    def call(self, number: int, event: ToolCallDelta) -> dict[str, Any]:
        head = {"id": event.id, "type": "function"} if event.id else {}
        named = {"name": event.name} if event.id else {}
        call = {"index": event.index, **head, "function": {**named, "arguments": event.arguments}}
        return {"index": number, "delta": {"tool_calls": [call]}, "logprobs": None, "finish_reason": None}

    def thought(self, number: int, text: str) -> dict[str, Any]:
        delta = {"reasoning_content": text, "reasoning": text}
        return {"index": number, "delta": delta, "logprobs": None, "finish_reason": None}

    def opening(self, number: int) -> dict[str, Any]:
        delta = {"role": "assistant", "content": ""}
        return {"index": number, "delta": delta, "logprobs": None, "finish_reason": None}


def _said(answer: ServedAnswer) -> dict[str, Any]:
    """Text and calls; an answer that only calls has no text."""
    if not answer.calls:
        return {"content": answer.whole_text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.calls
    ]
    return {"content": answer.whole_text or None, "tool_calls": calls}


def _thought(answer: ServedAnswer) -> dict[str, Any]:
    """Under both names that clients read."""
    return {"reasoning_content": answer.thought, "reasoning": answer.thought} if answer.thought else {}


def _reason(answer: ServedAnswer) -> str:
    return "length" if answer.is_cut else "tool_calls" if answer.calls_tools else "stop"


class _Usage:
    """The usage in the chunks of a stream, as its options want it."""

    def __init__(self, form: Sampling, answers: list[ServedAnswer]) -> None:
        self._options, self._n, self._answers = form.stream_options, form.n, answers
        self._written = [0] * len(answers)

    def beside(self, number: int, tokens: int | None) -> dict[str, Any]:
        """What a chunk of the answer ``number`` has, which has so many tokens by then (None: as before)."""
        self._written[number] = self._written[number] if tokens is None else tokens
        if not self._options.include_usage:
            return {}
        if not self._options.continuous_usage_stats:
            return {"usage": None}
        read, written = sum(one.prompt_tokens for one in self._answers[:: self._n]), sum(self._written)
        return {"usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}}

    def of_all(self) -> dict[str, Any]:
        """What the last chunk has."""
        return _usage(self._answers, self._n)


def _usage(answers: list[ServedAnswer], n: int) -> dict[str, Any]:
    """Each prompt counts once, however many answers it has."""
    prompts = answers[::n]
    read, written = sum(one.prompt_tokens for one in prompts), sum(one.completion_tokens for one in answers)
    figures = next((one.figures for one in answers if one.figures), None)
    return {
        **(figures or {}),
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": sum(one.cached_tokens for one in prompts)},
        "completion_tokens_details": {"reasoning_tokens": sum(one.thought_tokens for one in answers)},
    }


async def _answered(request: Request, form: Sampling, requests: list[GenerationRequest], style: _Style) -> Response:
    head: dict[str, Any] = {
        "id": style.prefix + uuid.uuid4().hex,
        "created": int(time.time()),
        "system_fingerprint": FINGERPRINT,
    }

    def whole(target: str, answers: list[ServedAnswer]) -> dict[str, Any]:
        choices = [style.choice(number, answer) for number, answer in enumerate(answers)]
        head.update(_run(answers))
        return {**head, "object": style.whole, "model": target, "choices": choices, "usage": _usage(answers, form.n)}

    if not form.stream:
        return await whole_answer(request, form.model, requests, whole)

    async def chunks(target: str, answers: Answers) -> AsyncGenerator[bytes, None]:
        usage = _Usage(form, answers.answers)
        frame = {**head, "object": style.chunk, "model": target, **_run(answers.answers)}

        def chunk(choice: dict[str, Any], tokens: int | None = None) -> bytes:
            return as_event({**frame, "choices": [choice], **usage.beside(choice["index"], tokens)})

        if style.is_chat:
            yield b"".join(chunk(style.opening(number)) for number in range(len(requests)))
        lists = [CompletionLogprobs(style.n_top or 0) for _ in requests]
        async for batch in answers.events():
            choices = _pieces(batch, answers, style, lists)
            written = load_comments(batch) + b"".join(chunk(choice, tokens) for choice, tokens in choices)
            if written:
                yield written
        if form.stream_options.include_usage:
            yield as_event({**frame, "choices": [], "usage": usage.of_all()})
        yield DONE

    return await streamed_answer(request, form.model, requests, chunks, _told, EVENT_STREAM)


def _pieces(
    batch: list[tuple[int, Event]], answers: Answers, style: _Style, lists: Sequence[CompletionLogprobs]
) -> Iterable[tuple[dict[str, Any], int | None]]:
    """What is sent of each event, and how many tokens its answer has by then."""
    for number, event in batch:
        match event:
            case ToolCallDelta(tokens=tokens):
                yield style.call(number, event), tokens
            case TextDelta(text=text, pieces=pieces, tokens=tokens) if text or pieces:
                yield style.piece(number, text, pieces=pieces, lists=lists[number]), tokens
            case ThoughtDelta(text=text, tokens=tokens) if text and style.is_chat:
                yield style.thought(number, text), tokens
            case Progressed(text=text) if text and style.is_chat:
                yield style.thought(number, text), None
            case Finished(completion_tokens=tokens):
                yield style.piece(number, "", _reason(answers.answers[number])), tokens


def _run(answers: list[ServedAnswer]) -> dict[str, Any]:
    """The stored run that answers, where there is one: ``?run=`` opens it."""
    return next(({"run_id": one.run_id} for one in answers if one.run_id), {})


# What a plan honours: its steps are solved greedily, and come out the same whatever the seed.
_PLAN_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "seed"})


def _told(error: ApiError) -> bytes:
    return as_event(openai_body(error))
