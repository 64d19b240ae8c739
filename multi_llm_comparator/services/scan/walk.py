"""Walking a folder that may be huge, deep, or linked in circles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_DEPTH = 10
MAX_SEEN = 200_000


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder with the files in it (whatever is no folder: also links to nowhere, FIFOs and devices)."""

    path: Path
    files: tuple[Path, ...]


@dataclass
class Walk:
    """One walk; ``notes`` says afterwards what was left out.

    Links to folders are followed, each folder is visited once, hidden folders never.
    """

    max_depth: int = MAX_DEPTH
    max_seen: int = MAX_SEEN
    notes: list[str] = field(default_factory=list)
    _seen: int = 0
    _visited: set[tuple[int, int]] = field(default_factory=set)

    def folders(self, root: Path, depth: int = 0) -> Iterator[Folder]:
        """``root`` and all folders beneath it, parents first, in alphabetical order."""
        try:
            status = root.stat()
            if (status.st_dev, status.st_ino) in self._visited:
                return
            self._visited.add((status.st_dev, status.st_ino))
            files, inner = self._entries(root)
        except OSError as exc:
            self.notes.append(f"{str(root)!r} was left out: {exc.strerror}")
            return
        yield Folder(root, tuple(files))
        if inner and depth >= self.max_depth:
            self.notes.append(f"{str(root)!r} was not looked into further: more than {self.max_depth} folders deep")
            return
        for folder in inner:
            yield from self.folders(folder, depth + 1)

    def _entries(self, root: Path) -> tuple[list[Path], list[Path]]:
        files: list[Path] = []
        folders: list[Path] = []
        with os.scandir(root) as entries:
            for entry in entries:
                if self._seen >= self.max_seen:
                    self.notes.append(f"{str(root)!r} was not read to its end: more than {self.max_seen} files")
                    break
                self._seen += 1
                if not _is_folder(entry):
                    files.append(root / entry.name)
                elif not entry.name.startswith("."):
                    folders.append(root / entry.name)
        return sorted(files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
