"""Our side of a measurement: answers through the inference engine, timed by the model process's clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer import Run
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager


class ShortAnswer(SystemExit):
    """An answer ended before it was as long as the others."""


@asynccontextmanager
async def engine_over(models_dir: Path, *, spare: bool = False, slots: int = 4) -> AsyncIterator[InferenceEngine]:
    """An engine that knows the models of one folder and decodes for ``slots`` requests of a model at once; its
    processes end with it.

    With ``spare`` it keeps a process ready for the next model, as the workbench does: that one starts after each load,
    and whatever is measured meanwhile shares the cores with it.
    """
    models = ModelManager(models_dir)
    models.scan_models()
    settings = get_settings().model_copy(update={"spare_process": spare, "parallel_requests": slots})
    engine = InferenceEngine(models=models, settings=settings)
    try:
        yield engine
    finally:
        await engine.aclose()


@dataclass(frozen=True)
class Effort:
    """How long a measurement is: pairs of runs, tokens in each answer, threads on either side."""

    rounds: int
    tokens: int
    threads: int

    def config(self) -> ModelConfig:
        """The same work as the peers do: the likeliest token each time, nothing else looked at."""
        return ModelConfig(
            temperature=0,
            repeat_penalty=1.0,
            top_p=1.0,
            top_k=0,
            max_tokens=self.tokens,
            n_ctx=1024,
            n_threads=self.threads,
        )


async def answer(engine: InferenceEngine, target: str, prompt: str, config: ModelConfig) -> AnswerProgress:
    """One whole answer, folded. Ends the program when it fails: there would be nothing to measure."""
    request = GenerationRequest(messages=(Message("user", prompt),), config=config)
    progress = AnswerProgress(requested_at=now())
    async for event in engine.stream(target, request):
        progress.apply(event)
    if progress.state != "done":
        raise SystemExit(f"{target}: {progress.error_type}: {progress.error}")
    return progress


async def run(engine: InferenceEngine, target: str, prompt: str, effort: Effort) -> Run:
    """One answer of exactly the wanted length."""
    progress = await answer(engine, target, prompt, effort.config())
    check_length(progress, effort.tokens)
    return Run(progress.tokens, span([progress]), progress.tokens_per_second or 0.0)


async def run_together(engine: InferenceEngine, asked: Sequence[tuple[str, str]], effort: Effort) -> float:
    """Answers to pairs of (target, prompt) at once; seconds from the asking until the last one has arrived."""
    began = time.perf_counter()
    answers = await asyncio.gather(*(answer(engine, target, prompt, effort.config()) for target, prompt in asked))
    seconds = time.perf_counter() - began
    for progress in answers:
        check_length(progress, effort.tokens)
    return seconds


async def as_the_model_sees_it(engine: InferenceEngine, target: str) -> Callable[[str], str]:
    """What makes a prompt into the text that the model is given, by its chat template: for peers that have none."""
    mark = "(the prompt)"
    around = (await answer(engine, target, mark, ModelConfig(temperature=0, max_tokens=1, n_ctx=1024))).prompt
    return lambda prompt: around.replace(mark, prompt)


def span(answers: Sequence[AnswerProgress]) -> float:
    """Seconds from the first start to the last end, both by the model processes' clock."""
    starts = [a.started_at for a in answers if a.started_at is not None]
    ends = [a.ended_at for a in answers if a.ended_at is not None]
    return max(ends) - min(starts)


def check_length(progress: AnswerProgress, tokens: int) -> None:
    """Sides whose answers differ in length cannot be compared.

    Raises:
        ShortAnswer: the model ended its answer by itself.
    """
    if progress.tokens != tokens:
        raise ShortAnswer(f"an answer has {progress.tokens} tokens, not {tokens}: the comparison would be unfair")
