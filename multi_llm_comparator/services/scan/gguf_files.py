"""GGUF files as models: one model per file, or per set of split files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.entry import FileStamp, model_entry, stamps
from multi_llm_comparator.services.scan.fields import whole
from multi_llm_comparator.services.scan.gguf_header import GgufHeader, read_gguf_header
from multi_llm_comparator.services.scan.gguf_model import describe_gguf
from multi_llm_comparator.services.scan.reading import HeaderRoom

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})$")
MAX_PARTS = 1_000


@dataclass(frozen=True, slots=True)
class GgufSet:
    """The files of one model; ``count`` is how many there should be."""

    name: str
    parts: tuple[Path, ...]
    count: int

    @property
    def problem(self) -> str | None:
        """What is missing from a split model."""
        if self.count == 1 and len(self.parts) == 1:
            return None
        if not 1 <= self.count <= MAX_PARTS:
            return f"its name says it has {self.count} parts; between 1 and {MAX_PARTS} are supported"
        present = {path.stem for path in self.parts}
        expected = [f"{self.name}-{i:05d}-of-{self.count:05d}" for i in range(1, self.count + 1)]
        missing = [f"{stem}.gguf" for stem in expected if stem not in present]
        if not missing:
            return None
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return f"{len(missing)} of {self.count} parts missing: {', '.join(missing[:3])}{more}; fetch them too"


def group_parts(files: Iterable[Path]) -> list[GgufSet]:
    """Bring the parts of split models together; the files are of one folder."""
    sets: dict[tuple[str, int], list[Path]] = {}
    for path in sorted(files):
        match = _SPLIT.match(path.stem)
        key = (match["stem"], int(match["count"])) if match else (path.stem, -1)
        sets.setdefault(key, []).append(path)
    return [GgufSet(name, tuple(parts), abs(count)) for (name, count), parts in sets.items()]


def gguf_entry(files: GgufSet, source: str) -> ModelInfo:
    """List one model, whatever state it is in."""
    marks = stamps(files.parts)
    config = dict(_describe(marks))
    if files.problem:
        config["problem"] = files.problem
    return model_entry(
        files.name,
        files.parts[0],
        ModelType.GGUF,
        size=sum(mark.size for mark in marks),
        config={**config, "source": source, "files": [str(part) for part in files.parts]},
    )


@lru_cache(maxsize=4096)
def _describe(marks: Sequence[FileStamp]) -> dict[str, Any]:
    """Read all parts; a file is read again only when its size or time has changed."""
    try:
        headers = _read_headers(marks)
        config = describe_gguf(headers)
    except ModelLoadError as exc:
        return {"file_format": "GGUF", "problem": str(exc)}
    declared = whole(headers[0].metadata, "split.count")
    if declared is not None and declared > 1 and len(marks) == 1:
        config["problem"] = f"one of {declared} parts, renamed; give the parts their original names"
    return config


def _read_headers(marks: Sequence[FileStamp]) -> list[GgufHeader]:
    headers, room = [], HeaderRoom()
    for mark in marks:
        header = read_gguf_header(Path(mark.path))
        room.take(tensors=len(header.tensors), size_bytes=header.data_offset)
        headers.append(header)
    return headers
