"""Two hundred JSON schemas of others over HTTP, on a real model: accepted and enforced, or refused with the keyword."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import jsonschema
import llguidance
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.inferencers.constraints import notation
from tests.inferencers.test_real_schemas import NAMES, schema_of
from tests.support.grammars import BYTES
from tests.support.served_api import served_models

MODEL = Path(__file__).parents[3] / "models" / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SCHEMAS, TOKENS = 200, 48
ANSWER_S = 600.0


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.skipif(not MODEL.exists(), reason="the model is not here")
async def test_each_is_enforced_or_refused_by_its_keyword(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    (folder / MODEL.name).symlink_to(MODEL.resolve())
    became: Counter[str] = Counter()
    async with served_models(tmp_path) as api:
        # The first answer waits for the model, and a compilation may wait for a busy machine.
        api.http.timeout = ANSWER_S
        for name in random.Random(2).sample(NAMES, SCHEMAS):
            schema = schema_of(name)
            asked = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}}
            answer = await api.chat(
                "Make up an example.",
                model=MODEL.stem,
                max_tokens=TOKENS,
                temperature=0,
                response_format=asked,
            )
            if answer.status_code == 400:
                said = answer.json()["error"]
                words = json.dumps(schema).replace('"', " ").replace(":", " ").split()
                assert said["param"] == "response_format", (name, said)
                assert any(word in said["message"] for word in words if len(word) > 3), (name, said)
                became["refused, with the keyword"] += 1
                continue
            assert answer.status_code == 200, (name, answer.text)
            choice = answer.json()["choices"][0]
            text = choice["message"]["content"]
            if choice["finish_reason"] == "stop":
                jsonschema.validate(json.loads(text), schema)
                became["whole, and fits"] += 1
            else:
                assert begins(schema, text), (name, text)
                became[f"cut at {TOKENS} tokens, and so far fits"] += 1
    print(f"{SCHEMAS} schemas: {dict(became)}")
    assert sum(became.values()) == SCHEMAS
    assert became["refused, with the keyword"] < SCHEMAS / 10


def begins(schema: dict[str, object], text: str) -> bool:
    """Whether a text that fits the schema begins so."""
    matcher = llguidance.LLMatcher(BYTES, notation(Constraint.of_schema(schema)))
    data = list(text.encode())
    return bool(matcher.validate_tokens(data) == len(data))
