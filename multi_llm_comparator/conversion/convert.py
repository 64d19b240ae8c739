"""The one way in: a model as another format or quantization, whatever it is now."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from multi_llm_comparator.conversion.adapters import adapter_to_gguf, merge_adapter
from multi_llm_comparator.conversion.gguf_architecture import CLASSES
from multi_llm_comparator.conversion.gguf_config import MODEL_TYPES
from multi_llm_comparator.conversion.gguf_export import FILE_TYPES, QUANTIZATIONS, export_gguf
from multi_llm_comparator.conversion.gguf_import import DTYPES, gguf_to_pytorch
from multi_llm_comparator.conversion.gguf_quantize import QUANTIZED, quantize_gguf, report_of
from multi_llm_comparator.conversion.gguf_source import GgufSource
from multi_llm_comparator.conversion.places import folder_beside
from multi_llm_comparator.conversion.report import ConversionReport, Progress, ignore, part_of
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.adapter_config import WEIGHTS_NAME, weights_file
from multi_llm_comparator.inferencers.gguf_adapter_file import ARCHITECTURES as GGUF_ARCHITECTURES
from multi_llm_comparator.services.scan.origin import NOTES_FILE

# "pytorch" stands for bfloat16, the type that most checkpoints have.
TARGETS = ("pytorch", *DTYPES, *QUANTIZATIONS)
# Of an adapter besides: itself as a GGUF file.
ADAPTER = "adapter"


def convert(
    source: Path,
    out: Path,
    target: str,
    *,
    adapter: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ConversionReport:
    """Make a model of another format, number type or quantization.

    Args:
        source: a checkpoint folder, or a GGUF file.
        out: the folder to make for a number type of PyTorch, the file to write for a quantization.
        target: one of :data:`TARGETS`.
        adapter: a peft folder, which is merged into the source on the way, or with the target "adapter" alone written.
        overwrite: whether what a conversion made before may be replaced.
        progress: told how far it is.

    Raises:
        InvalidParameterError: an unknown target, or one that this source cannot become.
        UnsupportedModelError: a kind of model that cannot be converted so; what is in the way is named.
        ModelLoadError: the source is damaged, or llama.cpp failed.
        ConversionError: ``out`` is taken, or the disk is too small.
    """
    wanted = canonical_target(target)
    if out.exists() and not overwrite:
        raise ConversionError(f"{str(out)!r} is there already; delete or rename it, or allow that it is replaced")
    if adapter is not None:
        return _with_adapter(source, adapter, out, wanted, progress)
    if wanted == ADAPTER:
        raise InvalidParameterError(f"{str(source)!r} is a whole model; the target 'adapter' is for adapters")
    if wanted in DTYPES:
        if source.is_dir():
            raise InvalidParameterError(f"{str(source)!r} is a PyTorch checkpoint already; give a quantization")
        return _to_pytorch(source, out, wanted, progress)
    if out.is_dir():
        raise ConversionError(f"{str(out)!r} is a folder; give the file to write, ending in .gguf")
    if not source.is_dir():
        return quantize_gguf(source, out, _requantization(wanted), progress=progress)
    begun = time.monotonic()
    export_gguf(source, out, wanted, progress=progress)
    return report_of(out, wanted, time.monotonic() - begun)


def _with_adapter(source: Path, adapter: Path, out: Path, wanted: str, progress: Progress) -> ConversionReport:
    begun = time.monotonic()
    if out.is_dir():
        raise ConversionError(f"{str(out)!r} is there already; delete or rename it")
    if wanted == ADAPTER:
        return adapter_to_gguf(source, adapter, out)
    if wanted in DTYPES:
        return merge_adapter(source, adapter, out, dtype=wanted, progress=progress)
    with folder_beside(out) as aside:
        # By this name the file will be called inside.
        merged = aside / out.stem
        merge_adapter(source, adapter, merged, dtype="float32", progress=part_of(progress, 0.0, 0.4))
        export_gguf(merged, out, wanted, progress=part_of(progress, 0.4, 1.0))
    return report_of(out, wanted, time.monotonic() - begun)


def canonical_target(target: str) -> str:
    """A target as it is called here, whatever its case.

    Raises:
        InvalidParameterError: there is no such target.
    """
    known = {name.casefold(): name for name in (*TARGETS, ADAPTER)}
    if target.casefold() not in known:
        raise InvalidParameterError(f"the target must be one of {', '.join(TARGETS)}, not {target!r}")
    found = known[target.casefold()]
    return "bfloat16" if found == "pytorch" else found


def possible_targets(model: ModelInfo) -> tuple[str, ...]:
    """What a model that was found on disk can become, by what its headers say; empty for what cannot be converted."""
    architecture = model.config.get("architecture")
    if not model.is_loadable:
        return ()
    if model.base is not None:
        return _targets_of_adapter(model, model.base)
    if model.model_type is ModelType.PYTORCH:
        is_plain = model.config.get("file_format") == "safetensors" and Path(model.path).is_dir()
        return QUANTIZATIONS if is_plain and architecture in CLASSES else ()
    if model.model_type is ModelType.GGUF:
        return (*(DTYPES if architecture in MODEL_TYPES else ()), *QUANTIZED)
    return ()


def _targets_of_adapter(model: ModelInfo, base: ModelInfo) -> tuple[str, ...]:
    if not Path(model.path).is_dir() or weights_file(Path(model.path)).name != WEIGHTS_NAME:
        return ()
    if base.model_type is ModelType.GGUF:
        whole = (*DTYPES, *QUANTIZATIONS) if base.config.get("architecture") in MODEL_TYPES else ()
        return (ADAPTER, *whole) if base.config.get("architecture") in GGUF_ARCHITECTURES else whole
    is_known = base.config.get("architecture") in CLASSES
    is_plain = base.config.get("file_format") == "safetensors" and Path(base.path).is_dir()
    return (*DTYPES, *((*QUANTIZATIONS, ADAPTER) if is_known else ())) if is_plain else ()


def _to_pytorch(source: Path, out: Path, dtype: str, progress: Progress) -> ConversionReport:
    if not out.exists():
        return gguf_to_pytorch(source, out, dtype=dtype, progress=progress)
    if not (out / NOTES_FILE).is_file():
        raise ConversionError(f"{str(out)!r} was not made by a conversion, so it is not replaced; delete it yourself")
    with folder_beside(out) as aside:
        made = gguf_to_pytorch(source, aside / "new", dtype=dtype, progress=progress)
        out.replace(aside / "old")
        made.out.replace(out)
    shutil.rmtree(aside, ignore_errors=True)
    return ConversionReport(out, made.target, made.size_bytes, made.seconds, made.tensor_types, made.fallbacks)


def _requantization(target: str) -> str:
    if target not in QUANTIZED:
        raise UnsupportedModelError(
            f"a GGUF file is not converted to {target}, which would only make it larger; give a quantization, or a "
            f"number type of PyTorch: {', '.join((*QUANTIZED, *DTYPES))}"
        )
    return target


def suggested_out(source: Path, target: str, models_dir: Path, *, adapter: str = "") -> Path:
    """Where a converted model is found by a scan, by a name that tells what was lost before.

    ``tiny-F16.gguf`` becomes ``tiny-Q8_0.gguf``, but ``tiny-Q4_1.gguf`` becomes ``tiny-Q8_0-from-Q4_1.gguf``. With an
    ``adapter`` of that name merged in, its name follows the model's.

    Raises:
        InvalidParameterError: an unknown target.
        ModelLoadError: the source cannot be read.
    """
    wanted = canonical_target(target)
    base, lost = (source.resolve().name, "") if source.is_dir() else _name_parts(source)
    base += f"-{adapter}" if adapter else ""
    if wanted == ADAPTER:
        return models_dir / ModelType.GGUF.value / f"{base}-adapter.gguf"
    if wanted in DTYPES:
        number_type = "" if wanted == "bfloat16" else f"-{wanted}"
        return models_dir / ModelType.PYTORCH.value / f"{base}{number_type}{lost}"
    return models_dir / ModelType.GGUF.value / f"{base}-{wanted}{lost}.gguf"


def _name_parts(gguf: Path) -> tuple[str, str]:
    """A file's name without its quantization, and "-from-..." where that lost something."""
    source = GgufSource(gguf)
    stem = re.sub(r"-\d{5}-of-\d{5}$", "", source.path.stem)
    base = re.sub(rf"[-._]{re.escape(source.quantization)}$", "", stem, flags=re.IGNORECASE)
    return base or stem, "" if source.quantization in FILE_TYPES else f"-from-{source.quantization}"
