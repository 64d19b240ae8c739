"""Folders and loose files with PyTorch weights as models."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.adapter_config import adapter_settings, matrix_pairs
from multi_llm_comparator.services.scan.entry import FileStamp, model_entry, stamps
from multi_llm_comparator.services.scan.fields import text, whole
from multi_llm_comparator.services.scan.hf_config import (
    EMBEDS_ONLY,
    NO_PROCESSOR,
    PROCESSOR_FILES,
    config_problem,
    config_warnings,
    describe_config,
    generation_defaults,
    has_chat_template,
    is_encoder,
    quantized_bits,
    template_names_tools,
    tokenizer_problem,
    was_made_to_see,
)
from multi_llm_comparator.services.scan.origin import NOTES_FILE, told_origin
from multi_llm_comparator.services.scan.pytorch_weights import (
    SUFFIXES,
    WeightFiles,
    describe_safetensors,
    find_weights,
    pickle_problem,
)
from multi_llm_comparator.services.scan.reading import HeaderRoom, read_json
from multi_llm_comparator.services.scan.safetensors_header import read_safetensors_header
from multi_llm_comparator.services.scan.walk import Folder

ADAPTER_CONFIG, MODEL_CONFIG = "adapter_config.json", "config.json"
# What a tuning run writes beside what it made.
LINEAGE_FILE = "tuning.json"
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# Beyond this a folder is no checkpoint but somebody's dump; stamping it at each scan would take seconds.
_MAX_FILES = 5_000


def pytorch_entries(folder: Folder, source: str, *, inside_model: bool = False) -> Iterator[ModelInfo]:
    """The PyTorch models in one folder itself: at most one checkpoint or adapter, else each loose file.

    ``inside_model`` says that a folder above is a checkpoint: then a config.json without weights is a part of that.
    """
    names = frozenset(path.name for path in folder.files)
    if len(names) <= _MAX_FILES and MODEL_CONFIG in names:
        weights = find_weights(folder.path, names)
        has_gguf = any(name.lower().endswith(".gguf") for name in names)
        if weights is not None or not (has_gguf or inside_model or ADAPTER_CONFIG in names):
            yield _folder_entry(folder, source, _describe_checkpoint(folder.path, stamps(folder.files)))
            return
    if len(names) <= _MAX_FILES and ADAPTER_CONFIG in names:
        yield adapter_entry(folder, source)
    elif MODEL_CONFIG not in names and not inside_model:
        yield from (_loose_entry(path, source) for path in folder.files if path.suffix.lower() in SUFFIXES)


def is_checkpoint(folder: Folder) -> bool:
    """Whether what lies beneath ``folder`` belongs to a model in it."""
    return any(path.name in (MODEL_CONFIG, ADAPTER_CONFIG) for path in folder.files)


def adapter_entry(folder: Folder, source: str) -> ModelInfo:
    """A peft folder as it was found; :mod:`services.scan.adapters` puts it beneath its base."""
    return _folder_entry(folder, source, _describe_adapter(folder.path, stamps(folder.files)))


def _folder_entry(folder: Folder, source: str, described: dict[str, Any]) -> ModelInfo:
    config = {**copy.deepcopy(described), "source": source}
    size = sum(mark.size for mark in stamps(Path(path) for path in config["files"]))
    return model_entry(folder.path.name, folder.path, ModelType.PYTORCH, size=size, config=config)


@lru_cache(maxsize=1024)
def _describe_checkpoint(folder: Path, marks: Sequence[FileStamp]) -> dict[str, Any]:
    """Read all JSON files and headers; a folder is read again only when one of its files has changed."""
    names = frozenset(Path(mark.path).name for mark in marks)
    weights = find_weights(folder, names) or WeightFiles(problem="it has a config.json but no weights; fetch those too")
    described: dict[str, Any] = {"files": [str(path) for path in weights.files], "file_format": weights.file_format}
    problems = [weights.problem]
    try:
        config = read_json(folder / MODEL_CONFIG)
    except ModelLoadError as exc:
        config = {}
        problems.insert(0, str(exc))
    else:
        problems.insert(0, config_problem(config))
        described |= describe_config(config)
        described["warnings"] = config_warnings(config)
        if is_encoder(config):
            described |= {"embeds": True, "engine": "encoder"}
        if was_made_to_see(config):
            described["sees_images"] = not names.isdisjoint(PROCESSOR_FILES)
            described["warnings"] += [] if described["sees_images"] else [NO_PROCESSOR]
    quantized = quantized_bits(config)
    described_weights, damage = _read_weights(weights, quantized[1] if quantized else None)
    described |= described_weights
    described["quantization"] = _quantization(described, quantized)
    described["chat_template"] = has_chat_template(folder, names)
    described["names_tools"] = template_names_tools(folder, names) or None
    described["generation"] = generation_defaults(folder, names)
    described["converted_from"] = _origin(folder, names)
    problems += [damage, tokenizer_problem(names)]
    described["problem"] = next(filter(None, problems), None)
    if described.get("embeds") and (described["problem"] or weights.file_format != "safetensors"):
        del described["embeds"], described["engine"]
    elif described.get("embeds"):
        described["problem"] = EMBEDS_ONLY
    return {
        key: value for key, value in described.items() if value not in (None, "", {}) and (value or key != "warnings")
    }


def _origin(folder: Path, names: frozenset[str]) -> str | None:
    try:
        return told_origin(read_json(folder / NOTES_FILE), "name", "through") if NOTES_FILE in names else None
    except ModelLoadError:
        # Of no use to anybody but a reader.
        return None


def _read_weights(weights: WeightFiles, bits: int | None) -> tuple[dict[str, Any], str | None]:
    """What the weights files say, and what is wrong with them."""
    if weights.file_format == "safetensors":
        try:
            return describe_safetensors(weights.files, bits=bits), None
        except ModelLoadError as exc:
            return {}, str(exc)
    total = sum(mark.size for mark in stamps(weights.files))
    if not weights.file_format.startswith("PyTorch"):
        return {"weight_bytes": total}, None
    return {"weight_bytes": total}, next(filter(None, map(pickle_problem, weights.files)), None)


def _quantization(described: dict[str, Any], quantized: tuple[str, int | None] | None) -> str | None:
    if quantized:
        method, bits = quantized
        return f"{bits}-bit {method}" if bits else method
    dtype: str | None = described.get("stored_dtype") or described.get("dtype")
    return dtype


@lru_cache(maxsize=1024)
def _describe_adapter(folder: Path, marks: Sequence[FileStamp]) -> dict[str, Any]:
    names = frozenset(Path(mark.path).name for mark in marks)
    described: dict[str, Any] = {"architecture": "LoRA adapter", "file_format": "adapter", "is_adapter": True}
    files = [folder / name for name in _ADAPTER_WEIGHTS if name in names][:1]
    described["files"] = [str(path) for path in files]
    try:
        config = read_json(folder / ADAPTER_CONFIG)
        described["architecture"] = f"{text(config, 'peft_type') or 'LoRA'} adapter"
        described["base_model"] = text(config, "base_model_name_or_path")
        described["rank"] = whole(config, "r")
        described["lineage"] = _lineage(folder, names)
        _check_adapter(config, files)
        if files[0].suffix == ".safetensors":
            described |= describe_safetensors(files)
    except ModelLoadError as exc:
        described["adapter_problem"] = str(exc)
    base = described.get("base_model")
    problem = f"an adapter, not a whole model: load its base {base!r}, or merge the two" if base else None
    problem = problem or "an adapter that does not name its base model; 'base_model_name_or_path' should"
    described["problem"] = described.get("adapter_problem") or problem
    return {key: value for key, value in described.items() if value is not None}


def _check_adapter(config: dict[str, Any], files: Sequence[Path]) -> None:
    """Raises ModelLoadError where an adapter's own files keep it from being used, whatever its base."""
    if not files:
        raise ModelLoadError(f"an adapter without weights ({_ADAPTER_WEIGHTS[0]!r}); fetch those too")
    adapter_settings(config)
    if files[0].suffix == ".safetensors":
        matrix_pairs({tensor.name: tensor.shape for tensor in read_safetensors_header(files[0], HeaderRoom())})
    elif problem := pickle_problem(files[0]):
        raise ModelLoadError(problem)


def _lineage(folder: Path, names: frozenset[str]) -> dict[str, Any] | None:
    """How the adapter was tuned, as far as its maker wrote it down; of use to a reader only, so what is damaged is
    passed by."""
    try:
        return read_json(folder / LINEAGE_FILE) if LINEAGE_FILE in names else None
    except ModelLoadError:
        return None


def _loose_entry(path: Path, source: str) -> ModelInfo:
    mark = stamps([path])[0]
    config = {**_describe_loose(mark), "source": source, "files": [str(path)]}
    return model_entry(path.stem, path, ModelType.PYTORCH, size=mark.size, config=config)


@lru_cache(maxsize=4096)
def _describe_loose(mark: FileStamp) -> dict[str, Any]:
    path = Path(mark.path)
    why = f"weights alone: {MODEL_CONFIG!r} and a tokenizer must lie beside them, in a folder of their own"
    if path.suffix.lower() != ".safetensors":
        return {"file_format": "PyTorch (pickle)", "weight_bytes": mark.size, "problem": pickle_problem(path) or why}
    try:
        described = describe_safetensors([path])
    except ModelLoadError as exc:
        return {"file_format": "safetensors", "problem": str(exc)}
    return {"file_format": "safetensors", **described, "quantization": described["stored_dtype"], "problem": why}
