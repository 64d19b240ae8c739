"""Who answers a command: the workbench that is running, over its API, else models loaded here."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2

from multi_llm_comparator.cli.consoles import messages
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, TextDelta, event_from_dict
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    KeyRefusedError,
    ModelNotFoundError,
    MultiLLMError,
    ProviderUnavailableError,
    error_from_name,
)
from multi_llm_comparator.core.home import Holder, running_in
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.run_events import Progressed
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups.targets import ASKED_FIRST
from multi_llm_comparator.headless import opened_alone, scanned_models
from multi_llm_comparator.plans.saved import PREFIX
from multi_llm_comparator.wiring import Services

KEY_VARIABLE = "MLC_API_KEY"
CONNECT_S = 3.0
# A model may have to be loaded, and a plan has many steps.
ANSWER_S = 3600.0
MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class Offered:
    """One name that can be asked."""

    name: str
    kind: str
    context_length: int | None = None
    sees_images: bool = False


@dataclass
class Told:
    """What is known of an answer when it is over."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_cut: bool = False
    has_begun: bool = False
    more: dict[str, Any] = field(default_factory=dict)


class Answering(Protocol):
    """Answers questions. ``where`` says who that is."""

    where: str

    async def offered(self) -> list[Offered]: ...

    def answer(
        self, model: str, asked: tuple[Message, ...], config: ModelConfig, told: Told
    ) -> AsyncGenerator[str, None]:
        """The pieces of an answer; ``told`` is filled in by its end.

        Raises:
            MultiLLMError: it failed.
        """
        ...

    async def status(self) -> dict[str, Any]: ...

    async def decided(self, question: str, quality_priority: float | None) -> dict[str, Any]:
        """Who should answer a question, and why: :meth:`RoutingDecision.to_dict`. Raises as :meth:`answer`."""
        ...


@contextlib.asynccontextmanager
async def answering(*, alone: bool = False) -> AsyncIterator[Answering]:
    """Who answers: a running workbench or server of this home, unless ``alone``; else models of this process."""
    async with running(alone=alone) as found:
        if found is not None:
            yield found
            return
        async with opened_alone(scanned_models()) as services:
            yield Here(services)


@contextlib.asynccontextmanager
async def running(*, alone: bool = False) -> AsyncIterator[Running | None]:
    """The workbench or server that runs with this home and answers; None if none does, or ``alone``.

    Raises:
        KeyRefusedError: it wants a key that is not given.
    """
    found = None if alone else await _found()
    if found is None:
        yield None
        return
    async with found:
        yield found


async def _found() -> Running | None:
    holder = running_in(get_settings().home)
    if holder is None:
        return None
    found = Running(holder)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(found.aclose)
        try:
            await found.get("/v1/models")
        except ProviderUnavailableError as exc:
            messages.print(f"process {holder.pid} does not answer at {holder.address} ({exc}); models are loaded here")
            return None
        closing.pop_all()
    return found


class Running:
    """A workbench over HTTP; a context manager that closes its connections."""

    def __init__(self, holder: Holder) -> None:
        self.holder, self.where = holder, holder.address
        key = os.environ.get(KEY_VARIABLE) or get_settings().access_token
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.AsyncClient(
            base_url=holder.address,
            headers=headers,
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=False,
        )

    async def __aenter__(self) -> Running:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, path: str) -> Any:
        """What a path says. Raises as :meth:`answer`."""
        return json.loads(await self.get_bytes(path))

    async def get_bytes(self, path: str) -> bytes:
        """A file. Raises as :meth:`answer`."""
        try:
            answer = await self._http.get(path)
        except httpx2.HTTPError as exc:
            raise ProviderUnavailableError(f"{self.where} does not answer: {type(exc).__name__}") from exc
        if answer.status_code != 200:
            raise self._error(answer.status_code, answer.content)
        return bytes(answer.content)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a path answers to a body. Raises as :meth:`answer`."""
        try:
            answer = await self._http.post(path, json=body)
        except httpx2.HTTPError as exc:
            raise ProviderUnavailableError(f"{self.where} does not answer: {type(exc).__name__}") from exc
        if answer.status_code != 200:
            raise self._error(answer.status_code, answer.content)
        return answer.json()

    async def decided(self, question: str, quality_priority: float | None) -> dict[str, Any]:
        wanted = {"strategy": "auto"} | ({} if quality_priority is None else {"quality_priority": quality_priority})
        found: dict[str, Any] = await self.post("/query/decision", {"query": question, "preferences": wanted})
        return found

    async def offered(self) -> list[Offered]:
        listed = await self.get("/v1/models")
        return [
            Offered(one["id"], one["kind"], one.get("context_length"), one.get("sees_images", False))
            for one in listed["data"]
        ]

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.get("/status")
        return found

    async def answer(
        self, model: str, asked: tuple[Message, ...], config: ModelConfig, told: Told
    ) -> AsyncGenerator[str, None]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": _content(message)} for message in asked],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if not model.startswith(PREFIX):
            body |= {"temperature": config.temperature, "max_tokens": config.max_tokens}
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
                if answer.status_code != 200:
                    raise self._error(answer.status_code, await answer.aread())
                async for line in answer.aiter_lines():
                    if line.startswith("data: {") and len(line) < MAX_LINE_BYTES:
                        for piece in self._pieces(json.loads(line[6:]), told):
                            yield piece
        except httpx2.HTTPError as exc:
            raise ProviderUnavailableError(f"{self.where} broke off: {type(exc).__name__}") from exc

    async def events(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Every event of an answer of a model over there. Raises as :meth:`answer`."""
        body = {"target": target, "request": request.to_dict()}
        try:
            async with self._http.stream("POST", "/api/answers", json=body) as answer:
                if answer.status_code != 200:
                    raise self._error(answer.status_code, await answer.aread())
                async for line in answer.aiter_lines():
                    yield event_from_dict(json.loads(line))
        except (httpx2.HTTPError, ValueError) as exc:
            raise ProviderUnavailableError(f"{self.where} broke off: {type(exc).__name__}") from exc

    def _pieces(self, chunk: Mapping[str, Any], told: Told) -> list[str]:
        if "error" in chunk:
            raise ProviderUnavailableError(str(chunk["error"].get("message")))
        if usage := chunk.get("usage"):
            told.prompt_tokens, told.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
            told.more |= {kind: usage[kind] for kind in ("plan", "cooperation") if kind in usage}
        pieces = []
        for choice in chunk.get("choices", ()):
            told.is_cut = told.is_cut or choice.get("finish_reason") == "length"
            if thought := choice["delta"].get("reasoning_content"):
                messages.print(thought.rstrip("\n"), style="dim")
            pieces.append(choice["delta"].get("content") or "")
        return pieces

    def _error(self, status: int, body: bytes) -> MultiLLMError:
        try:
            said = str(json.loads(body)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            said = f"HTTP status {status}"
        if status in (401, 403):
            return KeyRefusedError(f"{self.where}: {said.strip()} Set {KEY_VARIABLE}, or ask models here with --alone.")
        if status == 404:
            return ModelNotFoundError(said)
        return ConfigurationError(said) if status == 400 else ProviderUnavailableError(said)


def _content(message: Message) -> str | list[dict[str, Any]]:
    """What a message says, as the API takes it."""
    if not message.images:
        return message.content
    return [
        {"type": "image_url", "image_url": {"url": part.image}} if part.image else {"type": "text", "text": part.text}
        for part in message.parts()
    ]


class Here:
    """Models of this process."""

    where = ""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def offered(self) -> list[Offered]:
        services = self._services
        config = services.gateway.groups.config
        found: dict[str, Offered] = {}
        for info in services.models.get_available_models():
            if info.is_loadable:
                name = services.models.unique_name(info.id)
                sees = info.loaded_as.config.get("sees_images") is True
                found[name] = Offered(name, "local", services.models.context_length(info.id), sees)
        kinds: tuple[tuple[str, list[str]], ...] = (
            ("endpoint", [name for name, one in config.models.items() if one.is_remote]),
            ("group", list(config.task_groups)),
            ("pool", list(config.polling_pools)),
            ("node", list(config.nodes)),
        )
        for kind, names in kinds:
            found |= {name: Offered(name, kind) for name in names if name not in found and self._can_answer(name)}
        return list(found.values())

    def _can_answer(self, target: str) -> bool:
        groups, engine = self._services.gateway.groups, self._services.engine
        declared = [(model, groups.config.declaration(model)) for model in groups.route(target).models()]
        return any(one.is_remote or engine.trouble_with(one.local or model) is None for model, one in declared)

    async def status(self) -> dict[str, Any]:
        return {}

    async def decided(self, question: str, quality_priority: float | None) -> dict[str, Any]:
        return self._services.router.decide(question, quality_priority=quality_priority).to_dict()

    async def answer(
        self, model: str, asked: tuple[Message, ...], config: ModelConfig, told: Told
    ) -> AsyncGenerator[str, None]:
        request = GenerationRequest(messages=asked, config=config)
        async with contextlib.aclosing(self._services.answers.stream(model, request)) as events:
            async for event in events:
                match event:
                    case Progressed(text=thought):
                        messages.print(thought.rstrip("\n"), style="dim")
                    case TextDelta(text=text):
                        yield text
                    case Finished(reason=reason):
                        told.prompt_tokens, told.completion_tokens = event.prompt_tokens, event.completion_tokens
                        told.is_cut = reason == "length"
                    case Failed(error_type=kind, message=message):
                        raise error_from_name(kind, message)


def chosen(offered: list[Offered], wanted: str | None) -> str:
    """Who is asked: the one that was named, if there is one; else who is asked first.

    Raises:
        ModelNotFoundError: there is nobody of that name, or nobody at all.
    """
    names = [one.name for one in offered]
    if wanted is not None:
        # A level of a group and a model's id are not listed; whoever is asked knows them.
        if wanted in names or "." in wanted or not names or len(wanted) >= 12:
            return wanted
        raise ModelNotFoundError(
            f"there is no model {wanted!r}{did_you_mean(wanted, names)}; see: llm-cooperation models"
        )
    for kind in ASKED_FIRST:
        if found := next((one.name for one in offered if one.kind == kind), None):
            return found
    raise ModelNotFoundError(
        f"there is no model in {str(get_settings().models_dir)!r} and no endpoint; fetch one on the Models page, or "
        "declare one with llm-config add-model"
    )
