"""Scores through the engine: from a model process, many at once, beside answers, and as errors where there are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Finished
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    ModelNotFoundError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import TIE_NATS, ScoreRequest
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.support import tiny_gguf
from tests.support.scripted_models import scripted_model

CONFIG = ModelConfig(n_ctx=256)
EXAMPLES = "one two three hello world " * 6


def asked(n: int) -> ScoreRequest:
    return ScoreRequest(prefix=f"{EXAMPLES}{'two ' * n}is", continuations=(" one", " two three"), config=CONFIG)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[InferenceEngine]:
    engine = InferenceEngine(settings=Settings(spare_process=False, home=tmp_path))
    yield engine
    await engine.aclose()


@pytest.fixture
def model(engine: InferenceEngine, tmp_path: Path) -> str:
    found = model_at(tiny_gguf.write_random(tmp_path / "random.gguf"))
    engine.know(found)
    return found.id


async def test_many_requests_at_once_have_the_scores_of_each_alone(engine: InferenceEngine, model: str) -> None:
    together = await asyncio.gather(*(engine.score(model, asked(n)) for n in range(12)))
    assert max(result.cached_tokens for result in together) > 20
    for n in (0, 5, 11):
        alone = await engine.score(model, asked(n))
        assert alone.logprobs == pytest.approx(together[n].logprobs, abs=TIE_NATS)


async def test_an_answer_is_written_while_texts_are_scored(engine: InferenceEngine, model: str) -> None:
    request = GenerationRequest(messages=(Message("user", "hello"),), config=CONFIG, raw=True)

    async def write() -> bool:
        events = [event async for event in engine.stream(model, request)]
        return isinstance(events[-1], Finished)

    is_finished, *scores = await asyncio.gather(write(), *(engine.score(model, asked(n)) for n in range(8)))
    assert is_finished is True
    assert len(scores) == 8


async def test_a_cancelled_score_leaves_the_others_alone(engine: InferenceEngine, model: str) -> None:
    await engine.score(model, asked(0))
    tasks = [asyncio.create_task(engine.score(model, asked(n))) for n in range(6)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[2], asyncio.CancelledError)
    assert not any(isinstance(result, BaseException) for n, result in enumerate(results) if n != 2)


async def test_what_cannot_be_scored_is_an_error_that_says_why(
    engine: InferenceEngine, model: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelNotFoundError):
        await engine.score("nobody", asked(0))
    with pytest.raises(ContextOverflowError, match="raise n_ctx"):
        await engine.score(model, ScoreRequest(prefix="one " * 400, continuations=("a",), config=CONFIG))
    with pytest.raises(InferenceError, match="another tokenizer"):
        await engine.score(model, ScoreRequest(prefix=(1, 10**6), continuations=((1,),), config=CONFIG))
    writer = scripted_model(tmp_path, "writer", otherwise="hello")
    engine.know(writer)
    with pytest.raises(UnsupportedModelError, match="only writes"):
        await engine.score(writer.id, asked(0))


def test_a_path_names_one_model(tmp_path: Path) -> None:
    path = tiny_gguf.write_random(tmp_path / "one.gguf")
    assert model_at(path).name == "one"
    assert model_at(tmp_path).path == str(path)
    tiny_gguf.write_random(tmp_path / "two.gguf")
    with pytest.raises(ModelNotFoundError, match="2 models"):
        model_at(tmp_path)
    with pytest.raises(ModelNotFoundError, match="neither"):
        model_at(tmp_path / "nothing")
