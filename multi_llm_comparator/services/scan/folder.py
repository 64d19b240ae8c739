"""All models beneath one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.gguf_files import gguf_entry, group_parts
from multi_llm_comparator.services.scan.projectors import with_projectors
from multi_llm_comparator.services.scan.pytorch_dirs import is_checkpoint, pytorch_entries
from multi_llm_comparator.services.scan.walk import Folder, ScanBudget, Walk

BOTH = frozenset({ModelType.PYTORCH, ModelType.GGUF})


def scan_folder(
    root: Path,
    source: str,
    *,
    kinds: frozenset[ModelType] = BOTH,
    notes: list[str] | None = None,
    budget: ScanBudget | None = None,
) -> list[ModelInfo]:
    """List the models beneath ``root``, of the given kinds, in alphabetical order of their folders.

    ``notes`` takes what a person should know of the scan itself: what was unreadable, too deep, or too much for
    ``budget``.
    """
    notes = [] if notes is None else notes
    budget = budget or ScanBudget()
    models: list[ModelInfo] = []
    for model in _models(Walk(budget=budget, notes=notes).folders(root), source, kinds):
        models.append(model)
        if why := budget.spent():
            note = f"{str(root)!r} was not read to its end: {why}"
            if not any(why in known for known in notes):
                notes.append(note)
            break
    return models


def _models(folders: Iterator[Folder], source: str, kinds: frozenset[ModelType]) -> Iterator[ModelInfo]:
    checkpoints: list[Path] = []
    for folder in folders:
        if ModelType.PYTORCH in kinds:
            inside = any(checkpoint in folder.path.parents for checkpoint in checkpoints)
            yield from pytorch_entries(folder, source, inside_model=inside)
            if is_checkpoint(folder):
                checkpoints.append(folder.path)
        if ModelType.GGUF in kinds:
            files = [path for path in folder.files if path.suffix.lower() == ".gguf"]
            yield from with_projectors([gguf_entry(parts, source) for parts in group_parts(files)])
