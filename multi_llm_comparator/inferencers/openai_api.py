"""Models behind an OpenAI-compatible endpoint (the chat completions API), streamed.

Retrying is the gateway's: the client here tries once, and every failure becomes one of ours, with no key in it.
"""

from __future__ import annotations

import email.utils
import functools
import json
import math
import re
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import openai
from pydantic import SecretStr

from multi_llm_comparator.core.bounded_http import bound_answer
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.embeddings import EmbedResult, vector
from multi_llm_comparator.core.events import Event, Started
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    KeyRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.keys import remember_key, scrub
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import COARSE_TIE_NATS, ScoreRequest, ScoreResult
from multi_llm_comparator.inferencers.openai_chunks import MAX_MESSAGE_CHARS, ChunkReader
from multi_llm_comparator.inferencers.openai_fields import (
    logprob_fields,
    rare_fields,
    standard_fields,
    thinking_fields,
    untold,
)
from multi_llm_comparator.inferencers.openai_scores import NOTE, echo_arguments, score_of, texts_of
from multi_llm_comparator.inferencers.openai_stream import StatusError, ToldError, chunks_of, open_answer
from multi_llm_comparator.inferencers.openai_tools import call_fields, tool_arguments

MAX_CONNECTIONS = 4000
READ_TIMEOUT_S = 600.0
# What the client library raises, its own errors and those it lets through for answers of no shape it knows.
_FOREIGN = (
    openai.OpenAIError,
    StatusError,
    ToldError,
    httpx2.HTTPError,
    httpx2.StreamError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)
_OVERFLOW = re.compile(r"(?i)context.{0,20}(length|window|size|limit)|too many tokens|prompt is too long")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Where a model is and what its endpoint understands.

    ``sampling="extended"`` also sends ``top_k`` and ``repetition_penalty``, which vLLM and llama-server know; "none"
    sends no sampling parameters at all, which most reasoning models refuse.
    ``grammar`` says which constraints it takes: JSON schemas ("openai"), also GBNF and choices ("llama-server"), also
    regular expressions ("vllm"), or none. What it does not take is not sent.
    """

    base_url: str
    model: str
    sees_images: bool = False
    sampling: Literal["openai", "extended", "none"] = "openai"
    grammar: Literal["none", "openai", "llama-server", "vllm"] = "none"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    connect_timeout_s: float = 5.0


class OpenAIEndpoint:
    """One model of one endpoint. Connections are kept open between requests until :meth:`aclose`."""

    def __init__(self, options: EndpointOptions, key: SecretStr | None = None) -> None:
        self.options = options
        if key is not None:
            remember_key(key)
        self._key = key or SecretStr("none")
        self._http = _http_client(options)
        # For what is asked seldom; answers are read without it.
        self._client = openai.AsyncOpenAI(
            base_url=options.base_url, api_key=self._key.get_secret_value(), max_retries=0, http_client=self._http
        )

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Answer ``request``; the last event is Finished. Closing the iterator closes the connection.

        Raises:
            RequestRefusedError: 400 or 422, or a content filter.
            ContextOverflowError: prompt and answer do not fit.
            KeyRefusedError, RateLimitedError: 401 or 403, 429.
            ProviderUnavailableError: anything else that went wrong on the way or over there.
        """
        is_blind = not self.options.sees_images
        notes = self._notes(request, is_blind=is_blind)
        request = request.as_seen(sees=not is_blind)
        url = f"{self.options.base_url.rstrip('/')}/chat/completions"
        try:
            authorization = {"Authorization": f"Bearer {self._key.get_secret_value()}"}
            response = await open_answer(self._http, url, authorization, self._body(request))
        except _FOREIGN as exc:
            raise self._translated(exc) from None
        try:
            yield Started(request_id=request.id, prompt_tokens=0, notes=notes)
            reader = ChunkReader(request)
            async for chunk in chunks_of(response):
                for event in reader.read(chunk):
                    yield event
                for event in reader.calls.read(chunk):
                    yield event
            for event in (*reader.calls.rest(), *reader.rest()):
                yield event
            yield reader.finish()
        except _FOREIGN as exc:
            raise self._translated(exc) from None
        finally:
            await response.aclose()

    def _notes(self, request: GenerationRequest, *, is_blind: bool) -> tuple[str, ...]:
        """What the endpoint is not told, or cannot see."""
        is_free = request.constraint is not None and not self._constrained(request.constraint)
        takes_sampling = self.options.sampling != "none"
        return request.notes(is_free=is_free, is_promised=False, is_blind=is_blind) + untold(
            request.config, self._rare, takes_sampling=takes_sampling
        )

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """How likely texts are, where the endpoint echoes a prompt with its log-probabilities; a call for each.

        Raises:
            UnsupportedModelError: it does not, or has no completions beside its conversations.
            InferenceError: as :meth:`stream`.
        """
        prefix, texts = texts_of(request)
        found = []
        for text in texts:
            try:
                answer = await self._client.completions.create(**echo_arguments(self.options.model, prefix + text))
            except _FOREIGN as exc:
                if isinstance(exc, openai.APIStatusError) and exc.status_code in (400, 404, 405, 422, 501):
                    raise UnsupportedModelError(f"{self._translated(exc)}: it scores no prompts") from None
                raise self._translated(exc) from None
            found.append(score_of(answer, prefix, text))
        return ScoreResult(continuations=tuple(found), notes=(NOTE,), tie_nats=COARSE_TIE_NATS)

    async def embed(self, texts: Sequence[str]) -> EmbedResult:
        """Vectors that stand for ``texts``, as the endpoint makes them.

        Raises:
            InferenceError: as :meth:`stream`.
        """
        try:
            answer = await self._client.embeddings.create(
                model=self.options.model, input=list(texts), encoding_format="float"
            )
            found = sorted(answer.data, key=lambda one: one.index)
            vectors = tuple(vector(one.embedding) for one in found)
            tokens = int(answer.usage.prompt_tokens) if answer.usage else 0
        except _FOREIGN as exc:
            raise self._translated(exc) from None
        if len(vectors) != len(texts):
            raise ProviderUnavailableError(f"{self.options.model!r} made {len(vectors)} vectors of {len(texts)} texts")
        # An endpoint says only how many they are in all.
        return EmbedResult(vectors=vectors, tokens=(tokens, *[0] * (len(texts) - 1)), how="as the endpoint makes them")

    async def check(self) -> None:
        """Ask for the list of models, which costs no tokens; raises what :meth:`stream` would.

        Raises:
            LookupError: the endpoint has no such list, so nothing can be said.
        """
        try:
            await self._client.models.list(timeout=self.options.connect_timeout_s * 2)
        except _FOREIGN as exc:
            if isinstance(exc, openai.APIStatusError) and exc.status_code in (404, 405, 501):
                raise LookupError(f"{self.options.base_url!r} has no list of models") from None
            raise self._translated(exc) from None

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        config = request.config
        self._refuse_what_it_cannot(request)
        body: dict[str, Any] = {
            "model": self.options.model,
            "messages": [self._message(message) for message in request.with_system_prompt()],
            "stream": True,
            "stream_options": {"include_usage": True},
            self.options.max_tokens_field: config.max_tokens,
        }
        if self.options.sampling != "none":
            body |= standard_fields(config)
        body |= logprob_fields(config)
        if config.seed is not None:
            body["seed"] = config.seed
        if config.stop:
            body["stop"] = list(config.stop)
        body |= tool_arguments(request)
        return body | self._beyond_the_standard(request)

    @property
    def _rare(self) -> tuple[str, ...]:
        """Samplers beyond OpenAI's that the endpoint knows."""
        if self.options.sampling != "extended":
            return ()
        return ("min_p", "typical_p", "dry_multiplier") if self.options.grammar == "llama-server" else ("min_p",)

    def _refuse_what_it_cannot(self, request: GenerationRequest) -> None:
        """The plain API begins a new answer where it should go on with one, and that must not look like one text."""
        model = self.options.model
        if request.raw or request.prompt_tokens:
            raise RequestRefusedError(f"the endpoint of {model!r} takes conversations only, no text without a template")
        if request.continue_final and self.options.sampling != "extended":
            raise RequestRefusedError(
                f"the endpoint of {model!r} cannot go on from a given beginning; ask it in a new prompt to go on, or"
                " declare it with 'sampling: extended' if it is vLLM or llama-server"
            )

    def _beyond_the_standard(self, request: GenerationRequest) -> dict[str, Any]:
        config, more = request.config, dict[str, Any]()
        if self.options.sampling == "extended":
            more |= {"top_k": config.top_k, "repetition_penalty": config.repeat_penalty}
            more |= rare_fields(config, self._rare)
            more |= thinking_fields(config)
            if request.continue_final:
                more |= {"continue_final_message": True, "add_generation_prompt": False}
        if request.constraint is not None:
            more |= self._constrained(request.constraint)
        return more

    def _constrained(self, constraint: Constraint) -> dict[str, Any]:
        """The fields that hold an answer to ``constraint`` over there; none where it does not take such a one.

        This alone decides what an endpoint is told: GBNF goes to those that are declared to take it, and nobody else.
        """
        takes = self.options.grammar
        if takes == "none":
            return {}
        if constraint.json_schema is not None:
            schema = {"name": "answer", "schema": json.loads(constraint.json_schema)}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        if takes == "llama-server" and (gbnf := _gbnf(constraint)):
            return {"grammar": gbnf}
        if takes != "vllm":
            return {}
        if constraint.regex is not None:
            return {"structured_outputs": {"regex": constraint.regex}}
        if constraint.choices:
            return {"structured_outputs": {"choice": list(constraint.choices)}}
        return {"structured_outputs": {"grammar": constraint.gbnf}} if constraint.gbnf else {}

    def _message(self, message: Message) -> dict[str, Any]:
        if not message.images:
            return {"role": message.role, "content": message.content, **call_fields(message)}
        if not self.options.sees_images:
            raise RequestRefusedError(f"the model {self.options.model!r} has no tag 'vision' and takes no images")
        return {"role": message.role, "content": _parts(message)}

    def _translated(self, error: Exception) -> InferenceError:
        """Our error for anything that the client raises. Its text is scrubbed and the original is let go: a request
        object, with the key in its headers, hangs on it."""
        cause = f" ({error.__cause__})" if isinstance(error, openai.APIConnectionError) and error.__cause__ else ""
        said = scrub((str(error) or type(error).__name__) + cause)[:MAX_MESSAGE_CHARS]
        text = f"{self.options.model!r} at {self.options.base_url!r}: {said}"
        if isinstance(error, openai.APIStatusError):
            return _status_error(error.status_code, error.code, error.response.headers, text)
        if isinstance(error, StatusError):
            return _status_error(error.status, error.code, error.headers, text)
        return ProviderUnavailableError(text)


@functools.cache
def authorities() -> ssl.SSLContext:
    """Whose certificates are believed. Reading those of all takes a tenth of a second: once is enough."""
    return httpx2.create_ssl_context()


def _http_client(options: EndpointOptions) -> httpx2.AsyncClient:
    """Connections by way of the proxy that the environment names, if any; none of them leads to this machine itself."""
    try:
        return httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100),
            timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=options.connect_timeout_s),
            verify=authorities(),
            mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),
            # Else most servers would pack their answers, for which a stream of tokens waits.
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [bound_answer]},
            # They would take the messages, and perhaps the key, to a place nobody configured.
            follow_redirects=False,
        )
    except (ImportError, ValueError) as exc:
        # The proxy's address may hold a password, so it is not quoted.
        raise ProviderUnavailableError(
            f"the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used ({type(exc).__name__}): give an http://"
            " or https:// address"
        ) from None


def _gbnf(constraint: Constraint) -> str | None:
    """The constraint in GBNF, where it brings that or is a list of texts, which are spelt as in JSON there."""
    if not constraint.choices or constraint.gbnf:
        return constraint.gbnf
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in constraint.choices)


def _parts(message: Message) -> list[dict[str, Any]]:
    """Text and images in their order."""
    return [
        {"type": "image_url", "image_url": {"url": part.image}} if part.image else {"type": "text", "text": part.text}
        for part in message.parts()
    ]


def _status_error(status: int, code: str | None, headers: httpx2.Headers, text: str) -> InferenceError:
    if status in (400, 413, 422) and (code == "context_length_exceeded" or _OVERFLOW.search(text)):
        return ContextOverflowError(f"{text}; shorten the conversation, or ask a model with a longer context")
    if status in (400, 422):
        return RequestRefusedError(text)
    if status in (401, 403):
        return KeyRefusedError(text)
    if status == 429:
        return RateLimitedError(text, retry_after_s=_retry_after_s(headers))
    return ProviderUnavailableError(text)


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    """Seconds of ``Retry-After``, which is a number or a date (RFC 9110, 10.2.3), or of ``retry-after-ms``."""
    value, milliseconds = headers.get("retry-after"), headers.get("retry-after-ms")
    try:
        seconds = float(milliseconds) / 1000 if milliseconds else float(value or "nan")
    except ValueError:
        date = email.utils.parsedate_tz(value or "")
        seconds = email.utils.mktime_tz(date) - time.time() if date else math.nan
    return max(0.0, seconds) if math.isfinite(seconds) else None
