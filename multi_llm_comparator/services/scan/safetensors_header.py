"""A bounded reader of safetensors headers.

Format: https://github.com/huggingface/safetensors#format: 8 bytes length, that much JSON, then the tensors end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.reading import HeaderRoom, open_regular, parse_json

# The format allows 100 MB. This much parses in a fraction of a second and names every tensor of the largest models.
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 65_536

DTYPE_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor as declared."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def elements(self) -> int:
        return prod(self.shape)


def read_safetensors_header(path: Path, room: HeaderRoom) -> tuple[TensorEntry, ...]:
    """The tensors that a file declares, checked against each other and against the file's length.

    Raises:
        ModelLoadError: not safetensors, damaged, cut off, or more than there is room for.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size < 8:
            raise ModelLoadError(f"{path.name!r} has {size} bytes, too few for a safetensors file; fetch it again")
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise ModelLoadError(f"{path.name!r} is cut off within its header, or is not a safetensors file")
        if length > MAX_HEADER_BYTES:
            raise ModelLoadError(
                f"{path.name!r} has a header of {length} bytes; more than {MAX_HEADER_BYTES} are refused"
            )
        room.take(size_bytes=length)
        header = parse_json(file.read(length), path.name)
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise ModelLoadError(f"{path.name!r} declares {len(header)} tensors; more than {MAX_TENSORS} are refused")
    room.take(tensors=len(header))
    entries = [_entry(name, value, path.name) for name, value in header.items()]
    _check_layout(entries, size - 8 - length, path.name)
    return tuple(tensor for tensor, _ in entries)


def _entry(name: str, value: Any, file: str) -> tuple[TensorEntry, int]:
    """The tensor and where it begins in the data."""
    entry = value if isinstance(value, dict) else {}
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not (isinstance(dtype, str) and _wholes(shape) and _wholes(offsets) and len(offsets) == 2):
        raise ModelLoadError(f"{file!r} is damaged: tensor {name[:80]!r} is not described as the format demands")
    if dtype not in DTYPE_BITS:
        raise ModelLoadError(f"{file!r}: tensor {name[:80]!r} has unknown type {dtype[:40]!r}; damaged, or too new")
    begin, end = offsets
    if len(shape) > 16 or prod(shape) * DTYPE_BITS[dtype] != (end - begin) * 8:
        raise ModelLoadError(f"{file!r} is damaged: tensor {name[:80]!r} does not have the size that its shape needs")
    return TensorEntry(name, dtype, tuple(shape), end - begin), begin


def _wholes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _check_layout(entries: list[tuple[TensorEntry, int]], data_bytes: int, file: str) -> None:
    expected = 0
    for tensor, begin in sorted(entries, key=lambda entry: (entry[1], entry[0].size_bytes)):
        if begin != expected:
            raise ModelLoadError(f"{file!r} is damaged: tensor {tensor.name[:80]!r} leaves a gap or overlaps another")
        expected += tensor.size_bytes
    if expected > data_bytes:
        raise ModelLoadError(
            f"{file!r} is cut off: {expected - data_bytes} of {expected} bytes are missing; fetch it again"
        )
    if expected < data_bytes:
        raise ModelLoadError(f"{file!r} is damaged: {data_bytes - expected} bytes after its last tensor belong to none")
