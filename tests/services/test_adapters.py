"""A base and its adapters, asked at once, are one model in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.adapters import make_adapter
from tests.support.tiny_checkpoint import make_checkpoint


async def test_a_base_and_its_adapter_are_one_model_in_memory(tmp_path: Path) -> None:
    base = make_checkpoint(tmp_path / "models" / "pytorch" / "tiny")
    make_adapter(tmp_path / "models" / "pytorch" / "style", base, seed=1)
    settings = Settings(home=tmp_path / "home", scan_hf_cache=False, spare_process=False)
    models = ModelManager(tmp_path / "models", settings=settings)
    models.scan_models()
    engine = InferenceEngine(models=models, settings=settings)

    async def ask(target: str) -> str:
        config = ModelConfig(temperature=0, max_tokens=12, n_ctx=256)
        said = ""
        async for event in engine.stream(target, GenerationRequest(messages=(Message("user", "hi"),), config=config)):
            assert not isinstance(event, Failed), event
            said += event.text if isinstance(event, TextDelta) else ""
        return said

    try:
        plain, tuned = await asyncio.gather(ask("tiny"), ask("tiny:style"))
        assert plain != tuned
        assert [model.name for model in engine.loaded_models()] == ["tiny"]
        await engine.unload("tiny:style")
        assert engine.loaded_models() == []
    finally:
        await engine.aclose()
