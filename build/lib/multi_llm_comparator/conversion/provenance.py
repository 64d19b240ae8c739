"""What a converted model was made from: written into it, so that a copy tells it too.

A GGUF file holds it as metadata, a checkpoint folder in ``conversion.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_source import GgufSource, gguf_parts
from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.fields import text
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header
from multi_llm_comparator.services.scan.gguf_model import check_tensors
from multi_llm_comparator.services.scan.origin import NAME_KEY, NOTES_FILE, SOURCE_KEY, THROUGH_KEY
from multi_llm_comparator.services.scan.reading import open_regular

# Raised when the same source would become something else: what was made before is then out of date.
CONVERSION_VERSION = 2
# What llama.cpp takes as a text when it sets metadata, its end included.
MAX_VALUE_BYTES = 127


@dataclass(frozen=True, slots=True)
class Origin:
    """What a model was made from.

    ``source`` is the fingerprint (:func:`source_fingerprint`), ``name`` that of the file or folder, and ``through`` the
    types that the weights went through before, in order: ``"Q4_1, BF16"``. What the narrowest of them lost stays lost.
    """

    source: str
    name: str
    through: str

    def metadata(self) -> dict[str, str]:
        """As keys and values of a GGUF file."""
        values = {SOURCE_KEY: self.source, NAME_KEY: self.name, THROUGH_KEY: self.through}
        return {key: _cut(value) for key, value in values.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Origin | None:
        source = text(metadata, SOURCE_KEY)
        return cls(source, text(metadata, NAME_KEY) or "", text(metadata, THROUGH_KEY) or "") if source else None


def source_fingerprint(source: Path) -> str:
    """What :func:`converted_from` gives for a model made from this very one by this version of the conversion.

    Args:
        source: a checkpoint folder, or a GGUF file.

    Raises:
        ModelLoadError: it is neither.
    """
    digest = CheckpointFiles(source).fingerprint() if source.is_dir() else _digest(gguf_parts(source))
    return f"{CONVERSION_VERSION}:{digest}"


def origin_of_gguf(source: GgufSource) -> Origin:
    """The origin of what is made from a GGUF file."""
    before = Origin.from_metadata(source.metadata)
    through = [before.through] if before and before.through else []
    fingerprint = f"{CONVERSION_VERSION}:{_digest(source.parts)}"
    return Origin(fingerprint, source.path.name, ", ".join([*through, source.quantization]))


def origin_of_checkpoint(files: CheckpointFiles, type_name: str) -> Origin:
    """The origin of what is made from a checkpoint folder whose weights are of ``type_name``."""
    before = text(files.json(NOTES_FILE), "through")
    fingerprint = f"{CONVERSION_VERSION}:{files.fingerprint()}"
    return Origin(fingerprint, files.folder.resolve().name, ", ".join([before, type_name] if before else [type_name]))


def converted_from(model: Path) -> str | None:
    """The fingerprint of what a GGUF file or checkpoint folder was converted from.

    None if it has none, or is not whole.
    """
    origin = origin_of(model)
    return origin.source if origin else None


def origin_of(model: Path) -> Origin | None:
    """As :func:`read_origin`, and None also for what is damaged or no model of these kinds."""
    try:
        return read_origin(model)
    except (OSError, ModelLoadError):
        return None


def read_origin(model: Path) -> Origin | None:
    """What a GGUF file or a checkpoint folder was converted from, None if it is an original.

    Raises:
        ModelLoadError: it is damaged.
    """
    if model.is_dir():
        notes = CheckpointFiles(model).json(NOTES_FILE)
        source = text(notes, "source")
        return Origin(source, text(notes, "name") or "", text(notes, "through") or "") if source else None
    header = read_gguf_header(model)
    check_tensors(header)
    return Origin.from_metadata(header.metadata)


def write_origin(folder: Path, origin: Origin, more: Mapping[str, Any]) -> None:
    notes = {"source": origin.source, "name": origin.name, "through": origin.through, **more}
    (folder / NOTES_FILE).write_text(json.dumps(notes, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _digest(parts: tuple[Path, ...]) -> str:
    """SHA-256 of a file as ``sha256sum`` gives it; of several, that of their digests one after the other."""
    digests = []
    for part in parts:
        with open_regular(part) as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _cut(value: str) -> str:
    return value.encode()[:MAX_VALUE_BYTES].decode(errors="ignore")
