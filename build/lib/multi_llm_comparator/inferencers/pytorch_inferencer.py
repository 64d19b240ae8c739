"""The PyTorch engine behind the simple interface."""

from __future__ import annotations

from multi_llm_comparator.inferencers.base import EngineInferencer


class PyTorchInferencer(EngineInferencer):
    """A PyTorch model in this process, one request at a time."""

    engine_name = "pytorch"
