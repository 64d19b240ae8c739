"""Answers given before to exactly the same question. Off unless the configuration turns it on."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.events import (
    CacheHit,
    Cost,
    Event,
    Finished,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.config import CacheSettings
from multi_llm_comparator.groups.json_disk import STORE_ERRORS, open_store

logger = logging.getLogger(__name__)

MAX_ANSWER_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """A whole answer. ``stored_at`` is in seconds since the epoch, for it is read by later processes."""

    model: str
    origin: str
    text: str
    reason: str
    prompt_tokens: int
    completion_tokens: int
    stored_at: float
    thought: str = ""
    thought_tokens: int = 0
    stop_text: str = ""


class AnswerCache:
    """Exact matches on target, fallbacks, messages and parameters.

    Bounded in size (least recently used leave) and in age.
    """

    def __init__(self, folder: Path, settings: CacheSettings) -> None:
        self._folder, self._settings = folder, settings
        self._opened: Any = None
        self.hits = self.misses = 0

    def configure(self, settings: CacheSettings) -> None:
        if settings != self._settings:
            self.close()
            self._settings = settings

    @property
    def is_enabled(self) -> bool:
        return self._settings.enabled

    @property
    def _store(self) -> Any:
        if self._opened is None:
            self._opened = open_store(
                self._folder, size_limit=self._settings.max_bytes, eviction_policy="least-recently-used"
            )
        return self._opened

    def get(self, key: str, origins: Mapping[str, str]) -> CachedAnswer | None:
        """The answer under ``key``, unless it is too old or the cache cannot be read.

        It must be of one of the models in ``origins``, and of what stands behind that name now.
        """
        try:
            data: Any = self._store.get(key)
            answer = None if data is None else CachedAnswer(**data)
        except (*STORE_ERRORS, TypeError) as exc:
            logger.warning("the answer cache in %s cannot be read: %s", self._folder, exc)
            answer = None
        if answer is not None and origins.get(answer.model) == answer.origin and self._is_fresh(answer):
            self.hits += 1
            return answer
        self.misses += 1
        return None

    def _is_fresh(self, answer: CachedAnswer) -> bool:
        return time.time() - answer.stored_at <= self._settings.max_age_s

    def put(self, key: str, answer: CachedAnswer) -> None:
        if len(answer.text) + len(answer.thought) > MAX_ANSWER_CHARS:
            return
        try:
            self._store.set(key, asdict(answer), expire=self._settings.max_age_s)
        except STORE_ERRORS as exc:
            logger.warning("the answer cache in %s cannot be written: %s", self._folder, exc)

    def clear(self) -> None:
        self._store.clear()

    def status(self) -> dict[str, Any]:
        """Whether it is on and what is in it; ``problem`` says why it cannot be read."""
        if not self.is_enabled:
            return {"enabled": False}
        status: dict[str, Any] = {"enabled": True, "hits": self.hits, "misses": self.misses}
        try:
            return {**status, "answers": len(self._store), "size_bytes": self._store.volume(), "problem": None}
        except STORE_ERRORS as exc:
            return {**status, "answers": 0, "size_bytes": 0, "problem": f"{str(self._folder)!r} cannot be read: {exc}"}

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def cache_key(target: str, fallback_groups: tuple[str, ...], request: GenerationRequest) -> str:
    """The same for two requests that differ in nothing but their ids."""
    data = request.to_dict()
    del data["id"], data["run_id"]
    canonical = json.dumps([target, fallback_groups, data], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


class AnswerRecorder:
    """Gathers an answer for the cache; ``origins`` are those of the models that may give it."""

    def __init__(self, origins: Mapping[str, str]) -> None:
        self._origins = origins
        self._pieces: list[str] = []
        self._thought: list[str] = []
        self._thought_tokens = 0
        self._model = ""
        self._has_calls = False
        self.answer: CachedAnswer | None = None

    def note(self, event: Event) -> None:
        match event:
            case ToolCallDelta():
                # What a call came to is in the next request: the same question is not asked twice.
                self._has_calls = True
            case TextDelta(text=text):
                self._pieces.append(text)
            case ThoughtDelta(text=text, tokens=tokens):
                self._thought.append(text)
                self._thought_tokens = tokens
            case Cost(model=model):
                self._model = model
            case Finished(reason="stop" | "length" as reason, prompt_tokens=prompt, completion_tokens=completion):
                if self._has_calls:
                    return
                text = "".join(self._pieces)
                origin = self._origins.get(self._model, "")
                thought = "".join(self._thought)
                self.answer = CachedAnswer(
                    self._model,
                    origin,
                    text,
                    reason,
                    prompt,
                    completion,
                    time.time(),
                    thought,
                    self._thought_tokens,
                    event.stop_text,
                )


def replay(answer: CachedAnswer, request_id: str) -> list[Event]:
    """The events of a cached answer, given again under ``request_id``."""
    tokens = answer.completion_tokens
    thought = ThoughtDelta(request_id=request_id, text=answer.thought, tokens=answer.thought_tokens)
    return [
        CacheHit(request_id=request_id, model=answer.model, age_s=max(0.0, time.time() - answer.stored_at)),
        *([thought] if answer.thought else []),
        TextDelta(request_id=request_id, text=answer.text, tokens=tokens),
        Cost(
            request_id=request_id,
            model=answer.model,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=tokens,
            usd=0.0,
            priced_by="cache",
        ),
        Finished(
            request_id=request_id,
            reason="length" if answer.reason == "length" else "stop",
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=tokens,
            stop_text=answer.stop_text,
        ),
    ]
