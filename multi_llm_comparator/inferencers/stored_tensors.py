"""Tensors of safetensors files as numpy arrays: where they lie, and their values, one tensor in memory at a time."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.exceptions import ModelLoadError

Array = NDArray[Any]
FLOATS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F64": np.dtype("<f8"),
}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies: ``offset`` bytes into ``path``; ``dtype`` as safetensors names it."""

    path: Path
    dtype: str
    shape: Shape
    offset: int

    def read(self) -> Array:
        """The values as float32, or as float16 where they are stored so."""
        kind = FLOATS[self.dtype]
        count = int(np.prod(self.shape, dtype=np.int64))
        raw: Array = np.memmap(self.path, dtype=kind, mode="r", offset=self.offset, shape=(count,)).reshape(self.shape)
        if self.dtype == "BF16":
            return np.asarray((raw.astype(np.uint32) << 16).view(np.float32))
        return np.asarray(raw, dtype=np.float32 if self.dtype == "F64" else kind)


def stored_tensors(files: tuple[Path, ...]) -> dict[str, StoredTensor]:
    """Index the tensors of safetensors files without reading them.

    Raises:
        ModelLoadError: a file is truncated or corrupt, or holds a tensor that another holds too.
    """
    from safetensors import SafetensorError, safe_open

    found: dict[str, StoredTensor] = {}
    for path in files:
        try:
            # The library checks the header against the file: sizes, overlaps, the end.
            with safe_open(path, framework="numpy"):
                placed = list(_header(path))
        except (SafetensorError, OSError, ValueError) as exc:
            raise ModelLoadError(f"{str(path)!r} is not a whole safetensors file: {exc}; download it again") from exc
        for name, tensor in placed:
            if name in found:
                raise ModelLoadError(f"tensor {name!r} is in {found[name].path.name!r} and in {path.name!r}")
            found[name] = tensor
    return found


def _header(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            begin = int(entry["data_offsets"][0])
            yield name, StoredTensor(path, entry["dtype"], tuple(entry["shape"]), 8 + length + begin)


def interleave_rotary(values: Array, heads: int) -> Array:
    """Reorder the rows of q or k: each head's first and second half alternate, as GGUF's Llama rotates pairs.

    ``values`` has shape (heads * head_dim, ...).
    """
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)
