"""Which weights exactly: a hash of a model's files, so that a recorded run names them beyond doubt."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from multi_llm_comparator.core.models import ModelInfo

MAX_REMEMBERED = 256

# Hashing reads every byte: once per state of the files is enough.
_known: dict[tuple[tuple[str, int, int], ...], str] = {}
_lock = threading.Lock()


def fingerprint(info: ModelInfo) -> str | None:
    """``sha256:`` and the hash of a model's weights.

    Of a model in one file it is that file's own SHA-256, which model hubs show too; of several files the SHA-256 of
    their names and hashes, in the order of names. None when there is no file.

    Raises:
        OSError: a file cannot be read.
    """
    files = sorted(path for path in map(Path, info.config.get("files") or [info.path]) if path.is_file())
    if not files:
        return None
    state = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    with _lock:
        if state in _known:
            return _known[state]
    hashes = [_sha256(path) for path in files]
    found = hashes[0] if len(files) == 1 else _of_several(files, hashes)
    with _lock:
        if len(_known) >= MAX_REMEMBERED:
            _known.pop(next(iter(_known)))
        _known[state] = f"sha256:{found}"
    return f"sha256:{found}"


def _of_several(files: list[Path], hashes: list[str]) -> str:
    lines = "".join(f"{digest}  {path.name}\n" for path, digest in zip(files, hashes, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
