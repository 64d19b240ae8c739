"""JSON schemas that others wrote for other ends: a model is held to each, or told which keyword is in the way.

They are those of the classes that OpenAI's and Anthropic's libraries read answers into (hundreds, with unions,
constants, references and recursion), and some of build tools. Held to one means: what may be written fits it, as
another library judges it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
import sysconfig
from pathlib import Path
from typing import Any

import anthropic.types
import jsonschema
import llguidance
import numpy as np
import openai.types.chat
import openai.types.responses
import pydantic
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.inferencers.constraints import notation
from tests.support.grammars import BYTES

END = 256
# A text that has not ended by then is given up: not all that a schema allows is short.
MAX_BYTES = 4000
SAMPLED = 30
FILES = (
    "setuptools/config/setuptools.schema.json",
    "setuptools/config/distutils.schema.json",
    "jsonschema_specifications/schemas/draft7/metaschema.json",
    "jsonschema_specifications/schemas/draft202012/metaschema.json",
)


def classes_of(package: Any) -> dict[str, type[pydantic.BaseModel]]:
    """A package's classes of data, by name."""
    found: dict[str, type[pydantic.BaseModel]] = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            is_own = isinstance(kind, type) and getattr(kind, "__module__", "") == module.name
            if is_own and issubclass(kind, pydantic.BaseModel) and kind.model_fields:
                found[f"{module.name}.{name}"] = kind
    return found


CLASSES = classes_of(openai.types.responses) | classes_of(openai.types.chat) | classes_of(anthropic.types)
LIBRARIES = Path(sysconfig.get_paths()["purelib"])
NAMES = [*sorted(CLASSES), *(name for name in FILES if (LIBRARIES / name).is_file())]


def schema_of(name: str) -> dict[str, Any]:
    if name in CLASSES:
        return CLASSES[name].model_json_schema()
    found: dict[str, Any] = json.loads((LIBRARIES / name).read_text(encoding="utf-8"))
    return found


def written(schema: dict[str, Any], seed: int) -> str | None:
    """A text that a model may write under the schema; None if it came to no end.

    Raises:
        ValueError: no model can be held to it, with the reason.
    """
    try:
        grammar = notation(Constraint.of_schema(schema))
    except InvalidParameterError as exc:
        raise ValueError(str(exc)) from exc
    matcher = llguidance.LLMatcher(BYTES, grammar, log_level=0)
    if matcher.is_error():
        raise ValueError(matcher.get_error())
    chance, text = random.Random(seed), bytearray()
    while not matcher.is_stopped() and len(text) < MAX_BYTES:
        may = np.flatnonzero(np.frombuffer(matcher.compute_logit_bias(), dtype=np.uint8))
        assert not matcher.is_error() and len(may), matcher.get_error()
        ends = [n for n in may if n in (ord('"'), ord("}"), ord("]"), END)]
        token = int(chance.choice(ends if ends and chance.random() < 0.9 else may))
        matcher.consume_token(token)
        if token != END:
            text.append(token)
    return text.decode("utf-8", "replace") if matcher.is_stopped() else None


def check(name: str) -> None:
    schema = schema_of(name)
    try:
        texts = [text for seed in range(2) if (text := written(schema, seed)) is not None]
    except ValueError as exc:
        # It says which keyword, or which combination, is in the way.
        assert any(word in str(exc) for word in json.dumps(schema).replace('"', " ").split() if len(word) > 3), exc
        return
    for text in texts:
        jsonschema.validate(json.loads(text), schema)


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 200


@pytest.mark.parametrize("name", random.Random(1).sample(NAMES, SAMPLED))
def test_what_may_be_written_fits(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_written_fits_all_of_them(name: str) -> None:
    check(name)
