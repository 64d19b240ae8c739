"""What identifies a model's files in an export, so that a run can be repeated on the same weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.scan.entry import FileStamp, stamps
from multi_llm_comparator.services.scan.reading import open_regular

WHOLE_BYTES = 256 * 2**20
SAMPLES = 64
SAMPLE_BYTES = 2**20
# Beside the weights, what decides on a checkpoint's text.
_COMPANIONS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
)


def model_fingerprint(info: ModelInfo) -> str:
    """``sha256:...`` over all files of a model of up to 256 MiB, else ``sha256-sampled:...``.

    Sampled means: size, first and last MiB, and 62 more MiB evenly spread over each weights file. It tells models,
    quantizations and truncated files apart; it would not notice a few bytes changed in between. Names are hashed with
    the content. A result is kept as long as sizes and times of the files stay.

    Raises:
        ModelLoadError: a file cannot be read.
    """
    return _fingerprint(model_stamps(info))


def model_stamps(info: ModelInfo) -> tuple[FileStamp, ...]:
    """The files that decide on a model's text, as they are now."""
    files = [Path(path) for path in info.config.get("files") or [info.path]]
    folder = Path(info.path)
    if info.base is not None:
        return (*model_stamps(info.base), *stamps(sorted(files)))
    if folder.is_dir():
        files += [folder / name for name in _COMPANIONS if (folder / name).is_file()]
    return stamps(sorted(files))


@lru_cache(maxsize=256)
def _fingerprint(marks: Sequence[FileStamp]) -> str:
    is_whole = sum(mark.size for mark in marks) <= WHOLE_BYTES
    digest = hashlib.sha256()
    for mark in marks:
        path = Path(mark.path)
        digest.update(f"{path.name}\0{mark.size}\0".encode("utf-8", "surrogateescape"))
        with open_regular(path) as file:
            inner = hashlib.file_digest(file, "sha256") if is_whole else _sampled(file, mark.size)
        digest.update(inner.digest())
    return f"sha256{'' if is_whole else '-sampled'}:{digest.hexdigest()}"


def _sampled(file: BinaryIO, size: int) -> hashlib._Hash:
    digest = hashlib.sha256()
    last = max(0, size - SAMPLE_BYTES)
    for offset in sorted({last * i // (SAMPLES - 1) for i in range(SAMPLES)}):
        file.seek(offset)
        digest.update(file.read(SAMPLE_BYTES))
    return digest
