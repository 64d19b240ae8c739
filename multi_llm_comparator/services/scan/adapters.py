"""LoRA adapters as models of their own: ``base:adapter``, beneath the base that each was made for.

A peft folder goes with a checkpoint and, converted when it is first asked, with the GGUF files of the same model; a
GGUF adapter goes with GGUF files alone. What a base is told by, in this order: the base's fingerprint in
``tuning.json``, the path or name in ``adapter_config.json``, and last the shapes of its matrices; these must fit in any
case.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.adapter_config import matrix_pairs, tensor_names, weights_file
from multi_llm_comparator.inferencers.gguf_adapter_file import GgufBase, adapted_names
from multi_llm_comparator.services.scan.entry import FileStamp, stamps
from multi_llm_comparator.services.scan.fields import text, whole
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header
from multi_llm_comparator.services.scan.pytorch_dirs import ADAPTER_CONFIG, adapter_entry
from multi_llm_comparator.services.scan.reading import HeaderRoom
from multi_llm_comparator.services.scan.safetensors_header import read_safetensors_header
from multi_llm_comparator.services.scan.walk import Folder, ScanBudget

JOBS_SOURCE = "jobs"
MAX_JOBS = 2_000
# Of one adapter: with how many bases it is listed, at most; a folder may hold a base in dozens of quantizations.
MAX_BASES = 16
BY_SHAPE = "its base is not named: {} is taken for it, because all its matrices fit"
# (outputs, inputs) of the matrices that an adapter adds to, by module of transformers or by tensor of GGUF.
Widths = dict[str, tuple[int, int]]


def scan_jobs(folder: Path, budget: ScanBudget) -> Iterator[ModelInfo]:
    """The adapters that tuning jobs have made: ``<run id>/out/adapter`` beneath ``folder``."""
    try:
        runs = sorted(path for path in folder.iterdir() if path.is_dir())[:MAX_JOBS]
    except OSError:
        return
    for run in runs:
        if budget.spent():
            return
        out = run / "out" / "adapter"
        if not (out / ADAPTER_CONFIG).is_file():
            continue
        entry = adapter_entry(Folder(out, tuple(sorted(path for path in out.iterdir() if path.is_file()))), JOBS_SOURCE)
        entry.name = _job_name(run, entry)
        yield entry


def _job_name(run: Path, entry: ModelInfo) -> str:
    """A job's title as a name that can be typed, else the run's id."""
    title = text(entry.config.get("lineage") or {}, "title", "name") or ""
    return re.sub(r"[^\w.+-]+", "-", title).strip("-")[:60] or run.name[:12]


def with_adapters(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """The models, with ``base:adapter`` behind each base that an adapter was found for.

    An adapter that goes with none stays listed by itself, with the reason as its problem.
    """
    bases = [model for model in models if not is_adapter(model)]
    beneath: dict[str, list[ModelInfo]] = {}
    lonely = []
    for adapter in filter(is_adapter, models):
        found, why_not = _bases_of(adapter, [base for base in bases if base.is_loadable])
        for base, note in found[:MAX_BASES]:
            beneath.setdefault(base.id, []).append(_on_base(adapter, base, note))
        if not found:
            lonely.append(replace(adapter, config={**adapter.config, "problem": why_not}))
    listed = []
    for base in bases:
        own = _named_apart(beneath.get(base.id, []))
        base.adapters = tuple(model.name for model in own)
        listed += [base, *own]
    return listed + lonely


def is_adapter(model: ModelInfo) -> bool:
    """Whether this is what a scan found of an adapter, not yet on a base."""
    return bool(model.config.get("is_adapter")) and model.base is None


def _on_base(adapter: ModelInfo, base: ModelInfo, note: str | None) -> ModelInfo:
    kept = {name: value for name, value in base.config.items() if name not in ("problem", "title")}
    config: dict[str, Any] = copy.deepcopy(kept)
    own: dict[str, Any] = {
        key: adapter.config[key] for key in ("rank", "files", "source", "lineage") if key in adapter.config
    }
    config |= own
    config |= {"file_format": adapter.config.get("file_format"), "base_model": base.name}
    warnings = [*adapter.config.get("warnings", []), *([note] if note else [])]
    config["warnings"] = warnings
    if not warnings:
        del config["warnings"]
    id_ = hashlib.md5(f"{base.path}\0{adapter.path}".encode(), usedforsecurity=False).hexdigest()[:8]
    name = f"{base.name}:{adapter.name}"
    return ModelInfo(id_, name, adapter.path, base.model_type, adapter.size, config, base=base)


def _named_apart(adapters: list[ModelInfo]) -> list[ModelInfo]:
    """Two of one name get a part of their id behind it: a name that means two things is of no use as a target."""
    counts = Counter(model.name for model in adapters)
    return [
        replace(model, name=f"{model.name}-{model.id[:4]}") if counts[model.name] > 1 else model for model in adapters
    ]


def _bases_of(adapter: ModelInfo, bases: list[ModelInfo]) -> tuple[list[tuple[ModelInfo, str | None]], str]:
    """The bases that an adapter goes with, each with what a person should know; and why there are none."""
    if problem := adapter.config.get("adapter_problem"):
        return [], str(problem)
    takes = (ModelType.GGUF,) if adapter.model_type is ModelType.GGUF else (ModelType.PYTORCH, ModelType.GGUF)
    bases = [base for base in bases if base.model_type in takes]
    named = [base for base in bases if _is_told(adapter, base)]
    fitting, misfits = [], []
    for base in named:
        why = why_unfit(adapter, base)
        if why is None:
            fitting.append(base)
        else:
            misfits.append(f"{base.name!r}: {why}")
    if fitting:
        return [(base, None) for base in fitting], ""
    if misfits:
        return [], f"it does not fit its base {misfits[0]}"
    # Only what a shape tells is left; without shapes, anything would fit.
    like = [base for base in bases if _has_shapes(adapter, base) and why_unfit(adapter, base) is None]
    told = adapter.config.get("base_model")
    missing = f"its base {told!r} was not found here" if told else "it does not name its base, and fits no model here"
    if told and like:
        return (
            [],
            f"{missing}; its matrices would fit {like[0].name!r}: if that is its base, name it in {ADAPTER_CONFIG!r}",
        )
    return [(base, BY_SHAPE.format(repr(base.name))) for base in like[:1]], missing


def _is_told(adapter: ModelInfo, base: ModelInfo) -> bool:
    """Whether the adapter says that this is its base."""
    lineage = adapter.config.get("lineage") or {}
    recorded = text(lineage, "base_fingerprint", "base_hash")
    if recorded is not None and recorded in _fingerprints(base):
        return True
    names = {text(lineage, "base"), text(lineage, "base_path"), adapter.config.get("base_model")} - {None}
    return any(_means(str(name), base) for name in names)


def _fingerprints(base: ModelInfo) -> set[str]:
    source = base.config.get("source_fingerprint")
    found = {str(source)} if source else set()
    try:
        return found | {model_fingerprint(base)}
    except MultiLLMError:
        return found


def _means(name: str, base: ModelInfo) -> bool:
    """Whether a path or name is this base's, or that of the checkpoint which this GGUF file is of."""
    plain = name.replace("\\", "/").rstrip("/")
    last = plain.rpartition("/")[2]
    if plain in (base.name, base.path) or last == base.name:
        return True
    try:
        if Path(name).resolve() == Path(base.path).resolve():
            return True
    except (OSError, ValueError, RuntimeError):  # no path at all
        pass
    if base.model_type is not ModelType.GGUF:
        return False
    origin = str(base.config.get("converted_from") or "").partition(" (")[0]
    return last.casefold() in {_without_quantization(base), origin.casefold()} - {""}


def _without_quantization(base: ModelInfo) -> str:
    """``SmolLM2-135M-Instruct.Q4_1`` as the checkpoint is called: ``smollm2-135m-instruct``."""
    kind = str(base.config.get("quantization") or "")
    return re.sub(rf"[-._]({re.escape(kind)}|bf16|f16|f32|i?q\d\w*)$", "", base.name, flags=re.IGNORECASE).casefold()


def why_unfit(adapter: ModelInfo, base: ModelInfo) -> str | None:
    """Why an adapter cannot be added to a base, as far as the headers tell; None where nothing speaks against it."""
    try:
        if adapter.model_type is ModelType.GGUF:
            wanted, there = _gguf_adapter(stamps([Path(adapter.path)])), gguf_base(base).matrices
        else:
            modules = _peft_widths(stamps([weights_file(Path(adapter.path))]))
            if base.model_type is ModelType.GGUF:
                known = gguf_base(base)
                wanted, there = adapted_names(modules, known), known.matrices
            else:
                wanted, there = modules, _checkpoint_widths(base)
    except (MultiLLMError, OSError) as exc:
        return str(exc)
    for name, (outputs, inputs) in wanted.items():
        here = there.get(name)
        if here is None and base.model_type is ModelType.GGUF:
            return f"it has no matrix {name[:80]!r}"
        # GPT-2's weights lie the other way round.
        if here is not None and here not in ((outputs, inputs), (inputs, outputs)):
            return f"its matrices for {name[:80]!r} are for {outputs}×{inputs}, where the base has {here[0]}×{here[1]}"
    return None


def _has_shapes(adapter: ModelInfo, base: ModelInfo) -> bool:
    """Whether there is anything to compare, so that a fit means something."""
    try:
        if adapter.model_type is ModelType.GGUF or base.model_type is ModelType.GGUF:
            return True
        modules = _peft_widths(stamps([weights_file(Path(adapter.path))]))
        return bool(modules) and modules.keys() <= _checkpoint_widths(base).keys()
    except (MultiLLMError, OSError):
        return False


@lru_cache(maxsize=256)
def _peft_widths(marks: Sequence[FileStamp]) -> Widths:
    path = Path(marks[0].path)
    if path.suffix != ".safetensors":
        return {}
    shapes = {tensor.name: tensor.shape for tensor in read_safetensors_header(path, HeaderRoom())}
    pairs = {module: tensor_names(module) for module in matrix_pairs(shapes)}
    return {module: (shapes[second][0], shapes[first][1]) for module, (first, second) in pairs.items()}


@lru_cache(maxsize=256)
def _gguf_adapter(marks: Sequence[FileStamp]) -> Widths:
    shapes = {tensor.name: tensor.shape for tensor in read_gguf_header(Path(marks[0].path)).tensors}
    names = {name.removesuffix(".lora_a") for name in shapes if name.endswith(".lora_a")}
    found = {}
    for name in names:
        first, second = shapes[f"{name}.lora_a"], shapes.get(f"{name}.lora_b", ())
        if len(first) >= 2 and len(second) >= 2:
            found[name] = (second[1], first[0])
    return found


def _checkpoint_widths(base: ModelInfo) -> Widths:
    """Of a checkpoint in safetensors whose weights are plain numbers; else nothing is known."""
    if base.config.get("file_format") != "safetensors":
        return {}
    return _stored_widths(stamps(Path(path) for path in base.config.get("files", ())))


@lru_cache(maxsize=64)
def _stored_widths(marks: Sequence[FileStamp]) -> Widths:
    room = HeaderRoom()
    return {
        tensor.name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
        for mark in marks
        for tensor in read_safetensors_header(Path(mark.path), room)
        if len(tensor.shape) == 2 and tensor.dtype in ("F64", "F32", "F16", "BF16")
    }


def gguf_base(base: ModelInfo) -> GgufBase:
    """What must be known of a GGUF model to make a file of an adapter for it.

    Raises:
        ModelLoadError: its header cannot be read.
    """
    return _gguf_base(stamps(Path(path) for path in base.config.get("files") or [base.path]), base.name)


@lru_cache(maxsize=64)
def _gguf_base(marks: Sequence[FileStamp], name: str) -> GgufBase:
    headers = [read_gguf_header(Path(mark.path)) for mark in marks]
    metadata: Mapping[str, Any] = headers[0].metadata
    architecture = text(metadata, "general.architecture") or ""
    heads = whole(metadata, f"{architecture}.attention.head_count") or 0
    return GgufBase(
        architecture=architecture,
        name=name,
        layers=whole(metadata, f"{architecture}.block_count") or 0,
        heads=heads,
        kv_heads=whole(metadata, f"{architecture}.attention.head_count_kv") or heads,
        matrices={
            tensor.name: (tensor.shape[1], tensor.shape[0])
            for header in headers
            for tensor in header.tensors
            if len(tensor.shape) == 2
        },
    )
