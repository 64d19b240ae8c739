"""What quantising costs on one's own prompt, measured on an answer that the reference wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.evaluation.answer_loss import AnswerLoss, loss_on_answer
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at

MODELS = Path(__file__).parents[2] / "models"
CONFIG = ModelConfig(n_ctx=512)
ANSWER = "12 + 7 is 19. That is 10 + 9."
SMOL = MODELS / "bench" / "gguf"
SMOL_PROMPTS = 100
PLACES = ["kitchen", "garden", "library", "harbour", "school", "museum", "theatre", "barn", "bakery", "station"]
THINGS = ["clock", "ladder", "lamp", "mirror", "table", "blanket", "radio", "bucket", "window", "bell"]


@pytest.fixture
async def engine() -> AsyncIterator[InferenceEngine]:
    engine = InferenceEngine()
    yield engine
    await engine.aclose()


def known(engine: InferenceEngine, *paths: Path) -> list[str]:
    models = [model_at(str(path)) for path in paths]
    for model in models:
        engine.know(model)
    return [model.id for model in models]


async def prompt_of(engine: InferenceEngine, target: str, text: str, config: ModelConfig = CONFIG) -> str:
    """As the model reads it."""
    request = TokenRequest(messages=(Message("user", text),), config=config)
    return (await engine.tokens(target, request)).text


async def test_coarser_weights_lose_more_and_another_tokenizer_is_said(engine: InferenceEngine) -> None:
    gguf = MODELS / "gguf"
    paths = [gguf / f"demo-large-{kind}.gguf" for kind in ("F16", "Q8_0", "Q4_0")]
    reference, fine, coarse, other = known(engine, *paths, gguf / "SmolLM2-135M-Instruct.Q4_1.gguf")
    prompt = await prompt_of(engine, reference, "What is 12 + 7?")
    targets = (reference, fine, coarse, other)
    found = await loss_on_answer(
        engine, reference, targets, prompt, ANSWER, configs=dict.fromkeys(targets, CONFIG), top_k=64
    )
    itself, near, far = (found.losses[target] for target in (reference, fine, coarse))
    assert isinstance(itself, AnswerLoss) and isinstance(near, AnswerLoss) and isinstance(far, AnswerLoss)
    assert "".join(found.tokens) == ANSWER
    assert itself.mean_kl < 1e-6 and itself.top1_agreement == 1 and itself.breaks_at is None
    assert itself.mean_kl < near.mean_kl < far.mean_kl
    assert len(far.by_token) == len(found.tokens)
    assert isinstance(found.losses[other], InferenceError)
    assert "another tokenizer" in str(found.losses[other])


@pytest.mark.nightly
@pytest.mark.skipif(not (SMOL / "SmolLM2-135M-Instruct.Q4_0.gguf").exists(), reason="the model is not here")
async def test_eight_bit_loses_less_than_four_on_a_hundred_prompts(engine: InferenceEngine) -> None:
    """SmolLM2-135M-Instruct against its checkpoint, on the answers of its Q8_0."""
    checkpoint = MODELS / "bench" / "pytorch" / "SmolLM2-135M-Instruct"
    config = ModelConfig(n_ctx=512, torch_dtype="float32")
    paths = (checkpoint, *(SMOL / f"SmolLM2-135M-Instruct.{kind}.gguf" for kind in ("Q8_0", "Q4_0")))
    reference, fine, coarse = known(engine, *paths)
    sums = [0.0, 0.0]
    for number in range(SMOL_PROMPTS):
        # No numbers: the checkpoint's tokenizer and the GGUF's split some of them differently.
        place, thing = PLACES[number % 10], THINGS[number // 10]
        prompt = await prompt_of(engine, reference, f"Why does a {thing} belong in a {place}?", config)
        answer = f"A {thing} belongs in a {place} because people who live there use it every day."
        targets = (reference, fine, coarse)
        found = await loss_on_answer(engine, reference, targets, prompt, answer, configs=dict.fromkeys(targets, config))
        for i, target in enumerate((fine, coarse)):
            loss = found.losses[target]
            assert isinstance(loss, AnswerLoss), loss
            sums[i] += loss.mean_kl
    print(f"mean KL over {SMOL_PROMPTS} prompts: Q8_0 {sums[0] / 100:.4f}, Q4_0 {sums[1] / 100:.4f} nats per token")
    assert sums[0] < sums[1]
