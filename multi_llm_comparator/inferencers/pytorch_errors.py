"""What torch, transformers and safetensors raise, said in this project's words. The one place that does."""

from __future__ import annotations

import pickle

import torch
from safetensors import SafetensorError

from multi_llm_comparator.core.exceptions import (
    InferenceError,
    InsufficientMemoryError,
    ModelLoadError,
    MultiLLMError,
    UnsupportedModelError,
)

MAX_DETAIL_CHARS = 300
_DAMAGED = (SafetensorError, pickle.UnpicklingError, EOFError)


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether memory ran out: torch says so with its own error on a GPU and a plain RuntimeError on a CPU."""
    if isinstance(exc, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(exc).lower()
    return isinstance(exc, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)


def as_load_error(exc: Exception, path: str) -> ModelLoadError:
    """The error that a person should see when loading ``path`` ended in ``exc``."""
    if isinstance(exc, ModelLoadError):
        return exc
    if is_out_of_memory(exc):
        return InsufficientMemoryError(
            f"{path!r} does not fit into memory; unload other models, choose 8bit or 4bit quantization, or lower n_ctx"
        )
    if isinstance(exc, ImportError):
        return UnsupportedModelError(f"{path!r} needs a package that is not installed: {detail(exc)}")
    if isinstance(exc, _DAMAGED):
        return ModelLoadError(f"the weights of {path!r} are damaged or incomplete ({detail(exc)}); fetch them again")
    if isinstance(exc, OSError):
        return ModelLoadError(f"{path!r} lacks a file or has one that is not readable: {detail(exc)}")
    return ModelLoadError(f"{path!r} cannot be loaded: {type(exc).__name__}: {detail(exc)}")


def as_inference_error(exc: Exception) -> MultiLLMError:
    """The error of the requests whose forward pass ended in ``exc``."""
    if isinstance(exc, MultiLLMError):
        return exc
    if is_out_of_memory(exc):
        return InferenceError(
            "memory ran out while the model was computing; shorten the conversation, lower n_ctx, "
            "run fewer requests at once or unload another model"
        )
    return InferenceError(f"the model failed while computing: {type(exc).__name__}: {detail(exc)}")


def detail(exc: BaseException) -> str:
    """The first line of what a library said, cut to a length that fits on a page."""
    lines = str(exc).strip().splitlines()
    text = lines[0].strip() if lines else type(exc).__name__
    return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"
