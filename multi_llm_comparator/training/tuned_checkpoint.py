"""A tuned model as a checkpoint directory: it appears whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import AutoConfig, GenerationConfig

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.checkpoint_files import KEPT_FILES
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
from multi_llm_comparator.training.data.lineage import LINEAGE_FILE as GRAMS_FILE
from multi_llm_comparator.training.data.lineage import Lineage, write_lineage
from multi_llm_comparator.training.lineage import LINEAGE_FILE

# A model's configuration is not what it was before it was trained.
_COMPANIONS = ("config.json", *KEPT_FILES)


def write_adapter(model: Any, base: Path, folder: Path, notes: dict[str, Any], learnt_from: Lineage) -> None:
    """Write the adapter of ``model`` as peft reads it, with its lineage; what was there under this name goes.

    Args:
        base: the checkpoint that it belongs to, which is named in it.
        notes: how it came about, for ``tuning.json``.
        learnt_from: what can be asked later whether it knows a question.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for config in model.peft_config.values():
        config.base_model_name_or_path = str(base)
    model.save_pretrained(part)
    _write_notes(part, notes, learnt_from)
    (part / "README.md").write_text(_card(base, "LoRA adapter"), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def write_checkpoint(
    adapter: Path, base: Path, output: Path, scratch: Path, notes: dict[str, Any], learnt_from: Lineage
) -> None:
    """Write the model in ``base`` with an adapter merged into it, with its tokenizer, template and licence.

    The sum is computed in float32 from the weights as they are stored, whatever they were trained in, and rounded to
    the type of the base.

    Args:
        adapter: as :func:`write_adapter` wrote it.
        scratch: a folder on the same disk that may be written to.
        notes: how it came about, for ``tuning.json``; ``learnt_from`` as in :func:`write_adapter`.

    Raises:
        TrainingError: the sum has values that are no numbers, or somebody else made ``output`` meanwhile.
    """
    folder = scratch / "merged"
    shutil.rmtree(folder, ignore_errors=True)
    dtype = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False).dtype
    model = _merged(adapter, base)
    # Its own is copied; one that contradicts itself, as some published ones do, would not be written at all.
    model.generation_config = GenerationConfig()
    model.to(dtype or model.dtype).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for pattern in _COMPANIONS:
        for file in filter(Path.is_file, base.glob(pattern)):
            shutil.copyfile(file, folder / file.name)
    _write_notes(folder, notes, learnt_from)
    (folder / "README.md").write_text(_card(base, "By LoRA, merged"), encoding="utf-8")
    if output.exists():
        raise TrainingError(f"{str(output)!r} is there by now; move it away and give the same command again")
    output.parent.mkdir(parents=True, exist_ok=True)
    _moved(folder, output)


def _merged(adapter: Path, base: Path) -> Any:
    loaded = load_checkpoint(str(base), LoadOptions(torch_dtype="float32", use_gpu=False))
    try:
        return PeftModel.from_pretrained(loaded.model, str(adapter)).merge_and_unload(safe_merge=True)
    except ValueError as exc:
        raise TrainingError(f"what was learnt cannot be added to the weights: {exc}") from exc


def _moved(folder: Path, output: Path) -> None:
    """Under its name it appears whole, also on another disk."""
    try:
        folder.replace(output)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        part = output.with_name(f".{output.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        part.replace(output)
        shutil.rmtree(folder, ignore_errors=True)


def _write_notes(folder: Path, notes: dict[str, Any], learnt_from: Lineage) -> None:
    write_lineage(learnt_from, folder / GRAMS_FILE)
    # A file's name may be no text.
    (folder / LINEAGE_FILE).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")


def _card(base: Path, how: str) -> str:
    """A model card; scans and exports read the licence from it."""
    licence = CheckpointFiles(base).licence
    front = f"---\nlicense: {licence}\n---\n" if licence else ""
    return f"{front}# Tuned from {base.name!a}\n\n{how}; `{LINEAGE_FILE}` says how.\n"
