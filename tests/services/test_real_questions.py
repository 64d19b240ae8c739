"""The main job on input as people write it: conversations of two turns, through the programming interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Queued
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.material import files

ROOT = Path(__file__).parents[2]
CONVERSATIONS = files("conversations.jsonl", "mt_bench", "question.jsonl")
MODELS = ("demo-small", "demo-large-Q8_0")
A_DOZEN = 12


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[InferenceEngine]:
    monkeypatch.chdir(ROOT)
    models = ModelManager("models")
    models.scan_models()
    engine = InferenceEngine(models=models, settings=Settings(home=tmp_path, spare_process=False))
    yield engine
    await engine.aclose()


async def answer(engine: InferenceEngine, target: str, messages: tuple[Message, ...]) -> AnswerProgress:
    config = ModelConfig(temperature=0.7, max_tokens=24, seed=1)
    progress = AnswerProgress(requested_at=now())
    async for event in engine.stream(target, GenerationRequest(messages=messages, config=config)):
        if not isinstance(event, Queued):
            progress.apply(event)
    return progress


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
async def test_questions_of_two_turns_are_all_answered_or_refused_with_a_reason(
    engine: InferenceEngine, path: Path
) -> None:
    questions = [json.loads(line)["turns"] for line in path.read_text(encoding="utf-8").splitlines()]
    # Of each kind some: they stand one kind after the other.
    questions = questions[:: max(1, len(questions) // A_DOZEN)]
    # One that fits into no context of a demo model.
    questions.append(["What do these words say? " + "many words " * 2000, "And now?"])

    async def converse(target: str, turns: list[str]) -> list[AnswerProgress]:
        messages: tuple[Message, ...] = ()
        answers = []
        for turn in turns:
            messages += (Message("user", turn),)
            answers.append(await answer(engine, target, messages))
            messages += (Message("assistant", answers[-1].text),)
        return answers

    # All at once: what does not fit into a model's batch waits in its queue.
    talks = [converse(target, turns) for target in MODELS for turns in questions]
    answers = [a for talk in await asyncio.gather(*talks) for a in talk]
    assert len(answers) == len(questions) * 2 * len(MODELS)
    failed = [a for a in answers if a.state == "failed"]
    assert {a.error_type for a in failed} == {"ContextOverflowError"}
    assert all(any(char.isdigit() for char in a.error or "") for a in failed)
    assert len(failed) < len(answers) / 4
    done = [a for a in answers if a.state == "done"]
    assert all(0 < a.tokens <= 24 and a.prompt_tokens > 0 for a in done if a.finish_reason == "length")
    # The second turn of a conversation finds the first one already read.
    assert any(a.cached_tokens > 0 for a in done)
