"""What tells one data set from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from multi_llm_comparator.training.data.files import find_files
from multi_llm_comparator.training.data.hub_data import fetched_here
from multi_llm_comparator.training.data.spec import DataSpec


def data_fingerprint(spec: DataSpec) -> str:
    """SHA-256 over names and contents of all files that ``spec`` reads.

    Raises:
        DocumentError: there are none, or one cannot be read.
    """
    found = hashlib.sha256()
    spec = fetched_here(spec)
    sources = [(spec.source, spec.files), *([(spec.split.path, ())] if spec.split.path else [])]
    for source, patterns in sources:
        files = find_files(Path(source).expanduser(), patterns)
        for file in files.files:
            found.update(files.name_of(file).encode("utf-8", "surrogateescape") + b"\0")
            with file.open("rb") as opened:
                found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()
