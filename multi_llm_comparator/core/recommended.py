"""The parameters that a model comes with."""

from __future__ import annotations

from dataclasses import replace

from multi_llm_comparator.core.config import MIN_CONTEXT, ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo


def recommended(model: ModelInfo | None) -> ModelConfig:
    """The parameters that a model comes with, as far as they are allowed; the rest as usual, and no longer a context
    than the model was made for."""
    config = ModelConfig()
    for name, value in (model.config.get("generation") or {} if model else {}).items():
        try:
            candidate = replace(config, **{name: value})
            candidate.validate()
        except (MultiLLMError, TypeError):
            continue
        config = candidate
    trained = (model.config.get("context_length") if model else None) or config.n_ctx
    return replace(config, n_ctx=max(MIN_CONTEXT, min(config.n_ctx, trained)))
