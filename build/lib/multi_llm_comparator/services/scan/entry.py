"""One line of the list of models, and when it must be read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.models import ModelInfo, ModelType


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it was when looked at; an equal stamp means that it need not be read again."""

    path: str
    size: int
    mtime_ns: int


def stamps(files: Iterable[Path]) -> tuple[FileStamp, ...]:
    """Stamp files without opening them; one that cannot be looked at has size 0 and time 0."""
    return tuple(_stamp(path) for path in files)


def _stamp(path: Path) -> FileStamp:
    try:
        status = path.stat()
    except OSError:
        return FileStamp(str(path), 0, 0)
    return FileStamp(str(path), status.st_size, status.st_mtime_ns)


def model_entry(name: str, path: Path, model_type: ModelType, *, size: int, config: dict[str, Any]) -> ModelInfo:
    """Build the entry; names that are not UTF-8 are shown as well as they can be, and marked."""
    shown = str(path).encode("utf-8", "replace").decode()
    if shown != str(path):
        config = {**config, "problem": "its name is not valid UTF-8; rename it", "files": []}
    return ModelInfo("", name.encode("utf-8", "replace").decode(), shown, model_type, size, config)
