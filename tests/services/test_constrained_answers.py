"""Constraints on their whole way: through the gateway, the engine and the wire to a model process and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from tests.support import tiny_gguf
from tests.support.gateways import gateway_of
from tests.support.scripted_models import Catalogue
from tests.support.tiny_checkpoint import make_checkpoint

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"enum": ["Köln", "北京"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("kind", ["pytorch", "gguf"])
async def test_an_answer_in_json_comes_through_the_gateway_from_a_model_process(tmp_path: Path, kind: str) -> None:
    if kind == "pytorch":
        path, model_type = make_checkpoint(tmp_path / "m"), ModelType.PYTORCH
    else:
        path, model_type = tiny_gguf.write_random(tmp_path / "m.gguf"), ModelType.GGUF
    models = Catalogue(ModelInfo("m", "m", str(path), model_type, 1000, {}))
    settings = Settings(spare_process=False, home=tmp_path, hang_timeout_s=60)
    config = ModelConfig(max_tokens=150, n_ctx=256, temperature=1.0, seed=3)
    asked = {"messages": (Message("user", "hello"),), "config": config}
    engine = InferenceEngine(models=models, settings=settings)
    try:
        async with gateway_of({}, tmp_path / "gateway", engine) as gateway:
            request = GenerationRequest(constraint=Constraint.of_schema(SCHEMA), **asked)  # type: ignore[arg-type]
            events = [event async for event in gateway.stream("m", request)]
            assert isinstance(events[-1], Finished)
            assert events[-1].reason == "stop"
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            jsonschema.validate(json.loads(text), SCHEMA)
            wrong = GenerationRequest(constraint=Constraint(regex="["), **asked)  # type: ignore[arg-type]
            *_, failed = [event async for event in gateway.stream("m", wrong)]
            assert isinstance(failed, Failed)
            assert failed.error_type == "GrammarError"
            assert "cannot be read" in failed.message
    finally:
        await engine.aclose()
