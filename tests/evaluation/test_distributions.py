"""Predictions of quantised models move from the reference: by more with fewer bits, by nothing for the same model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError, InvalidParameterError
from multi_llm_comparator.evaluation.distributions import compare_distributions
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.support import tiny_gguf

ROOT = Path(__file__).parents[2]
TEXTS = ("what is 12 + 7 ?", "the answer is 19 .", "add 4 and 5 , then take 3 away")


@pytest.fixture
async def engine() -> AsyncIterator[InferenceEngine]:
    engine = InferenceEngine()
    yield engine
    await engine.aclose()


def known(engine: InferenceEngine, path: Path) -> str:
    model = model_at(path)
    engine.know(model)
    return model.id


@pytest.mark.slow
async def test_fewer_bits_move_predictions_further_and_the_same_model_moves_none(engine: InferenceEngine) -> None:
    names = [known(engine, ROOT / "models" / "gguf" / f"demo-small-{kind}.gguf") for kind in ("F16", "Q8_0", "Q4_0")]
    configs = dict.fromkeys(names, ModelConfig(n_ctx=64))
    losses = await compare_distributions(engine, names[0], names, TEXTS, configs=configs)
    same, q8, q4 = (losses[name] for name in names)
    assert same.mean_kl == pytest.approx(0, abs=1e-4)
    assert same.top1_agreement == 1
    assert same.mean_kl < q8.mean_kl < q4.mean_kl
    assert len(q8.per_text) == len(TEXTS)
    assert q8.tokens == sum(one.tokens for one in q8.per_text)
    assert 0 <= q8.mean_rest < 1


async def test_models_with_other_vocabularies_are_not_compared(engine: InferenceEngine, tmp_path: Path) -> None:
    reference = known(engine, ROOT / "models" / "gguf" / "demo-small-F16.gguf")
    other = known(engine, tiny_gguf.write_random(tmp_path / "other.gguf"))
    with pytest.raises(InferenceError, match="another tokenizer"):
        await compare_distributions(engine, reference, [other], TEXTS[:1])


async def test_contexts_of_different_lengths_and_no_text_are_refused(engine: InferenceEngine) -> None:
    with pytest.raises(InvalidParameterError, match="n_ctx"):
        await compare_distributions(engine, "a", ["b"], TEXTS, configs={"a": ModelConfig(n_ctx=64)})
    with pytest.raises(InvalidParameterError, match="texts"):
        await compare_distributions(engine, "a", ["b"], [" "])
