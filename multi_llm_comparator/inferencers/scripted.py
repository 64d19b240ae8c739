"""The fake that ships: an engine that answers from a script, where timing or failure is the point.

The script is a JSON file, see :class:`inferencers.script.Script`. For example, a slow model that crashes on request::

    {"answers": [{"pattern": "(?i)hello", "text": "Hello, how are you?"}], "tokens_per_second": 20,
     "faults": [{"kind": "crash", "pattern": "crash", "after_tokens": 3}]}
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Started
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    ModelLoadError,
    MultiLLMError,
    error_from_name,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.chat import ChatTemplate
from multi_llm_comparator.inferencers.request_queue import WaitingLine, too_many
from multi_llm_comparator.inferencers.script import Fault, Script, read_script
from multi_llm_comparator.inferencers.thoughts import Telling
from multi_llm_comparator.inferencers.tool_grammar import tool_info

# A step never sleeps longer, so that a cancelled request ends soon.
MAX_PAUSE_S = 0.02
_TOKEN = re.compile(r"\s*\S+|\s+$")


@dataclass
class _Answer:
    """One request being answered."""

    request: GenerationRequest
    prompt_tokens: int
    pieces: Iterator[str]
    fault: Fault | None
    due_at: float
    telling: Telling
    tokens: int = 0


class ScriptedEngine(Engine):
    """Behaves as the script at ``path`` says; deterministic but for the clock.

    Raises:
        ModelLoadError: the script cannot be used, or says that loading fails.
    """

    def __init__(self, path: str, options: LoadOptions) -> None:
        self.options = options
        self._script: Script = read_script(path)
        self._template = ChatTemplate(self._script.chat_template or None)
        self._waiting = WaitingLine()
        self._active: dict[str, _Answer] = {}
        self._events: list[Event] = []
        self._threads = options.n_threads or 1
        self._slots = options.parallel
        time.sleep(self._script.load_s)
        self._ballast = bytearray(b"\1") * self._script.memory_bytes
        fault = self._script.fault("load", safe=self.options.safe)
        if fault is not None:
            raise _strike(fault, ModelLoadError)

    @property
    def info(self) -> dict[str, Any]:
        return {
            "model_type": "scripted",
            "device": "cpu",
            "vocab_size": 0,
            "model_size": 0,
            "n_ctx": self.options.n_ctx,
            "n_threads": self._threads,
            "chat_template": self._template.is_present,
            "tools": tool_info(self._template, {}),
            "safe": self.options.safe,
            "notes": [],
        }

    @property
    def is_busy(self) -> bool:
        return bool(self._active or self._events or self._waiting)

    def submit(self, request: GenerationRequest) -> None:
        if self._waiting.is_full:
            self._events.append(too_many(request.id, len(self._waiting)))
            return
        self._waiting.join(request)

    def cancel(self, request_id: str) -> None:
        answer = self._active.pop(request_id, None)
        if answer is not None:
            self._finish(answer, "cancelled")
        elif self._waiting.leave(request_id) is not None:
            self._events.append(Finished.cancelled(request_id))

    def step(self) -> list[Event]:
        while len(self._waiting) and len(self._active) < self._slots:
            self._start(self._waiting.take())
        self._events.extend(self._waiting.news())
        if self._active and not self._events:
            pause = min(answer.due_at for answer in self._active.values()) - time.monotonic()
            time.sleep(min(max(pause, 0.0), MAX_PAUSE_S))
        moment = time.monotonic()
        for answer in [answer for answer in self._active.values() if answer.due_at <= moment]:
            self._advance(answer)
        events, self._events = self._events, []
        return events

    def set_threads(self, n_threads: int) -> None:
        self._threads = n_threads

    def set_slots(self, n_slots: int) -> None:
        self._slots = n_slots

    def close(self) -> None:
        self._active.clear()
        self._ballast = bytearray()

    def _start(self, request: GenerationRequest) -> None:
        try:
            prompt = self._template.render(request).text
        except InferenceError as exc:
            self._events.append(Failed.of(request.id, exc))
            return
        asked = [message.content for message in request.messages if message.role != "assistant"]
        text = self._script.answer_to(asked[-1] if asked else "")
        begun = request.messages[-1].content if request.continue_final else ""
        answer = _Answer(
            request=request,
            prompt_tokens=len(_TOKEN.findall(prompt)),
            pieces=iter(_TOKEN.findall(text.removeprefix(begun))),
            fault=self._script.fault("answer", asked[-1] if asked else "", safe=self.options.safe),
            due_at=time.monotonic() + self._script.time_to_first_token_s,
            telling=Telling(request),
        )
        if answer.prompt_tokens >= self.options.n_ctx:
            error = ContextOverflowError(
                f"the prompt has {answer.prompt_tokens} tokens but the context holds {self.options.n_ctx}; "
                "raise n_ctx or shorten the conversation"
            )
            self._events.append(Failed.of(request.id, error))
            return
        self._active[request.id] = answer
        seed = 0 if request.config.seed is None else request.config.seed
        notes = request.notes(is_free=True, is_promised=True)
        self._events.append(
            Started(request_id=request.id, prompt_tokens=answer.prompt_tokens, prompt=prompt, seed=seed, notes=notes)
        )

    def _advance(self, answer: _Answer) -> None:
        request, fault = answer.request, answer.fault
        if fault is not None and answer.tokens >= fault.after_tokens:
            error = _strike(fault, InferenceError)
            del self._active[request.id]
            self._events.append(Failed.of(request.id, error))
            return
        piece = next(answer.pieces, None)
        if piece is None:
            self._end(answer, "stop")
            return
        answer.tokens += 1
        answer.due_at += 1 / self._script.tokens_per_second if self._script.tokens_per_second else 0.0
        told, is_stopped = answer.telling.push(piece, answer.tokens)
        self._events += told
        if is_stopped:
            self._end(answer, "stop")
        elif answer.tokens >= request.config.max_tokens or answer.prompt_tokens + answer.tokens >= self.options.n_ctx:
            self._end(answer, "length")

    def _end(self, answer: _Answer, reason: FinishReason) -> None:
        del self._active[answer.request.id]
        self._finish(answer, reason)

    def _finish(self, answer: _Answer, reason: FinishReason) -> None:
        self._events += answer.telling.end(answer.tokens)
        self._events.append(
            Finished(
                request_id=answer.request.id,
                reason=reason,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.tokens,
                stop_text=answer.telling.stop_text(reason),
            )
        )


def _strike(fault: Fault, usual: type[MultiLLMError]) -> MultiLLMError:
    """Let it happen; only an ``error`` returns."""
    if fault.kind == "crash":
        os.abort()
    if fault.kind == "exit":
        os._exit(3)
    if fault.kind == "hang":
        _hang()
    return error_from_name(fault.error_type or usual.__name__, fault.message)


def _hang() -> NoReturn:
    while True:
        time.sleep(1.0)
