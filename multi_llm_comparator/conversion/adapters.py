"""A LoRA adapter merged into its base, or as a GGUF file of its own. Nothing of torch is imported."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_architecture import Architecture
from multi_llm_comparator.conversion.gguf_import import DTYPES, gguf_to_pytorch
from multi_llm_comparator.conversion.gguf_source import gguf_parts
from multi_llm_comparator.conversion.gguf_tensors import as_type, names_in_gguf
from multi_llm_comparator.conversion.places import check_disk, file_beside, folder_beside, publish_file, publish_folder
from multi_llm_comparator.conversion.provenance import Origin, origin_of_checkpoint, write_origin
from multi_llm_comparator.conversion.report import ConversionReport, Progress, ignore, part_of
from multi_llm_comparator.conversion.safetensors_writer import write_safetensors
from multi_llm_comparator.core.exceptions import ConversionError, ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.adapter_config import (
    WEIGHTS_NAME,
    AdapterSettings,
    matrix_pairs,
    read_adapter_settings,
    tensor_names,
    weights_file,
)
from multi_llm_comparator.inferencers.checkpoint_files import KEPT_FILES
from multi_llm_comparator.inferencers.gguf_adapter_file import GgufBase, write_gguf_adapter
from multi_llm_comparator.inferencers.stored_tensors import FLOATS, Array, StoredTensor, stored_tensors
from multi_llm_comparator.services.scan.adapters import gguf_base
from multi_llm_comparator.services.scan.reading import open_regular

LINEAGE_FILE = "tuning.json"


def merge_adapter(
    base: Path, adapter: Path, out: Path, *, dtype: str = "bfloat16", progress: Progress = ignore
) -> ConversionReport:
    """Write the checkpoint that a base with an adapter is; the folder ``out`` appears whole or not at all.

    The sum is made in float32 and rounded once, to ``dtype``. A GGUF base is first made a checkpoint in float32: what
    its quantization lost before stays lost.

    Args:
        base: a checkpoint folder with plain safetensors, or a GGUF file.
        adapter: a peft folder.
        out: the folder to make.
        dtype: one of :data:`DTYPES`.

    Raises:
        UnsupportedModelError: a base or adapter that cannot be merged here; what is in the way is named.
        ModelLoadError: files are damaged, or were not made for each other.
        ConversionError: ``out`` is there already, or the disk is too small.
    """
    if out.exists():
        raise ConversionError(f"{str(out)!r} is there already; delete or rename it, or give another folder")
    begun = time.monotonic()
    progress("reading", 0.0)
    if not base.is_dir():
        with folder_beside(out) as aside:
            gguf_to_pytorch(base, aside / "base", dtype="float32", progress=part_of(progress, 0.0, 0.5))
            made = merge_adapter(aside / "base", adapter, out, dtype=dtype, progress=part_of(progress, 0.5, 1.0))
        return ConversionReport(out, dtype, made.size_bytes, time.monotonic() - begun, made.tensor_types, {})
    merging = _Merging(base, adapter, DTYPES[dtype])
    check_disk(out.parent, merging.size_bytes, f"{out.name!r} in {dtype}")
    with folder_beside(out) as folder:
        merging.write(folder, dtype, part_of(progress, 0.05, 1.0))
        size = sum(file.stat().st_size for file in folder.iterdir())
        publish_folder(folder, out)
    return ConversionReport(out, dtype, size, time.monotonic() - begun, {DTYPES[dtype]: len(merging.stored)}, {})


def adapter_to_gguf(base: Path, adapter: Path, out: Path) -> ConversionReport:
    """Write an adapter alone as a GGUF file, for any GGUF file of its base.

    Args:
        base: the checkpoint folder, or a GGUF file of it.
        adapter: a peft folder.
        out: the file to write.

    Raises:
        UnsupportedModelError: a kind of adapter or base for which there is no GGUF file.
        ModelLoadError: the adapter is damaged or was not made for this base.
        ConversionError: it could not be written.
    """
    begun = time.monotonic()
    described = _checkpoint_base(base) if base.is_dir() else _file_base(base)
    with file_beside(out) as aside:
        write_gguf_adapter(adapter, described, aside, name=out.stem)
        publish_file(aside, out)
    pairs = len(matrix_pairs({name: tensor.shape for name, tensor in _matrices(adapter).items()}))
    return ConversionReport(out, "adapter", out.stat().st_size, time.monotonic() - begun, {"F32": 2 * pairs}, {})


def _file_base(base: Path) -> GgufBase:
    files = [str(part) for part in gguf_parts(base)]
    return gguf_base(ModelInfo("", base.stem, str(base), ModelType.GGUF, 0, {"files": files}))


def _checkpoint_base(base: Path) -> GgufBase:
    architecture = Architecture.from_config(CheckpointFiles(base).config)
    shapes, names = architecture.tensors(), names_in_gguf(architecture)
    return GgufBase(
        architecture=architecture.arch,
        name=base.resolve().name,
        layers=architecture.layers,
        heads=architecture.heads,
        kv_heads=architecture.kv_heads,
        matrices={names[name]: (shape[0], shape[1]) for name, shape in shapes.items() if len(shape) == 2},
    )


def _matrices(adapter: Path) -> dict[str, StoredTensor]:
    file = weights_file(adapter)
    if file.name != WEIGHTS_NAME:
        raise UnsupportedModelError(f"the adapter is stored as {file.name!r}; save it as {WEIGHTS_NAME!r} first")
    found = stored_tensors((file,))
    odd = next((name for name, tensor in found.items() if tensor.dtype not in FLOATS), None)
    if odd is not None:
        raise UnsupportedModelError(f"tensor {odd[:120]!r} is stored as {found[odd].dtype!r}, no usual number")
    return found


class _Merging:
    """A base and what is added to its matrices."""

    def __init__(self, base: Path, adapter: Path, type_name: str) -> None:
        self._files, self._adapter, self._type_name = CheckpointFiles(base), adapter, type_name
        self._settings: AdapterSettings = read_adapter_settings(adapter)
        self._matrices = _matrices(adapter)
        self.stored = stored_tensors(self._files.weights)
        self._ranks = matrix_pairs({name: tensor.shape for name, tensor in self._matrices.items()})
        self._check()

    @property
    def size_bytes(self) -> int:
        count = sum(int(np.prod(tensor.shape, dtype=np.int64)) for tensor in self.stored.values())
        return count * FLOATS[self._type_name].itemsize

    def _check(self) -> None:
        for name, tensor in self.stored.items():
            if tensor.dtype not in FLOATS:
                raise UnsupportedModelError(
                    f"tensor {name!r} of the base is stored as {tensor.dtype}: nothing can be added to a quantised "
                    "checkpoint; merge into the original 16- or 32-bit one"
                )
        for module in self._ranks:
            first, second = (self._matrices[name] for name in tensor_names(module))
            there = self.stored.get(f"{module}.weight")
            if there is None:
                raise UnsupportedModelError(
                    f"the base has no weights of its own for {module[:120]!r}, which the adapter changes (tied to "
                    "others, or another model's); merge it with peft"
                )
            if there.shape != (second.shape[0], first.shape[1]):
                raise ModelLoadError(
                    f"the adapter was made for another model: its matrices for {module[:120]!r} are for "
                    f"{(second.shape[0], first.shape[1])}, where the base has {there.shape}"
                )

    def write(self, folder: Path, dtype: str, progress: Progress) -> None:
        config = {**self._files.config, "dtype": dtype}
        config.pop("torch_dtype", None)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for pattern in KEPT_FILES:
            for file in filter(Path.is_file, self._files.folder.glob(pattern)):
                shutil.copyfile(file, folder / file.name)
        if (self._adapter / LINEAGE_FILE).is_file():
            shutil.copyfile(self._adapter / LINEAGE_FILE, folder / LINEAGE_FILE)
        shapes = {name: tensor.shape for name, tensor in self.stored.items()}
        write_safetensors(folder, shapes, self._type_name, self._tensors(progress))
        write_origin(folder, self._origin(), {"dtype": dtype, "adapter": self._adapter.resolve().name})
        (folder / "README.md").write_text(self._card(), encoding="utf-8")

    def _tensors(self, progress: Progress) -> Iterator[tuple[str, Iterator[Array]]]:
        for number, (name, tensor) in enumerate(self.stored.items(), 1):
            yield name, iter([as_type(self._merged(name, tensor), self._type_name, name)])
            progress("writing", number / len(self.stored))

    def _merged(self, name: str, tensor: StoredTensor) -> Array:
        values = np.asarray(tensor.read(), np.float32)
        module = name.removesuffix(".weight")
        if module not in self._ranks:
            return values
        first, second = (np.asarray(self._matrices[key].read(), np.float32) for key in tensor_names(module))
        merged: Array = values + np.float32(self._settings.scaling(module, self._ranks[module])) * (second @ first)
        if not np.isfinite(merged).all():
            raise ModelLoadError(f"{name!r} with the adapter holds values that are no numbers; fetch the adapter again")
        return merged

    def _origin(self) -> Origin:
        kinds = {tensor.dtype for tensor in self.stored.values()}
        base = origin_of_checkpoint(self._files, kinds.pop() if len(kinds) == 1 else "F32")
        with open_regular(weights_file(self._adapter)) as file:
            added = hashlib.file_digest(file, "sha256").hexdigest()
        version, _, digest = base.source.partition(":")
        both = hashlib.sha256(f"{digest}+{added}".encode()).hexdigest()
        return Origin(f"{version}:{both}", f"{base.name} + {self._adapter.resolve().name}", base.through)

    def _card(self) -> str:
        licence = self._files.licence
        front = f"---\nlicense: {licence}\n---\n" if licence else ""
        base, adapter = self._files.folder.resolve().name, self._adapter.resolve().name
        return f"{front}# {base!a} with {adapter!a}\n\nA LoRA adapter merged into its base.\n"
