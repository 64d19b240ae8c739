"""How a model is loaded for a request, and by which engine."""

from __future__ import annotations

from dataclasses import replace

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.inferencers.base import LoadOptions


def load_options(model: ModelInfo, config: ModelConfig, parallel: int) -> LoadOptions:
    """How a model is loaded for this configuration.

    The usual context is nobody's wish: a model that was made for less gets what it was made for, so that those who
    leave it as it is share one loaded model with those who ask for just that.
    """
    options = LoadOptions.from_config(config, parallel=parallel)
    trained = model.config.get("context_length") or options.n_ctx
    options = replace(options, projector=model.config.get("projector", ""))
    return replace(options, n_ctx=min(options.n_ctx, trained)) if options.n_ctx == ModelConfig.n_ctx else options


def engine_of(model: ModelInfo) -> str:
    """The name of the engine that runs a model."""
    return str(model.config.get("engine") or model.model_type.value)
