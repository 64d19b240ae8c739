"""Writing safetensors piece by piece, so that memory holds no more than a piece.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from multi_llm_comparator.conversion.checkpoint_files import INDEX_NAME, SINGLE_NAME
from multi_llm_comparator.conversion.gguf_architecture import Shape
from multi_llm_comparator.conversion.gguf_tensors import FLOATS, Array

MAX_SHARD_BYTES = 5 * 10**9


def write_safetensors(
    folder: Path, shapes: Mapping[str, Shape], dtype: str, tensors: Iterable[tuple[str, Iterator[Array]]]
) -> None:
    """Write all tensors of a model into ``folder``: one file, or several of at most 5 GB with an index.

    Args:
        folder: where ``model.safetensors`` goes.
        shapes: every tensor by name, in the order they come in ``tensors``.
        dtype: as safetensors names it: F32, F16 or BF16.
        tensors: each name with its values in order, piece by piece, already of that type.
    """
    shards = _shards(shapes, dtype)
    coming = iter(tensors)
    placed: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = SINGLE_NAME if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        with (folder / name).open("wb") as file:
            file.write(_header(shard, dtype))
            for wanted in shard:
                tensor, pieces = next(coming)
                assert tensor == wanted
                for piece in pieces:
                    file.write(np.ascontiguousarray(piece).data)
                placed[tensor] = name
            file.flush()
            os.fsync(file.fileno())
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(_size(s, dtype) for s in shapes.values())}, "weight_map": placed}
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shards(shapes: Mapping[str, Shape], dtype: str) -> list[dict[str, Shape]]:
    shards: list[dict[str, Shape]] = [{}]
    room = MAX_SHARD_BYTES
    for name, shape in shapes.items():
        if shards[-1] and _size(shape, dtype) > room:
            shards.append({})
            room = MAX_SHARD_BYTES
        shards[-1][name] = shape
        room -= _size(shape, dtype)
    return shards


def _header(shapes: Mapping[str, Shape], dtype: str) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + _size(shape, dtype)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    # Readers map the file into memory: the values begin at a multiple of 8.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _size(shape: Shape, dtype: str) -> int:
    return int(np.prod(shape, dtype=np.int64)) * FLOATS[dtype].itemsize
