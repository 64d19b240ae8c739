"""The GGUF engine behind the simple interface."""

from __future__ import annotations

from multi_llm_comparator.inferencers.base import EngineInferencer


class GGUFInferencer(EngineInferencer):
    """A GGUF model in this process, one request at a time."""

    engine_name = "gguf"
