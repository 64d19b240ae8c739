"""All models beneath one folder."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.gguf_files import gguf_entry, group_parts
from multi_llm_comparator.services.scan.pytorch_dirs import is_checkpoint, pytorch_entries
from multi_llm_comparator.services.scan.walk import Walk

BOTH = frozenset({ModelType.PYTORCH, ModelType.GGUF})


def scan_folder(
    root: Path, source: str, *, kinds: frozenset[ModelType] = BOTH, notes: list[str] | None = None
) -> list[ModelInfo]:
    """List the models beneath ``root``, of the given kinds, in alphabetical order of their folders.

    ``notes`` takes what a person should know of the scan itself: what was unreadable, too deep, or too much.
    """
    models: list[ModelInfo] = []
    checkpoints: list[Path] = []
    for folder in Walk(notes=[] if notes is None else notes).folders(root):
        if ModelType.PYTORCH in kinds:
            inside = any(checkpoint in folder.path.parents for checkpoint in checkpoints)
            models.extend(pytorch_entries(folder, source, inside_model=inside))
            if is_checkpoint(folder):
                checkpoints.append(folder.path)
        if ModelType.GGUF in kinds:
            files = [path for path in folder.files if path.suffix.lower() == ".gguf"]
            models.extend(gguf_entry(parts, source) for parts in group_parts(files))
    return models
