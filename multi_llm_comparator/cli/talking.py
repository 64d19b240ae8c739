"""``query`` and ``chat``: questions to one model, answered as they are written."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli.answering import Answering, Told, answering, chosen
from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cooperation.spec import MODES
from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.config import MIN_TEMPERATURE, ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError, RequestRefusedError
from multi_llm_comparator.core.image_data import MAX_IMAGE_BYTES, data_url
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.routing.router import MAX_ASKED

STRATEGIES = ("auto", "direct", *MODES)
MAX_QUESTION_CHARS = 8 * 2**20


@dataclass(frozen=True)
class Wanted:
    """How answers are to be. ``max_tokens`` None is as many as the settings allow."""

    system: str | None
    max_tokens: int | None
    temperature: float
    quality_priority: float | None = None
    images: tuple[Path, ...] = ()

    def config(self) -> ModelConfig:
        """Raises ConfigurationError: out of range."""
        if 0 < self.temperature < MIN_TEMPERATURE:
            raise ConfigurationError(
                f"--temperature is {self.temperature}; give 0 for greedy, or {MIN_TEMPERATURE} and more"
            )
        limit = get_settings().max_tokens_limit
        if (self.max_tokens or 0) > limit:
            raise ConfigurationError(
                f"--max-tokens is {self.max_tokens}; an answer has {limit} at most (max_tokens_limit)"
            )
        return ModelConfig(temperature=self.temperature, max_tokens=self.max_tokens or limit)

    def question(self, text: str) -> Message:
        """The question with its images before it. Raises ConfigurationError: one cannot be read."""
        urls = tuple(map(_image_at, self.images))
        return Message("user", text, urls, image_places=(0,) * len(urls))

    def before(self) -> tuple[Message, ...]:
        return (Message("system", self.system),) if self.system else ()


async def query(
    question: str | None, model: str | None, strategy: str, wanted: Wanted, as_json: bool, alone: bool
) -> None:
    """Ask one question.

    Raises:
        ConfigurationError: nothing is asked, or in a way that cannot be.
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"--strategy is {strategy!r}; there are {', '.join(STRATEGIES)}")
    if strategy == "direct" and model is None:
        raise ConfigurationError("--strategy direct needs --model")
    if strategy in MODES and model is not None:
        raise ConfigurationError(f"--strategy {strategy} asks those of cooperate:{strategy}; leave --model out")
    if wanted.images and model is None and strategy not in MODES:
        raise ConfigurationError("--image needs --model: name one that sees (llm-cooperation models lists them)")
    asked = question_of(question)
    config = wanted.config()
    messages_asked = (*wanted.before(), wanted.question(asked))
    async with answering(alone=alone) as who:
        if strategy in MODES:
            target = f"{COOPERATE}{strategy}"
            result = await _answered(who, target, messages_asked, config, is_shown=not as_json)
            result["strategy_used"] = strategy
        elif model is None:
            result = await _routed(who, asked, messages_asked, config, wanted.quality_priority, is_shown=not as_json)
        else:
            target = chosen(await who.offered(), model)
            result = await _answered(who, target, messages_asked, config, is_shown=not as_json)
            result["strategy_used"] = "direct"
    if as_json:
        print_json(result)


async def _routed(
    who: Answering,
    question: str,
    asked: tuple[Message, ...],
    config: ModelConfig,
    quality_priority: float | None,
    *,
    is_shown: bool,
) -> dict[str, Any]:
    """The answer of whoever suits the question best. Where that one fails before it wrote anything, the next best is
    asked."""
    decision = await who.decided(question, quality_priority)
    others = [one["target"] for one in decision["alternatives"] if not one["why_not"]]
    targets = [decision["target"], *others][:MAX_ASKED]
    if is_shown:
        messages.print(f"{targets[0]}: {'; '.join(decision['reasons'])}", style="dim", highlight=False)
    failed: list[str] = []
    for target in targets:
        told = Told()
        try:
            result = await _answered(who, target, asked, config, is_shown=is_shown, told=told)
        except MultiLLMError as exc:
            if told.has_begun or target == targets[-1]:
                raise
            failed.append(f"{target!r} was asked first and failed: {exc}")
            messages.print(failed[-1], style="yellow", highlight=False)
            continue
        about = {name: decision.get(name) for name in ("task_type", "complexity")}
        return {**result, "strategy_used": "auto", **about, "why": [*decision["reasons"], *failed]}
    raise AssertionError("a decision names somebody")


def _image_at(path: Path) -> str:
    """An image file as an address that holds it. Raises ConfigurationError: there is none, or it is too large."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_IMAGE_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(f"the image {str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    if len(data) > MAX_IMAGE_BYTES:
        raise ConfigurationError(
            f"the image {str(path)!r} has more than {MAX_IMAGE_BYTES >> 20} MiB; give a smaller one"
        )
    try:
        return data_url(data)
    except RequestRefusedError as exc:
        raise ConfigurationError(f"{str(path)!r}: {exc}") from exc


def question_of(given: str | None) -> str:
    """What was given, else what a pipe says. Raises ConfigurationError: nothing, or too much."""
    if given is None and not sys.stdin.isatty():
        given = sys.stdin.read(MAX_QUESTION_CHARS + 1).strip()
    if not given:
        raise ConfigurationError("there is nothing to ask: give --query, or pipe the question in")
    if len(given) > MAX_QUESTION_CHARS:
        raise ConfigurationError(f"the question has more than {MAX_QUESTION_CHARS} characters; shorten it")
    return given


async def _answered(
    who: Answering,
    target: str,
    asked: tuple[Message, ...],
    config: ModelConfig,
    *,
    is_shown: bool,
    told: Told | None = None,
) -> dict[str, Any]:
    """An answer, and what is known of it; shown while it is written."""
    told, began_at, pieces = told or Told(), time.monotonic(), []
    async for piece in who.answer(target, asked, config, told):
        pieces.append(piece)
        told.has_begun = told.has_begun or bool(piece)
        if is_shown:
            output.print(piece, end="")
            output.file.flush()
    if is_shown:
        output.print()
    if told.is_cut:
        messages.print("cut off: the answer reached its limit of tokens", style="yellow")
    return {
        "result": "".join(pieces),
        "model": target,
        "processing_time": round(time.monotonic() - began_at, 3),
        "prompt_tokens": told.prompt_tokens,
        "completion_tokens": told.completion_tokens,
        "is_cut": told.is_cut,
        "answered_at": who.where or None,
        **told.more,
    }


async def chat(model: str | None, wanted: Wanted, as_json: bool, alone: bool) -> None:
    """Talk, a line at a time; with ``as_json`` each answer is a line of JSON."""
    config, said = wanted.config(), list(wanted.before())
    async with answering(alone=alone) as who:
        target = chosen(await who.offered(), model)
        messages.print(f"{target}{f' at {who.where}' if who.where else ''}; an empty line ends it", style="dim")
        while line := (await asyncio.to_thread(_read_line)).strip():
            said.append(Message("user", line))
            try:
                result = await _answered(who, target, tuple(said), config, is_shown=not as_json)
            except MultiLLMError as exc:
                messages.print(f"error: {exc}", style="red")
                said.pop()
                continue
            if as_json:
                print_json(result)
            said.append(Message("assistant", result["result"]))


def _read_line() -> str:
    prompt: Callable[[], str] = (lambda: input("> ")) if sys.stdin.isatty() else sys.stdin.readline
    try:
        return prompt()
    except EOFError:
        return ""
