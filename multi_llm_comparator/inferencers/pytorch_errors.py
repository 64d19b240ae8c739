"""What torch, transformers and safetensors raise, said in this project's words. The one place that does."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from multi_llm_comparator.core.exceptions import (
    InferenceError,
    InsufficientMemoryError,
    ModelLoadError,
    MultiLLMError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.inferencers.pickle_contents import hostile_file

MAX_DETAIL_CHARS = 300
_DAMAGED = (SafetensorError, EOFError)


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
        return UnsupportedModelError(f"{path!r} needs a package that is not installed: {detail(exc)}; install it")
    if isinstance(exc, pickle.UnpicklingError):
        return _pickle_error(path)
    if isinstance(exc, _DAMAGED):
        return ModelLoadError(f"the weights of {path!r} are damaged or incomplete ({detail(exc)}); fetch them again")
    if isinstance(exc, OSError):
        return ModelLoadError(f"{path!r} lacks a file or has one that is not readable: {detail(exc)}; fetch it again")
    return ModelLoadError(
        f"{path!r} cannot be loaded: {type(exc).__name__}: {detail(exc)}; fetch it again, or take another form of it"
    )


def _pickle_error(path: str) -> ModelLoadError:
    """Of a pickle that was refused, without what torch then advises: to load it in the way that runs its code."""
    found = hostile_file(Path(path))
    if found is None:
        return ModelLoadError(
            f"the pickled weights of {path!r} are damaged or hold more than weights, and were not loaded; fetch the "
            "model again, as safetensors"
        )
    file, names = found
    asked = ", ".join(repr(name[:80]) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return UnsupportedModelError(
        f"the weights of {path!r} are refused, and nothing of them ran: {file!r} would run code, for it asks for "
        f"{asked}, which no weights need. Do not load it by other means; fetch the model as safetensors, from somebody "
        "you trust"
    )


def is_panic(exc: BaseException) -> bool:
    """Whether a library written in Rust broke down, which is no ``Exception`` and would end the process."""
    return any(kind.__name__ == "PanicException" for kind in type(exc).__mro__)


@contextmanager
def tokenizer_named(error: type[MultiLLMError], what: str) -> Iterator[None]:
    """Raise ``error`` where the tokenizers library breaks down, over a regular expression for example."""
    try:
        yield
    except BaseException as exc:
        if not is_panic(exc):
            raise
        raise error(
            f"the model's tokenizer breaks down {what} ({detail(exc)}): the rules in its tokenizer.json cannot be "
            "followed; change the prompt, or fetch the model from somebody you trust"
        ) from None


def as_inference_error(exc: Exception) -> MultiLLMError:
    """The error of the requests whose forward pass ended in ``exc``."""
    if isinstance(exc, MultiLLMError):
        return exc
    if is_out_of_memory(exc):
        return InferenceError(
            "memory ran out while the model was computing; shorten the conversation, lower n_ctx, "
            "run fewer requests at once or unload another model"
        )
    return InferenceError(
        f"the model failed while computing: {type(exc).__name__}: {detail(exc)}; ask again, and if that fails too, "
        "load the model anew or take another form of it"
    )


def detail(exc: BaseException) -> str:
    """The first line of what a library said, cut to a length that fits on a page."""
    lines = str(exc).strip().splitlines()
    return cut_line(lines[0] if lines else type(exc).__name__, MAX_DETAIL_CHARS)
