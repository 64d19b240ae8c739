"""A LoRA adapter of peft as a GGUF file, as llama.cpp reads it beside a base model.

The layout is that of llama.cpp's ``convert_lora_to_gguf.py``: for each adapted matrix of the base, ``NAME.lora_a`` of
(rank, inputs) and ``NAME.lora_b`` of (outputs, rank); llama.cpp multiplies their product by alpha / rank. Nothing of
torch or llama.cpp is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from multi_llm_comparator.core.exceptions import ConversionError, ModelLoadError, UnsupportedModelError
from multi_llm_comparator.inferencers.adapter_config import (
    PICKLED_NAME,
    WEIGHTS_NAME,
    AdapterSettings,
    matrix_pairs,
    read_adapter_settings,
    sorted_modules,
    tensor_names,
    weights_file,
)
from multi_llm_comparator.inferencers.stored_tensors import (
    FLOATS,
    Array,
    StoredTensor,
    interleave_rotary,
    stored_tensors,
)

if TYPE_CHECKING:
    from gguf import GGUFWriter

# Architectures of GGUF whose linear layers are those of transformers, one for one. Of Llama's kind, rows of q and k
# change places.
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3")
PERMUTED = ("llama",)
MAX_FILE_BYTES = 4 * 2**30
MAX_LAYERS = 1024


@dataclass(frozen=True, slots=True)
class GgufBase:
    """What must be known of the base: its architecture, and the shape (outputs, inputs) of each of its matrices."""

    architecture: str
    name: str
    layers: int
    heads: int
    kv_heads: int
    matrices: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two matrices of one adapted matrix of the base, called ``target`` there."""

    target: str
    module: str
    first: StoredTensor
    second: StoredTensor
    scaling: float

    @property
    def rank(self) -> int:
        return self.first.shape[0]


def write_gguf_adapter(folder: Path, base: GgufBase, out: Path, *, name: str | None = None) -> Path:
    """Write the adapter in the peft folder ``folder`` as the file ``out``, in float32: its numbers stay what they are.

    Raises:
        UnsupportedModelError: a kind of adapter or base for which there is no GGUF file; what is in the way is named.
        ModelLoadError: the adapter is damaged, or was not made for this base.
        ConversionError: ``out`` cannot be written.
    """
    from gguf import GGUFWriter

    settings = read_adapter_settings(folder)
    pairs = _pairs(folder, base, settings)
    alpha = _common_alpha(pairs)
    try:
        writer = GGUFWriter(out, base.architecture)
        try:
            _add_metadata(writer, base, name or folder.resolve().name, alpha)
            for pair in pairs:
                for ending, tensor in ((".lora_a", pair.first), (".lora_b", pair.second)):
                    size = 4 * int(np.prod(tensor.shape, dtype=np.int64))
                    writer.add_tensor_info(pair.target + ending, tensor.shape, np.dtype("<f4"), size)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for pair in pairs:
                writer.write_tensor_data(_numbers(pair.first, pair))
                second = _numbers(pair.second, pair) * np.float32(1.0 if alpha is not None else pair.scaling)
                writer.write_tensor_data(np.ascontiguousarray(_placed(second, pair, base)))
        finally:
            writer.close()
    except OSError as exc:
        raise ConversionError(f"{str(out.parent)!r} could not be written: {exc.strerror or exc}") from exc
    return out


def adapted_names(modules: Mapping[str, tuple[int, int]], base: GgufBase) -> dict[str, tuple[int, int]]:
    """The widths of modules of transformers, by the base's names of these matrices.

    Raises:
        UnsupportedModelError: adapters for this architecture cannot be converted here.
        ModelLoadError: a module that the architecture does not have.
    """
    targets = _TargetNames(base)
    return {targets(module): widths for module, widths in modules.items()}


def _add_metadata(writer: GGUFWriter, base: GgufBase, name: str, alpha: float | None) -> None:
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_name(name.encode("utf-8", "replace").decode())
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base.name)
    # 0 has llama.cpp take the product as it is: what it is to be multiplied by is in the second matrix then.
    writer.add_float32("adapter.lora.alpha", alpha or 0.0)


def _pairs(folder: Path, base: GgufBase, settings: AdapterSettings) -> list[_Pair]:
    stored = _stored(folder)
    ranks = matrix_pairs({name: tensor.shape for name, tensor in stored.items()})
    targets = _TargetNames(base)
    pairs = []
    for module in sorted_modules(ranks):
        first, second = (stored[name] for name in tensor_names(module))
        target = targets(module)
        shape = base.matrices.get(target)
        if shape is None:
            raise UnsupportedModelError(
                f"an adapter of {module[:120]!r}, for which the GGUF base {base.name!r} has no matrix of its own "
                f"({target!r}); use the PyTorch checkpoint, or merge the adapter"
            )
        if (second.shape[0], first.shape[1]) != shape:
            raise ModelLoadError(
                f"the adapter was made for another model: its matrices for {module[:120]!r} are for "
                f"{(second.shape[0], first.shape[1])}, where {base.name!r} has {shape}"
            )
        pairs.append(_Pair(target, module, first, second, settings.scaling(module, ranks[module])))
    return pairs


def _stored(folder: Path) -> dict[str, StoredTensor]:
    file = weights_file(folder)
    if file.name == PICKLED_NAME:
        raise UnsupportedModelError(
            f"the adapter is stored as {PICKLED_NAME!r}; save it as {WEIGHTS_NAME!r} to use it with a GGUF model"
        )
    if file.stat().st_size > MAX_FILE_BYTES:
        raise UnsupportedModelError(f"{file.name!r} is larger than {MAX_FILE_BYTES >> 30} GiB; merge the adapter")
    stored = stored_tensors((file,))
    odd = next((name for name, tensor in stored.items() if tensor.dtype not in FLOATS), None)
    if odd is not None:
        raise UnsupportedModelError(
            f"tensor {odd[:120]!r} is stored as {stored[odd].dtype!r}, which is no usual number"
        )
    return stored


class _TargetNames:
    """The names of a base's matrices in GGUF, by the modules of transformers."""

    def __init__(self, base: GgufBase) -> None:
        from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

        if base.architecture not in ARCHITECTURES or not 0 < base.layers <= MAX_LAYERS:
            raise UnsupportedModelError(
                f"adapters for the GGUF architecture {base.architecture!r} are not converted here, only for "
                f"{', '.join(ARCHITECTURES)}; convert it with llama.cpp's convert_lora_to_gguf.py"
            )
        arch = next(key for key in MODEL_ARCH if MODEL_ARCH_NAMES[key] == base.architecture)
        self._names = get_tensor_name_map(arch, base.layers)

    def __call__(self, module: str) -> str:
        name = self._names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if name is None:
            raise ModelLoadError(f"the adapter was made for another model: the base has no module {module[:120]!r}")
        return str(name)


def _common_alpha(pairs: list[_Pair]) -> float | None:
    """The alpha that with each pair's rank gives its scaling; None where no one number does."""
    alphas = {round(pair.scaling * pair.rank, 6) for pair in pairs}
    alpha = alphas.pop() if len(alphas) == 1 else 0.0
    return alpha if alpha > 0 else None


def _numbers(tensor: StoredTensor, pair: _Pair) -> Array:
    values = np.asarray(tensor.read(), np.float32)
    if not np.isfinite(values).all():
        raise ModelLoadError(f"the adapter holds values for {pair.module[:120]!r} that are no numbers; fetch it again")
    return values


def _placed(values: Array, pair: _Pair, base: GgufBase) -> Array:
    if base.architecture in PERMUTED and pair.module.endswith(("q_proj", "k_proj")):
        return interleave_rotary(values, base.heads if pair.module.endswith("q_proj") else base.kv_heads)
    return values
