"""Parameters of a model from plain data: known names, right types. Ranges are checked when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import said_of

NAMES = frozenset(f.name for f in fields(ModelConfig))


def _only_known(value: Any) -> Any:
    if isinstance(value, dict) and (unknown := sorted(set(value) - NAMES)):
        raise ValueError(f"no parameter is called {unknown[0]!r}")
    return value


Config = Annotated[ModelConfig, BeforeValidator(_only_known)]
_READER: TypeAdapter[ModelConfig] = TypeAdapter(Config)


def config_from(data: Mapping[str, Any]) -> ModelConfig:
    """Build a configuration; what ``data`` leaves out has its default.

    Raises:
        ConfigurationError: an unknown name, or a value of the wrong type.
    """
    try:
        return _READER.validate_python(dict(data))
    except ValidationError as exc:
        raise ConfigurationError(said_of(exc)) from exc
