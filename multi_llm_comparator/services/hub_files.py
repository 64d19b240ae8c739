"""What can be downloaded from a repository of the Hub, and where it goes.

File names come from whoever made the repository: only plain relative ones are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.services.scan.gguf_files import GgufSet, group_parts

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REPOSITORY = re.compile(rf"(?:{_PART}/)?{_PART}")
_PAGE = re.compile(r"https?://[^/]+/(?P<id>[^?#]+)")
_PLAIN_PART = re.compile(r"(?!\.)[^\x00-\x1f\ud800-\udfff\\/:*?\"<>|]{1,200}(?<![. ])")
# Most file systems take 255 bytes; ``.part`` is added while a file arrives.
_MAX_PART_BYTES = 240
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
# Beside the weights, what a checkpoint needs to be run.
_COMPANIONS = re.compile(r".*\.(json|txt|model|jinja|tiktoken)|README\.md|LICENSE.*")
_SAFETENSORS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_PICKLED = re.compile(r"pytorch_model(-\d{5}-of-\d{5})?\.bin")
_MAX_FILE_BYTES = 2**50


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository; ``sha256`` is known for the large ones."""

    name: str
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class HubChoice:
    """One model that a repository offers: a GGUF file (or its parts), or the checkpoint."""

    title: str
    kind: ModelType
    files: tuple[RemoteFile, ...]
    is_pickle: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class HubHit:
    """A repository that a search found. ``updated_at`` in seconds since the epoch; None means not known."""

    repo_id: str
    downloads: int | None = None
    likes: int | None = None
    licence: str = ""
    has_gguf: bool = False
    is_gated: bool = False
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class HubListing:
    """What a repository offers at one commit. ``notes`` says what was left out, and why."""

    repo_id: str
    commit: str
    choices: tuple[HubChoice, ...]
    notes: tuple[str, ...] = ()


def repository_id(text: str) -> str:
    """The repository named by ``owner/name``, or by the address of its page.

    Raises:
        DownloadError: neither of these.
    """
    wanted = text.strip().rstrip("/")
    page = _PAGE.fullmatch(wanted)
    if page:
        wanted = "/".join(page["id"].split("/")[:2])
    if not _REPOSITORY.fullmatch(wanted) or "--" in wanted or ".." in wanted:
        raise DownloadError(f"{text!r} is not the name of a model on the Hub; write it as 'owner/name'")
    return wanted


def read_hits(answer: dict[str, Any]) -> tuple[HubHit, ...]:
    """What a search found; what is no name of a repository is left out."""
    found = []
    for hit in answer["hits"]:
        try:
            repository_id(str(hit["repo_id"]))
        except DownloadError:
            continue
        found.append(HubHit(**{**hit, "licence": str(hit["licence"])[:60]}))
    return tuple(found)


def is_plain(name: str) -> bool:
    """Whether a file name stays inside the folder it is put into, on every system."""
    return len(name) <= 400 and all(_is_plain_part(part) for part in name.split("/"))


def _is_plain_part(part: str) -> bool:
    if not _PLAIN_PART.fullmatch(part) or _RESERVED.match(part):
        return False
    return len(part.encode()) <= _MAX_PART_BYTES


def read_listing(repo_id: str, answer: dict[str, Any]) -> HubListing:
    """Sort a repository's files into what can be chosen.

    Raises:
        DownloadError: nothing in it can be run here.
    """
    files: list[RemoteFile] = []
    notes: list[str] = []
    for entry in answer["files"]:
        name, size, sha256 = entry["name"], entry["size_bytes"], entry["sha256"]
        if not isinstance(name, str) or (not is_plain(name) and not PurePosixPath(name).name.startswith(".")):
            notes.append(f"left out {str(name)[:80]!r}: not a safe file name")
        elif is_plain(name) and isinstance(size, int) and 0 <= size < _MAX_FILE_BYTES:
            files.append(RemoteFile(name, size, sha256))
    choices = (*_checkpoints(repo_id, files), *_ggufs(files))
    if not choices:
        raise DownloadError(f"{repo_id!r} has neither a GGUF file nor a transformers checkpoint; choose another model")
    return HubListing(repo_id, str(answer["commit"]), choices, tuple(notes[:20]))


def _checkpoints(repo_id: str, files: Sequence[RemoteFile]) -> list[HubChoice]:
    top = {file.name: file for file in files if "/" not in file.name}
    if "config.json" not in top:
        return []
    companions = [f for f in top.values() if _COMPANIONS.fullmatch(f.name) and not f.name.endswith(".index.json")]
    name = PurePosixPath(repo_id).name
    found = []
    for pattern, index, is_pickle in (
        (_SAFETENSORS, "model.safetensors.index.json", False),
        (_PICKLED, "pytorch_model.bin.index.json", True),
    ):
        weights = [file for file in top.values() if pattern.fullmatch(file.name)]
        if weights:
            parts = (*companions, *([top[index]] if index in top else []), *weights)
            found.append(HubChoice(name, ModelType.PYTORCH, parts, is_pickle))
    return found


def _ggufs(files: Iterable[RemoteFile]) -> list[HubChoice]:
    by_path = {Path(file.name): file for file in files if file.name.lower().endswith(".gguf")}
    folders = sorted({path.parent for path in by_path})
    sets = [found for folder in folders for found in group_parts(p for p in by_path if p.parent == folder)]
    return [
        HubChoice(found.name, ModelType.GGUF, (*(by_path[part] for part in found.parts), *_vision_part(found, by_path)))
        for found in sets
        if found.problem is None and not _is_vision_part(found.name)
    ]


def _vision_part(model: GgufSet, by_path: Mapping[Path, RemoteFile]) -> list[RemoteFile]:
    """What a model that sees needs beside its own file: of the repository's vision parts the smallest, of those in the
    model's own folder first."""
    parts = [path for path in by_path if _is_vision_part(path.name)]
    beside = [path for path in parts if path.parent == model.parts[0].parent] or parts
    return sorted((by_path[path] for path in beside), key=lambda file: (file.size_bytes, file.name))[:1]


def _is_vision_part(name: str) -> bool:
    return PurePosixPath(name).name.lower().startswith("mmproj")


def destinations(models_dir: Path, repo_id: str, choice: HubChoice) -> dict[str, Path]:
    """Where each file of a choice ends up: ``pytorch/<name>/`` or ``gguf/``, a vision part under the model's name."""
    if choice.kind is ModelType.GGUF:
        own = f"mmproj-{choice.title}.gguf"
        names = {file.name: PurePosixPath(file.name).name for file in choice.files}
        return {path: models_dir / "gguf" / (own if _is_vision_part(name) else name) for path, name in names.items()}
    folder = models_dir / "pytorch" / PurePosixPath(repo_id).name
    return {file.name: folder / file.name for file in choice.files}
