"""Weights from safetensors to GGUF, one tensor in memory at a time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.conversion.gguf_architecture import Architecture, Shape
from multi_llm_comparator.conversion.gguf_rope import ROPE_FREQS
from multi_llm_comparator.conversion.report import Progress
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.inferencers.stored_tensors import FLOATS as FLOATS
from multi_llm_comparator.inferencers.stored_tensors import Array as Array
from multi_llm_comparator.inferencers.stored_tensors import StoredTensor, interleave_rotary
from multi_llm_comparator.inferencers.stored_tensors import stored_tensors as stored_tensors

if TYPE_CHECKING:
    from gguf import GGUFWriter

# Left-overs of older versions and of tied weights, which say nothing that the configuration does not.
IGNORED_SUFFIXES = (".rotary_emb.inv_freq", ".masked_bias", ".attn.bias")


def check_stored(stored: dict[str, StoredTensor], wanted: dict[str, Shape], *, tied: bool) -> None:
    """Compare what a checkpoint holds with what its configuration says.

    Raises:
        ModelLoadError: a tensor is missing or has another shape.
        UnsupportedModelError: a tensor that the architecture does not have, or not of a floating type.
    """
    missing = [name for name in wanted if name not in stored]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelLoadError(f"the checkpoint has no tensor {missing[0]!r}{more}, which its config.json asks for")
    for name, tensor in stored.items():
        if name.endswith(IGNORED_SUFFIXES) or (tied and name == "lm_head.weight"):
            continue
        if name not in wanted:
            raise UnsupportedModelError(f"tensor {name!r} has no place in a GGUF file of this architecture")
        if tensor.shape != wanted[name]:
            raise ModelLoadError(f"tensor {name!r} has shape {tensor.shape}; config.json asks for {wanted[name]}")
        if tensor.dtype not in FLOATS:
            raise UnsupportedModelError(
                f"tensor {name!r} is stored as {tensor.dtype}; only F32, F16, BF16 and F64 can be exported"
            )


def lossless_type(stored: dict[str, StoredTensor]) -> str:
    """The smallest of F16, BF16 and F32 that holds all tensors as they are: what to quantise from."""
    kinds = {tensor.dtype for tensor in stored.values()}
    return kinds.pop() if len(kinds) == 1 and kinds <= {"F16", "BF16"} else "F32"


def separate_rotary(values: Array, heads: int) -> Array:
    """Undo :func:`interleave_rotary`."""
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def names_in_gguf(architecture: Architecture) -> dict[str, str]:
    """Every tensor of an architecture: transformers' name to GGUF's."""
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(key for key in MODEL_ARCH if MODEL_ARCH_NAMES[key] == architecture.arch)
    names = get_tensor_name_map(arch, architecture.layers)
    return {name: str(names.get_name(name, try_suffixes=(".weight", ".bias"))) for name in architecture.tensors()}


class TensorPlan:
    """What goes into the file, in order: announced first (:meth:`announce`), then written (:meth:`write`).

    Matrices take ``type_name`` (F32, F16 or BF16); vectors (norms, biases) are F32, as llama.cpp wants them.
    """

    def __init__(self, architecture: Architecture, stored: dict[str, StoredTensor], type_name: str) -> None:
        self._architecture, self.type_name = architecture, type_name
        self._sources = {target: (name, stored[name]) for name, target in names_in_gguf(architecture).items()}
        self._divisors = architecture.rope.frequency_divisors(architecture.head_dim)

    @cached_property
    def parameters(self) -> int:
        return sum(int(np.prod(tensor.shape, dtype=np.int64)) for _, tensor in self._sources.values())

    @property
    def size_bytes(self) -> int:
        """Of all tensors in the file."""
        return self.parameters * (4 if self.type_name == "F32" else 2)

    def announce(self, writer: GGUFWriter) -> None:
        from gguf import GGMLQuantizationType

        if self._divisors is not None:
            writer.add_tensor_info(ROPE_FREQS, self._divisors.shape, self._divisors.dtype, self._divisors.nbytes)
        for target, (_, tensor) in self._sources.items():
            kind = self._type_of(tensor)
            width = 4 if kind == "F32" else 2
            size = int(np.prod(tensor.shape, dtype=np.int64)) * width
            raw = GGMLQuantizationType[kind]
            writer.add_tensor_info(target, tensor.shape, np.dtype(f"<f{width}"), size, raw_dtype=raw)

    def write(self, writer: GGUFWriter, progress: Progress) -> None:
        """Raises UnsupportedModelError when a value does not fit into the chosen type."""
        if self._divisors is not None:
            writer.write_tensor_data(self._divisors)
        written = 0
        for name, tensor in self._sources.values():
            writer.write_tensor_data(self._converted(name, tensor))
            written += int(np.prod(tensor.shape, dtype=np.int64))
            progress("writing", written / self.parameters)

    def _type_of(self, tensor: StoredTensor) -> str:
        return self.type_name if len(tensor.shape) > 1 else "F32"

    def _converted(self, name: str, tensor: StoredTensor) -> Array:
        values = tensor.read()
        if self._architecture.permutes_rotary and ".q_proj." in name:
            values = interleave_rotary(values, self._architecture.heads)
        elif self._architecture.permutes_rotary and ".k_proj." in name:
            values = interleave_rotary(values, self._architecture.kv_heads)
        return np.ascontiguousarray(as_type(values, self._type_of(tensor), name))


def _to_bfloat16(values: NDArray[np.float32]) -> Array:
    """The upper halves of float32 numbers, rounded to the nearest, to even in the middle."""
    bits = values.view(np.uint32)
    rounded = bits >> 16
    rounded &= 1
    rounded += np.uint32(0x7FFF)
    rounded += bits
    rounded >>= 16
    odd = np.isnan(values)
    if odd.any():
        # Rounding could carry into the exponent; such a number stays one that is none.
        rounded[odd] = (bits[odd] >> 16) | 0x40
    return rounded.astype(np.uint16)


def as_type(values: Array, type_name: str, name: str) -> Array:
    """Values of the tensor ``name`` as F32, F16 or BF16, rounded to the nearest.

    Raises:
        UnsupportedModelError: a value beyond what F16 can hold.
    """
    if type_name == "F32":
        return values.astype(np.float32, copy=False)
    if type_name == "BF16":
        return _to_bfloat16(np.ascontiguousarray(values, np.float32))
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16, copy=False)
    if not np.isfinite(halves).all():
        raise UnsupportedModelError(f"tensor {name!r} has values that F16 cannot hold; convert to BF16 or F32 instead")
    return halves
