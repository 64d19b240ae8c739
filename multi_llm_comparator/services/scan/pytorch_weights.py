"""The weights files of a PyTorch checkpoint: which they are, whether all are there, what their headers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.reading import HeaderRoom, open_regular, read_json
from multi_llm_comparator.services.scan.safetensors_header import TensorEntry, read_safetensors_header

SUFFIXES = (".bin", ".pt", ".pth", ".safetensors")
MAX_SHARDS = 2_000
# In the order in which transformers looks for them.
_LAYOUTS = (
    ("model.safetensors", "safetensors"),
    ("model.safetensors.index.json", "safetensors"),
    ("pytorch_model.bin", "PyTorch (pickle)"),
    ("pytorch_model.bin.index.json", "PyTorch (pickle)"),
)
_FOREIGN = {"tf_model.h5": "TensorFlow", "flax_model.msgpack": "Flax", "model.onnx": "ONNX"}
# Tensors that belong to how weights are packed rather than being weights.
_PACKING = (
    "scales",
    "qzeros",
    "g_idx",
    "absmax",
    "quant_map",
    "weight_scale",
    "weight_scale_inv",
    "SCB",
    "weight_format",
)


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The files that hold a checkpoint's weights, and what is wrong with them."""

    files: tuple[Path, ...] = ()
    file_format: str = ""
    problem: str | None = None


def find_weights(folder: Path, names: frozenset[str]) -> WeightFiles | None:
    """Find what transformers would load from ``folder``; None when there are no weights of any kind."""
    for name, file_format in _LAYOUTS:
        if name in names:
            if not name.endswith(".index.json"):
                return WeightFiles((folder / name,), file_format)
            return _sharded(folder, name, names, file_format)
    odd = sorted(name for name in names if name.endswith(".safetensors") and not name.startswith("adapter_"))
    if odd:
        problem = f"its weights {odd[0]!r} do not have the name transformers expects; rename to 'model.safetensors'"
        return WeightFiles(tuple(folder / name for name in odd), "safetensors", problem)
    for name, framework in _FOREIGN.items():
        if name in names:
            return WeightFiles((folder / name,), framework, f"its weights are for {framework}; get the PyTorch ones")
    return None


def _sharded(folder: Path, index: str, names: frozenset[str], file_format: str) -> WeightFiles:
    try:
        shards = _shard_names(read_json(folder / index), index)
    except ModelLoadError as exc:
        return WeightFiles((), file_format, str(exc))
    there = tuple(folder / name for name in shards if name in names)
    missing = [name for name in shards if name not in names]
    if not missing:
        return WeightFiles(there, file_format)
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    listed = ", ".join(repr(name) for name in missing[:3])
    return WeightFiles(
        there, file_format, f"{len(missing)} of {len(shards)} shards missing: {listed}{more}; fetch them too"
    )


def _shard_names(index: Mapping[str, Any], what: str) -> list[str]:
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelLoadError(f"{what!r} does not say which file holds which tensor; fetch it again")
    shards = {name if isinstance(name, str) else repr(name) for name in weight_map.values()}
    if len(shards) > MAX_SHARDS:
        raise ModelLoadError(f"{what!r} names {len(shards)} files; more than {MAX_SHARDS} are refused")
    outside = next((name for name in shards if name != PurePosixPath(name).name), None)
    if outside is not None:
        raise ModelLoadError(
            f"{what!r} names a file outside its folder: {outside[:80]!r}; do not trust this checkpoint"
        )
    return sorted(shards)


def describe_safetensors(files: Iterable[Path], *, bits: int | None = None) -> dict[str, Any]:
    """Sizes and types from the headers of all shards.

    Args:
        files: safetensors files.
        bits: bits per weight, for checkpoints that were quantized in advance and pack several into one number.

    Raises:
        ModelLoadError: the first file that is damaged or cut off, or with which the headers hold too much.
    """
    room = HeaderRoom()
    by_type: Counter[str] = Counter()
    parameters = linear = 0
    for path in files:
        for tensor in read_safetensors_header(path, room):
            by_type[tensor.dtype] += tensor.size_bytes
            parameters += _parameters(tensor, bits)
            linear += tensor.elements if _is_linear(tensor) else 0
    if not by_type:
        raise ModelLoadError("it holds no tensors: there is nothing to run")
    return {
        "parameters": parameters,
        "weight_bytes": by_type.total(),
        "stored_dtype": by_type.most_common(1)[0][0],
        "linear_parameters": linear,
    }


def _parameters(tensor: TensorEntry, bits: int | None) -> int:
    if bits is None:
        return tensor.elements
    if tensor.name.rpartition(".")[2] in _PACKING or ".quant_state" in tensor.name:
        return 0
    packed = (tensor.dtype, bits) in {("U8", 4), ("I32", 2), ("I32", 3), ("I32", 4), ("I32", 8)}
    return tensor.size_bytes * 8 // bits if packed else tensor.elements


def _is_linear(tensor: TensorEntry) -> bool:
    """Whether quantizing at load would shrink it: matrices that are neither embeddings nor the output layer."""
    kept = ("embed", "lm_head", "wte", "wpe", "shared.weight")
    return len(tensor.shape) == 2 and tensor.name.endswith("weight") and not any(part in tensor.name for part in kept)


def pickle_problem(path: Path) -> str | None:
    """What is wrong with a file that ``torch.save`` wrote, as far as its frame tells; nothing in it is unpickled."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(4)
            file.seek(max(0, size - 65_557))
            tail = file.read()
    except ModelLoadError as exc:
        return str(exc)
    if size == 0:
        return f"{path.name!r} is empty; fetch it again"
    if head == b"PK\x03\x04":
        return None if b"PK\x05\x06" in tail else f"{path.name!r} is cut off; fetch it again"
    if head[:1] == b"\x80":  # torch.save before version 1.6
        return None
    return f"{path.name!r} is not a file that torch wrote; fetch it again"
