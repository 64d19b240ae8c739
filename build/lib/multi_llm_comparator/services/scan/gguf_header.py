"""A bounded reader of GGUF headers.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3). Read are the metadata and the list
of tensors; long arrays (a tokenizer's 150,000 words) are stepped over unless asked for, only their length is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.reading import open_regular

MAGIC = b"GGUF"
MAX_HEADER_BYTES = 64 * 2**20
# Tensors, and as many keys; the largest models have some thousands of tensors in all.
MAX_ENTRIES = 20_000
MAX_STRINGS = 2_000_000
MAX_KEPT_ARRAY = 4_096
# Of all arrays of a file together; beyond that only their lengths are kept. Real files keep some hundred.
MAX_KEPT_VALUES = 65_536
# Names and texts of a file, tokenizer words apart. A long chat template has some 100 KiB.
MAX_TEXT_BYTES = 16 * 2**20
MAX_NAME_BYTES = 65_535
MAX_DIMENSIONS = 4
_CHUNK = 2**20

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor as declared. ``shape`` is innermost first, ``offset`` counts from the start of the data."""

    name: str
    type_id: int
    shape: tuple[int, ...]
    offset: int

    @property
    def elements(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says before its weights. Arrays too long to keep appear in ``array_lengths`` only."""

    version: int
    metadata: dict[str, Any]
    array_lengths: dict[str, int]
    tensors: tuple[GgufTensor, ...]
    data_offset: int
    alignment: int
    file_size: int


@lru_cache(maxsize=1)
def block_sizes() -> dict[int, tuple[str, int, int]]:
    """ggml type id to (name, elements per block, bytes per block)."""
    from gguf.constants import GGML_QUANT_SIZES

    return {int(kind): (str(kind.name), int(n), int(size)) for kind, (n, size) in GGML_QUANT_SIZES.items()}


def read_gguf_header(path: Path, keep: Collection[str] = ()) -> GgufHeader:
    """Read metadata and tensor list of a GGUF file; its weights are not touched.

    Args:
        path: the file.
        keep: keys of arrays to keep whole, however long they are.

    Raises:
        ModelLoadError: not GGUF, a version or byte order that cannot be used here, cut off within the header, or
            beyond the bounds of this module.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        return _Reader(file, size, keep).header()


class _Reader:
    """A cursor over the file's first bytes, reading on only as far as the header goes."""

    def __init__(self, file: BinaryIO, file_size: int, keep: Collection[str]) -> None:
        self._file, self._file_size, self._keep = file, file_size, keep
        self._data = bytearray()
        self._pos = 0
        self._strings_left = MAX_STRINGS
        self._values_left = MAX_KEPT_VALUES
        self._text_left = MAX_TEXT_BYTES

    def header(self) -> GgufHeader:
        version = self._preamble()
        n_tensors, n_keys = self._count("tensors", 24), self._count("metadata keys", 13)
        metadata, lengths = self._metadata(n_keys)
        tensors = tuple(self._tensor() for _ in range(n_tensors))
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 2**20:
            raise ModelLoadError(f"general.alignment is {alignment!r}, not a power of two; the file is damaged")
        data_offset = -(-self._pos // alignment) * alignment
        return GgufHeader(version, metadata, lengths, tensors, data_offset, alignment, self._file_size)

    def _preamble(self) -> int:
        if self._file_size == 0:
            raise ModelLoadError("the file is empty; fetch it again")
        head = bytes(self._bytes(min(4, self._file_size)))
        if head != MAGIC:
            raise ModelLoadError(f"not a GGUF file: it begins with {head!r} instead of {MAGIC!r}")
        version: int = self._scalar("I")
        if version and version & 0xFFFF == 0:
            raise ModelLoadError("a big-endian GGUF file, which little-endian machines cannot run; get the usual one")
        if version not in (2, 3):
            raise ModelLoadError(f"GGUF version {version} is not supported, only 2 and 3; convert the model again")
        return version

    def _count(self, what: str, least_bytes_each: int) -> int:
        n: int = self._scalar("Q")
        if n * least_bytes_each > self._file_size - self._pos:
            raise ModelLoadError(f"declares {n} {what}, more than its {self._file_size} bytes can hold; it is cut off")
        if n > MAX_ENTRIES:
            raise ModelLoadError(f"declares {n} {what}; more than {MAX_ENTRIES} are refused")
        return n

    def _metadata(self, n_keys: int) -> tuple[dict[str, Any], dict[str, int]]:
        metadata: dict[str, Any] = {}
        lengths: dict[str, int] = {}
        for _ in range(n_keys):
            key = self._string(MAX_NAME_BYTES)
            if key in metadata or key in lengths:
                raise ModelLoadError(f"metadata key {key[:80]!r} appears twice; the file is damaged")
            kind = self._scalar("I")
            if kind == _ARRAY:
                values, lengths[key] = self._array(key)
                if values is not None:
                    metadata[key] = values
            else:
                metadata[key] = self._value(key, kind)
        return metadata, lengths

    def _value(self, key: str, kind: int) -> Any:
        if kind == _STRING:
            return self._string(MAX_HEADER_BYTES)
        if kind not in _SCALARS:
            raise ModelLoadError(f"metadata key {key[:80]!r} has unknown type {kind}; the file is damaged or newer")
        return self._scalar(_SCALARS[kind])

    def _array(self, key: str) -> tuple[list[Any] | None, int]:
        kind, n = self._scalar("I"), self._scalar("Q")
        if kind == _STRING:
            return self._string_array(key, n), n
        if kind not in _SCALARS:
            raise ModelLoadError(f"metadata key {key[:80]!r} is an array of unknown type {kind}; the file is damaged")
        width = struct.calcsize("<" + _SCALARS[kind])
        start = self._take(n * width)
        if not self._keeps(key, n, MAX_KEPT_ARRAY):
            return None, n
        return list(struct.unpack_from(f"<{n}{_SCALARS[kind]}", self._data, start)), n

    def _string_array(self, key: str, n: int) -> list[Any] | None:
        if n * 8 > self._file_size - self._pos:
            raise ModelLoadError(
                f"metadata key {key[:80]!r} declares {n} texts, more than the file holds; it is cut off"
            )
        if n > self._strings_left:
            raise ModelLoadError(f"metadata key {key[:80]!r} declares {n} texts; the limit is {MAX_STRINGS} in a file")
        self._strings_left -= n
        if self._keeps(key, n, 64):
            return [self._string(MAX_HEADER_BYTES, is_counted=key not in self._keep) for _ in range(n)]
        self._skip_strings(n)
        return None

    def _keeps(self, key: str, n: int, most: int) -> bool:
        if key in self._keep:
            return True
        if n > min(most, self._values_left):
            return False
        self._values_left -= n
        return True

    def _skip_strings(self, n: int) -> None:
        """Step over ``n`` strings by their lengths: the one hot loop here, so nothing in it is looked up twice."""
        data, unpack = self._data, struct.Struct("<Q").unpack_from
        pos, end = self._pos, len(self._data) - 8
        for _ in range(n):
            if pos > end:
                self._fill(pos + 8)
                end = len(data) - 8
            pos += 8 + unpack(data, pos)[0]
        self._fill(pos)
        self._pos = pos

    def _tensor(self) -> GgufTensor:
        name = self._string(MAX_NAME_BYTES)
        n_dimensions = self._scalar("I")
        if n_dimensions > MAX_DIMENSIONS:
            raise ModelLoadError(f"tensor {name[:80]!r} has {n_dimensions} dimensions; the file is damaged")
        start = self._take(n_dimensions * 8)
        shape = struct.unpack_from(f"<{n_dimensions}Q", self._data, start)
        if prod(max(1, n) for n in shape) >= 2**63:
            raise ModelLoadError(f"tensor {name[:80]!r} has the impossible shape {shape}; the file is damaged")
        return GgufTensor(name, self._scalar("I"), shape, self._scalar("Q"))

    def _scalar(self, code: str) -> Any:
        layout = "<" + code
        return struct.unpack_from(layout, self._data, self._take(struct.calcsize(layout)))[0]

    def _string(self, limit: int, *, is_counted: bool = True) -> str:
        length = self._scalar("Q")
        if length > limit:
            raise ModelLoadError(f"a text of {length} bytes stands where at most {limit} may; the file is damaged")
        self._text_left -= length if is_counted else 0
        if self._text_left < 0:
            raise ModelLoadError(
                f"its header holds more than {MAX_TEXT_BYTES >> 20} MiB of text; such files are refused"
            )
        return self._bytes(length).decode("utf-8", errors="replace")

    def _bytes(self, n: int) -> bytearray:
        start = self._take(n)
        return self._data[start : start + n]

    def _take(self, n: int) -> int:
        """Move on by ``n`` bytes that are certain to be there; returns where they start."""
        start = self._pos
        self._fill(start + n)
        self._pos = start + n
        return start

    def _fill(self, end: int) -> None:
        if end <= len(self._data):
            return
        if end > self._file_size:
            raise ModelLoadError(f"cut off within its header, at {self._file_size} bytes; fetch it again")
        if end > MAX_HEADER_BYTES:
            raise ModelLoadError(f"its header is larger than {MAX_HEADER_BYTES >> 20} MiB; such files are refused")
        self._data += self._file.read(max(end - len(self._data), _CHUNK))
        if end > len(self._data):
            raise ModelLoadError("the file shrank while it was read; try again")
