"""Models and results as the whole project speaks of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from multi_llm_comparator.core.config import ModelConfig

__all__ = ["InferenceResult", "InferenceStats", "ModelConfig", "ModelInfo", "ModelType"]


class ModelType(Enum):
    """What kind of engine a model needs."""

    PYTORCH = "pytorch"
    GGUF = "gguf"
    CUSTOM = "custom"


@dataclass
class ModelInfo:
    """One model that was found.

    ``config`` holds what was read from its headers. Keys, each present only where known: ``architecture`` (str),
    ``parameters`` (int), ``quantization`` (str), ``context_length`` (tokens), ``layers`` (int), ``chat_template``
    (bool), ``file_format`` (str), ``files`` (list of paths), ``problem`` (str: why it cannot be loaded), ``warnings``
    (list of str), ``source`` (str: where it was found), ``base_model`` (str: for an adapter), ``generation`` (dict:
    parameters that the model's makers recommend, under ModelConfig's names), ``names_tools`` (bool: its chat template
    has a place for tools), ``sees_images`` (bool), ``projector``
    (str: a GGUF model's vision part, of ``projector_bytes``), ``converted_from`` (str: source and the types its
    weights went through), and what the memory estimate needs
    (``kv_bytes_per_token``, ``weight_bytes``, ``hidden_size``, ``vocab_size``, ...). Of an adapter also ``rank`` (int),
    ``lineage`` (dict: its ``tuning.json``) and ``adapter_problem`` (str: what is wrong with its own files).

    A LoRA adapter is a model named ``base:adapter``: ``base`` is what it is added to, ``path`` its own folder or file,
    ``size`` that of its own files, and ``config`` its base's but for what is its own. ``adapters`` are the names of
    those that were found for this model.
    """

    id: str
    name: str
    path: str
    model_type: ModelType
    size: int
    config: dict[str, Any] = field(default_factory=dict)
    base: ModelInfo | None = None
    adapters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.id:
            self.id = self.generate_id()

    def generate_id(self) -> str:
        """First 8 hexadecimal digits of the md5 of the path: stable between scans, short enough to type."""
        return hashlib.md5(self.path.encode(), usedforsecurity=False).hexdigest()[:8]

    @property
    def loaded_as(self) -> ModelInfo:
        """What is in memory when this model answers: an adapter's base, or itself."""
        return self.base or self

    @property
    def problem(self) -> str | None:
        """Why this model cannot be loaded, or None."""
        return self.config.get("problem")

    @property
    def is_loadable(self) -> bool:
        return self.problem is None


@dataclass
class InferenceStats:
    """Figures of one answer. Times in seconds since the epoch, memory in bytes.

    ``tokens_per_second`` is the speed of decoding alone; of an answer of one token, that of reading the prompt and
    decoding together. Loading never counts.
    """

    start_time: float
    end_time: float | None = None
    token_count: int = 0
    tokens_per_second: float | None = None
    memory_usage: int | None = None

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, or None while it runs."""
        return None if self.end_time is None else self.end_time - self.start_time


@dataclass
class InferenceResult:
    """One model's answer so far."""

    model_id: str
    content: str
    is_complete: bool
    error: str | None
    stats: InferenceStats
