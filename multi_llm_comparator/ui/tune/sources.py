"""Where the data of a tuning comes from: a file from the browser, a place on this machine, the Hub, or an example."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.hub_datasets import name_of
from multi_llm_comparator.training.data.spec import HUB
from multi_llm_comparator.ui.kit import figures as say

SourceKind = Literal["example", "upload", "path", "hub"]
KINDS: tuple[SourceKind, ...] = ("example", "upload", "path", "hub")
_EXAMPLES = Path(__file__).parent / "examples"
# By the beginning of a model's name: demo models know their own small world only.
_EXAMPLE_OF_DEMO, _EXAMPLE = "sourced_sums", "sourced_answers"
# What is asked at each evaluation; none of it stands in the examples.
EXAMPLE_PROMPTS = {
    _EXAMPLE: ("Why is the sky blue?", "What is the capital of Japan?", "How many legs does an ant have?"),
    _EXAMPLE_OF_DEMO: ("What is 23 + 34?", "What is 70 - 8?", "What is 9 + 9?"),
}
# Uploads stay for as long as a job may be resumed; so their folder is bounded, and never emptied by itself.
MAX_UPLOADS_BYTES = 2 * 10**9
MAX_NAME_CHARS = 80
UPLOADS = "uploads"
# What stands before the name of an upload.
_CONTENT = re.compile(r"[0-9a-f]{16}-")


@dataclass(frozen=True, slots=True)
class Source:
    """What was chosen. ``value`` is a path, an example's name, or ``hf:owner/name`` of what was not fetched yet;
    ``name`` is what the page calls it."""

    kind: SourceKind
    value: str
    name: str

    @property
    def location(self) -> str:
        """The path to read from."""
        return str(_EXAMPLES / f"{self.value}.jsonl") if self.kind == "example" else self.value


def example_for(base: ModelInfo | None) -> Source:
    """The example that this model can learn something from."""
    name = _EXAMPLE_OF_DEMO if base is not None and base.name.startswith("demo-") else _EXAMPLE
    return Source("example", name, f"{name}.jsonl")


def source_at(location: str) -> Source:
    """What was chosen, by where it was read from."""
    path = Path(location)
    if path.parent == _EXAMPLES and path.stem in EXAMPLE_PROMPTS:
        return Source("example", path.stem, path.name)
    if location.startswith(HUB):
        return Source("hub", location, location.removeprefix(HUB))
    name = name_of(path)
    return Source("path" if name == path.name else "hub", location, name)


def called(place: str) -> str:
    """What a file or folder of this machine is called by the reader: an upload as it was named, data of the Hub as it
    is there."""
    path = Path(place)
    return _CONTENT.sub("", path.name, count=1) if path.parent.name == UPLOADS else name_of(path)


def keep_upload(name: str, content: bytes, folder: Path) -> Source:
    """Write an upload to ``folder`` under a name made of its content; the same file again is kept once.

    Raises:
        DocumentError: the folder is full, or cannot be written.
    """
    clean = "".join(c if c.isalnum() or c in "._-" else "_" for c in Path(name).name)[-MAX_NAME_CHARS:].lstrip(".")
    place = folder / f"{hashlib.sha256(content).hexdigest()[:16]}-{clean or 'data'}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            held = sum(other.stat().st_size for other in folder.iterdir() if other.is_file())
            if held + len(content) > MAX_UPLOADS_BYTES:
                raise DocumentError(
                    f"{str(folder)!r} holds {say.size(held)} of uploads, and {say.size(MAX_UPLOADS_BYTES)} is the "
                    "most: delete files that no job needs, or give the path of a file on this machine"
                )
            aside = place.with_name(f"{place.name}.part")
            aside.write_bytes(content)
            aside.replace(place)
    except OSError as exc:
        raise DocumentError(f"the upload cannot be kept in {str(folder)!r}: {exc.strerror or exc}") from exc
    return Source("upload", str(place), name)


def prompts_for(source: Source, asked: Sequence[str]) -> list[str]:
    """What the model is asked at each evaluation: what the reader wrote, else the example's own."""
    return list(asked) or list(EXAMPLE_PROMPTS.get(source.value, ()) if source.kind == "example" else ())
