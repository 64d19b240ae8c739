"""LoRA adapters beside a loaded GGUF model.

llama.cpp's adapters belong to a context, not to a row of its batch: so the rows of one adapter are decoded in a call of
their own, after the context was told which adapter that is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import llama_cpp

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.inferencers.gguf_runtime import error_log

# What all adapters of a model may take together: so much, or this share of the model's own weights.
MIN_BANK_BYTES = 128 * 2**20
BANK_SHARE = 0.5
MAX_ADAPTERS = 64

Stamp = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class AnswerAdapter:
    """What an answer is computed with. Equal ones may share a call, and keys and values."""

    stamp: Stamp
    scale: float


class Adapted(Protocol):
    """An answer that shares a context, unless it has a context of its ``own``."""

    adapter: AnswerAdapter | None
    own: Any


def groups_of(answers: Sequence[Adapted], now: AnswerAdapter | None) -> list[AnswerAdapter | None]:
    """The adapters of the answers that share a context, each once; the one that it has ``now`` first, for a change
    costs time."""
    found = dict.fromkeys(answer.adapter for answer in answers if answer.own is None)
    return sorted(found, key=lambda adapter: adapter != now)


class GgufAdapters:
    """The adapters of one model: loaded when first asked for, the least recently used leave when there are too many."""

    def __init__(self, model: Any, weights_bytes: int) -> None:
        self._model = model
        self._loaded: dict[Stamp, Any] = {}
        # Which adapter each context has now, by the context's address.
        self._set: dict[int, tuple[Any, AnswerAdapter | None]] = {}
        self.max_bytes = max(MIN_BANK_BYTES, int(BANK_SHARE * weights_bytes))

    @property
    def size_bytes(self) -> int:
        return sum(size for _, size, _ in self._loaded)

    def take(self, path: str, scale: float, in_use: Collection[AnswerAdapter]) -> AnswerAdapter | None:
        """The adapter in the file ``path``, loaded if it is not; None where ``scale`` leaves nothing of it.

        Args:
            in_use: those that may not leave for it.

        Raises:
            ModelLoadError: llama.cpp refuses it: damaged, or made for another model.
            InsufficientMemoryError: those in use leave no room for it.
        """
        status = Path(path).stat()
        stamp = (path, status.st_size, status.st_mtime_ns)
        handle = self._loaded.pop(stamp, None)
        if handle is None:
            self._make_room(status.st_size, {adapter.stamp for adapter in in_use})
            handle = self._load(path)
        self._loaded[stamp] = handle
        return AnswerAdapter(stamp, scale) if scale else None

    def use(self, context: Any, adapter: AnswerAdapter | None) -> None:
        """Have a context compute with this adapter from now on, None: with the base alone."""
        address = ctypes.cast(context, ctypes.c_void_p).value or 0
        if self._set.get(address, (context, None))[1] == adapter:
            return
        handles = [] if adapter is None else [self._loaded[adapter.stamp]]
        scales = [] if adapter is None else [adapter.scale]
        llama_cpp.llama_set_adapters_lora(
            context,
            (llama_cpp.llama_adapter_lora_p_ctypes * len(handles))(*handles),
            len(handles),
            (ctypes.c_float * len(scales))(*scales),
        )
        self._set[address] = context, adapter

    def forget(self, context: Any) -> None:
        """A context is about to be freed; another may get its address."""
        self._set.pop(ctypes.cast(context, ctypes.c_void_p).value or 0, None)

    def close(self) -> None:
        """Forget them; llama.cpp frees them with the model."""
        self._loaded.clear()
        self._set.clear()

    def _make_room(self, size_bytes: int, in_use: set[Stamp]) -> None:
        for stamp in list(self._loaded):
            if self.size_bytes + size_bytes <= self.max_bytes and len(self._loaded) < MAX_ADAPTERS:
                break
            if stamp not in in_use:
                self._free(stamp)
        if self.size_bytes + size_bytes > self.max_bytes or len(self._loaded) >= MAX_ADAPTERS:
            raise InsufficientMemoryError(
                f"the adapter takes {size(size_bytes)}, and of the {size(self.max_bytes)} that adapters "
                f"of this model may take, those at work hold {size(self.size_bytes)}; wait for them, or merge "
                "the adapter into its base"
            )

    def _free(self, stamp: Stamp) -> None:
        for context, adapter in list(self._set.values()):
            if adapter is not None and adapter.stamp == stamp:
                self.use(context, None)
        llama_cpp.llama_adapter_lora_free(self._loaded.pop(stamp))

    def _load(self, path: str) -> Any:
        error_log.begin()
        handle = llama_cpp.llama_adapter_lora_init(self._model, path.encode())
        if not handle:
            raise ModelLoadError(
                f"llama.cpp cannot use the adapter {path!r} with this model: {error_log.text or 'it gives no reason'}; "
                "choose the base that it was made for"
            )
        return handle
