"""A GGUF model to read from: its metadata, and its tensors piece by piece as float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from multi_llm_comparator.conversion.gguf_architecture import Shape
from multi_llm_comparator.conversion.gguf_tensors import Array
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.services.scan.fields import text
from multi_llm_comparator.services.scan.gguf_files import group_parts
from multi_llm_comparator.services.scan.gguf_header import GgufHeader, GgufTensor, block_sizes, read_gguf_header
from multi_llm_comparator.services.scan.gguf_model import check_tensors, describe_gguf
from multi_llm_comparator.services.scan.reading import HeaderRoom

VOCABULARY_KEYS = frozenset(f"tokenizer.ggml.{name}" for name in ("tokens", "token_type", "merges", "scores"))
# Of weights as float32; what dequantizes them takes several times as much for a moment.
PIECE_ELEMENTS = 2**20


@dataclass(frozen=True, slots=True)
class GgufTensorData:
    """Where a tensor lies: ``offset`` bytes into ``path``. ``shape`` is outermost first, as PyTorch has it."""

    path: Path
    type_name: str
    shape: Shape
    offset: int
    row_bytes: int

    @property
    def rows(self) -> int:
        return self.shape[0] if len(self.shape) > 1 else 1

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def pieces(self, multiple: int = 1) -> Iterator[Array]:
        """The values in order as float32, so many rows at a time, always a multiple of ``multiple`` of them.

        Raises:
            UnsupportedModelError: a type whose values cannot be had here.
        """
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        width = self.shape[-1]
        step = max(1, PIECE_ELEMENTS // (width * multiple)) * multiple
        raw = np.memmap(self.path, np.uint8, "r", self.offset, (self.rows, self.row_bytes))
        for begin in range(0, self.rows, step):
            try:
                values = dequantize(np.array(raw[begin : begin + step]), GGMLQuantizationType[self.type_name])
            except NotImplementedError as exc:
                raise UnsupportedModelError(
                    f"weights of the type {self.type_name} cannot be read as numbers here; use another quantization"
                ) from exc
            yield values.reshape(-1, width) if len(self.shape) > 1 else values.reshape(self.shape)


class GgufSource:
    """One GGUF model, of one file or of several parts. Headers are read with bounds, and checked against the files.

    Args:
        path: the file; of a split model any part.

    Raises:
        ModelLoadError: it is no GGUF file, it is damaged, or parts are missing.
        UnsupportedModelError: it is readable but no language model with weights and a tokenizer.
    """

    def __init__(self, path: Path) -> None:
        self.parts = gguf_parts(path)
        room = HeaderRoom()
        self._headers: list[GgufHeader] = []
        for part in self.parts:
            header = read_gguf_header(part, VOCABULARY_KEYS if not self._headers else ())
            room.take(tensors=len(header.tensors), size_bytes=header.data_offset)
            self._headers.append(header)
        self.metadata: dict[str, Any] = self._headers[0].metadata
        problem = self.described.get("problem")
        if problem:
            raise UnsupportedModelError(f"{str(path)!r} cannot be converted: {problem}")
        for header in self._headers:
            check_tensors(header)

    @property
    def path(self) -> Path:
        """The file that llama.cpp opens: the first part."""
        return self.parts[0]

    @cached_property
    def described(self) -> dict[str, Any]:
        """What a scan says of it."""
        return describe_gguf(self._headers)

    @property
    def quantization(self) -> str:
        return str(self.described.get("quantization") or "unknown")

    @property
    def architecture(self) -> str:
        return text(self.metadata, "general.architecture") or ""

    @cached_property
    def tensors(self) -> dict[str, GgufTensorData]:
        """All tensors by their names in the file."""
        found: dict[str, GgufTensorData] = {}
        for part, header in zip(self.parts, self._headers, strict=True):
            for tensor in header.tensors:
                if tensor.name in found:
                    raise ModelLoadError(f"tensor {tensor.name[:80]!r} is in two parts; the model is damaged")
                found[tensor.name] = _placed(part, header, tensor)
        return found

    @property
    def size_bytes(self) -> int:
        return sum(header.file_size for header in self._headers)


def gguf_parts(path: Path) -> tuple[Path, ...]:
    """All files of the model that ``path`` is, or is a part of, in order.

    Raises:
        ModelLoadError: there is no such file, or parts are missing.
    """
    if not path.is_file():
        raise ModelLoadError(f"{str(path)!r} is not a file; give a .gguf file, or a checkpoint folder")
    beside = [other for other in path.parent.iterdir() if other.suffix == path.suffix]
    found = next(files for files in group_parts([path, *(p for p in beside if p != path)]) if path in files.parts)
    if found.problem:
        raise ModelLoadError(f"{str(path)!r}: {found.problem}")
    return found.parts


def _placed(part: Path, header: GgufHeader, tensor: GgufTensor) -> GgufTensorData:
    type_name, per_block, block_bytes = block_sizes()[tensor.type_id]
    shape = tuple(reversed(tensor.shape))
    if not shape or 0 in shape:
        raise ModelLoadError(f"tensor {tensor.name[:80]!r} has no values; the file is damaged")
    # Several dimensions beyond the rows are read as more rows.
    row_bytes = tensor.shape[0] // per_block * block_bytes
    flat = shape if len(shape) < 3 else (tensor.elements // tensor.shape[0], tensor.shape[0])
    return GgufTensorData(part, type_name, flat, header.data_offset + tensor.offset, row_bytes)
