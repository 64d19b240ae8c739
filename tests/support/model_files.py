"""Model files made by hand: valid ones of a few hundred bytes, which tests then damage."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

F32, F16, Q8_0 = 0, 1, 8
_BYTES_PER_ROW = {F32: lambda n: n * 4, F16: lambda n: n * 2, Q8_0: lambda n: n // 32 * 34}

LLAMA = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 0,
    "llama.context_length": 256,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 96,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": [f"word{i}" for i in range(100)],
    "tokenizer.ggml.scores": [0.5] * 100,
}
TENSORS: tuple[tuple[str, tuple[int, ...], int], ...] = (
    ("token_embd.weight", (64, 100), F32),
    ("blk.0.attn_q.weight", (64, 64), F32),
    ("output_norm.weight", (64,), F32),
)


def gguf_bytes(
    metadata: Mapping[str, Any] = LLAMA,
    tensors: Sequence[tuple[str, tuple[int, ...], int]] = TENSORS,
    *,
    version: int = 3,
    order: str = "<",
) -> bytes:
    """A whole GGUF file; whole numbers become u32, others f32, lists arrays of their first item's type."""
    parts = [b"GGUF" + struct.pack(f"{order}IQQ", version, len(tensors), len(metadata))]
    parts += [_text(key, order) + _typed(value, order) for key, value in metadata.items()]
    offset = 0
    for name, shape, kind in tensors:
        parts.append(_text(name, order) + struct.pack(f"{order}I{len(shape)}QIQ", len(shape), *shape, kind, offset))
        size = _BYTES_PER_ROW.get(kind, lambda n: n)(shape[0]) * prod(shape[1:])
        offset += size + -size % 32
    head = b"".join(parts)
    return head + bytes(-len(head) % 32) + bytes(offset)


def _text(text: str, order: str) -> bytes:
    raw = text.encode()
    return struct.pack(f"{order}Q", len(raw)) + raw


def _typed(value: Any, order: str) -> bytes:
    match value:
        case bool():
            return struct.pack(f"{order}I?", 7, value)
        case int():
            return struct.pack(f"{order}II", 4, value)
        case float():
            return struct.pack(f"{order}If", 6, value)
        case str():
            return struct.pack(f"{order}I", 8) + _text(value, order)
        case [int(), *_] if not isinstance(value[0], bool):
            return struct.pack(f"{order}IIQ{len(value)}I", 9, 4, len(value), *value)
        case _:
            items = [_typed(item, order) for item in value] or [struct.pack(f"{order}II", 4, 0)]
            inner = b"".join(item[4:] for item in items) if value else b""
            return struct.pack(f"{order}I", 9) + items[0][:4] + struct.pack(f"{order}Q", len(value)) + inner


def safetensors_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """A whole safetensors file of zeros: name to (dtype, shape)."""
    bits = {"F32": 32, "F16": 16, "BF16": 16, "I32": 32, "U8": 8}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        size = bits[dtype] // 8
        for n in shape:
            size *= n
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    return framed(json.dumps(header).encode()) + bytes(offset)


def framed(header: bytes) -> bytes:
    """A safetensors header with its length in front."""
    return struct.pack("<Q", len(header)) + header


CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
}
WEIGHTS = {
    "model.embed_tokens.weight": ("BF16", (100, 64)),
    "model.layers.0.self_attn.q_proj.weight": ("BF16", (64, 64)),
}


def checkpoint(folder: Path, config: Mapping[str, Any] = CONFIG, *, weights: bool = True, **files: Any) -> Path:
    """A checkpoint folder with nothing wrong; ``files`` are JSON files by stem, as data or as raw bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {"config": dict(config), "tokenizer": {"version": "1.0"}, **files}
    for stem, content in stored.items():
        if content is not None:
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / f"{stem}.json").write_bytes(raw)
    if weights:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(WEIGHTS))
    return folder
