"""lm-eval's view of a model of ours: any of its tasks asks our engine. Imported in a job's process only.

lm-eval hands over texts, and they go to the model's process as texts: there stand the tokenizer, for checkpoints and
GGUF files alike, and the bounds on what a chat template may do. A conversation goes as a mark behind which its messages
are found again, so that the template is filled in there and special tokens in a question stay text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import EmptyAnswerError, InferenceError, error_from_name
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import MAX_CONTINUATIONS, Prefix, ScoreRequest, ScoreResult
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.together import together
from multi_llm_comparator.evaluation.tasks.answering import AT_ONCE, measured_config
from multi_llm_comparator.services.inference_engine import InferenceEngine

# What a conversation is called where lm-eval wants a text. No text begins so.
CHAT = "\x00conversation "
MAX_STOPS = 16
DEFAULT_TOKENS = 256

Tell = Callable[[int, int], None]


class EngineLM(LM):  # type: ignore[misc]
    """A model that our engine runs.

    Args:
        engine: the engine.
        target: the model's id or name in it.
        config: how it is loaded.
        run: waits for a coroutine in the engine's event loop.
        tell: called with how many requests are done, and of how many.
        is_stopped: whether to give up.
    """

    def __init__(
        self,
        engine: InferenceEngine,
        target: str,
        config: ModelConfig,
        *,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        tell: Tell = lambda done, total: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self._engine, self._target, self._config = engine, target, config
        self._run, self._tell, self._is_stopped = run, tell, is_stopped

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval keeps its caches by."""
        return self._target

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """Nothing that lm-eval could show: the model's process has it."""
        return ""

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return CHAT + json.dumps(chat_history, ensure_ascii=False)

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-probabilities of continuations; those of one context are asked together."""
        grouped: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            grouped.setdefault(request.args[0], []).append(number)
        parts = [
            (context, numbers[i : i + MAX_CONTINUATIONS])
            for context, numbers in grouped.items()
            for i in range(0, len(numbers), MAX_CONTINUATIONS)
        ]
        asked = [
            ScoreRequest(
                prefix=_prefix(context),
                continuations=tuple(requests[number].args[1] for number in numbers),
                config=self._config,
                may_truncate=True,
            )
            for context, numbers in parts
        ]
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        for (_, numbers), result in zip(parts, self._run(self._all(asked, self._score)), strict=True):
            for number, score in zip(numbers, result.continuations, strict=True):
                found[number] = (score.logprob, score.is_greedy)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probabilities of whole texts, in windows of the context."""
        asked = [
            ScoreRequest(prefix="", continuations=(request.args[0],), config=self._config, is_rolling=True)
            for request in requests
        ]
        return [result.logprobs[0] for result in self._run(self._all(asked, self._score))]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes up to one of the stop texts."""
        texts: list[str] = self._run(self._all([self._generation(*request.args) for request in requests], self._write))
        return texts

    async def _all(self, asked: Sequence[Any], one: Callable[[Any], Awaitable[Any]]) -> list[Any]:
        """Ask all, so many at once, in their order."""
        places, done = asyncio.Semaphore(AT_ONCE), 0

        async def in_turn(request: Any) -> Any:
            nonlocal done
            async with places:
                if self._is_stopped():
                    raise InferenceError("the evaluation was stopped; start it again")
                result = await one(request)
                done += 1
                self._tell(done, len(asked))
                return result

        return await together(in_turn(request) for request in asked)

    async def _score(self, request: ScoreRequest) -> ScoreResult:
        return await self._engine.score(self._target, request)

    async def _write(self, request: GenerationRequest) -> str:
        progress = await ask(self._engine, self._target, request, AnswerProgress(requested_at=now()))
        if progress.error_type is not None and progress.error_type != EmptyAnswerError.__name__:
            raise error_from_name(progress.error_type, progress.error or "")
        return progress.text

    def _generation(self, context: str, options: dict[str, Any]) -> GenerationRequest:
        wanted = dict(normalize_gen_kwargs(options, DEFAULT_TOKENS))
        stops = [text for text in wanted["until"] if text][:MAX_STOPS]
        config = replace(
            measured_config(self._config), max_tokens=wanted["max_gen_toks"], stop=tuple(text[:256] for text in stops)
        )
        if wanted.get("do_sample"):
            config = replace(config, temperature=float(wanted.get("temperature") or 1.0), top_k=0, top_p=1.0)
        prefix = _prefix(context)
        if isinstance(prefix, str):
            return GenerationRequest(messages=(Message("user", prefix),), config=config, raw=True)
        messages = tuple(part for part in prefix if isinstance(part, Message))
        return GenerationRequest(
            messages=messages, config=config, continue_final=bool(messages) and messages[-1].role == "assistant"
        )


def _prefix(context: str) -> Prefix:
    """The text, or the conversation that it stands for."""
    if not context.startswith(CHAT):
        return context
    return tuple(Message(turn["role"], turn["content"]) for turn in json.loads(context.removeprefix(CHAT)))
