"""About how large a converted model will be, from headers alone."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_source import gguf_parts
from multi_llm_comparator.conversion.gguf_tensors import stored_tensors
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header

# Bits per weight of the matrices, scales included. Of the mixtures (_S, _M) what they come to over a model.
_BITS = {
    "float32": 32.0,
    "float16": 16.0,
    "bfloat16": 16.0,
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.5625,
    "Q5_K_M": 5.67,
    "Q5_K_S": 5.5,
    "Q5_1": 6.0,
    "Q5_0": 5.5,
    "Q4_K_M": 4.83,
    "Q4_K_S": 4.6,
    "Q4_1": 5.0,
    "Q4_0": 4.5,
}
# The same where rows do not fill blocks of 256: by what llama.cpp takes instead.
_NARROW = {"Q6_K": 8.5, "Q5_K_M": 6.6, "Q5_K_S": 6.0, "Q4_K_M": 6.1, "Q4_K_S": 5.6}
# Quantized files keep the matrix that makes the answer in more bits.
_OUTPUT, _OUTPUT_NARROW = 6.5625, 8.5
_OUTPUT_NAMES = ("output.weight", "lm_head.weight")
_EMBEDDING_NAMES = ("token_embd.weight", "model.embed_tokens.weight")
_VOCABULARY_BYTES = 4_000_000
Matrices = list[tuple[str, tuple[int, ...]]]


def converted_size(model: Path, target: str) -> int:
    """About how many bytes a model takes as ``target``: a quantization, or a number type of PyTorch.

    Args:
        model: a checkpoint folder, or a GGUF file.
        target: what it is to become.

    Raises:
        ModelLoadError: it cannot be read.
    """
    return size_of_checkpoint(model, target) if model.is_dir() else size_of_gguf(model, target)


def size_of_gguf(gguf: Path, target: str) -> int:
    found: Matrices = []
    for part in gguf_parts(gguf):
        found += [(tensor.name, tuple(reversed(tensor.shape))) for tensor in read_gguf_header(part).tensors]
    return _size(found, target)


def size_of_checkpoint(folder: Path, target: str) -> int:
    stored = stored_tensors(CheckpointFiles(folder).weights)
    return _size([(name, tensor.shape) for name, tensor in stored.items()], target)


def _size(tensors: Matrices, target: str) -> int:
    names = {name for name, _ in tensors}
    # Without a matrix of its own the answer is made with the embedding.
    output = _OUTPUT_NAMES if names & set(_OUTPUT_NAMES) else _EMBEDDING_NAMES
    bits = 0.0
    for name, shape in tensors:
        elements = 1
        for length in shape:
            elements *= length
        bits += elements * _bits(name, shape, target, output)
    return int(bits / 8) + _VOCABULARY_BYTES


def _bits(name: str, shape: tuple[int, ...], target: str, output: tuple[str, ...]) -> float:
    if target in ("float32", "float16", "bfloat16"):
        return _BITS[target]
    if len(shape) < 2:
        return 32.0
    is_narrow = shape[-1] % 256 != 0
    if name in output and _BITS[target] < 8:
        return _OUTPUT_NARROW if is_narrow else max(_OUTPUT, _BITS[target])
    return _NARROW.get(target, _BITS[target]) if is_narrow else _BITS[target]
