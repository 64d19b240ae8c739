"""Walking a folder that may be huge, deep, or linked in circles."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

MAX_DEPTH = 10
MAX_SEEN = 200_000
MAX_SCAN_S = 20.0
# Of one link that leads out of the folder: enough for somebody's large collection, not for a whole disk.
MAX_SEEN_OUTSIDE = 20_000
MAX_OUTSIDE_S = 5.0


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder with the files in it (whatever is no folder: also links to nowhere, FIFOs and devices)."""

    path: Path
    files: tuple[Path, ...]


class ScanBudget:
    """How much the scan of one place may still look at: entries of folders, and seconds; ``ended`` ends it at once."""

    def __init__(
        self, *, max_seen: int = MAX_SEEN, max_s: float = MAX_SCAN_S, ended: threading.Event | None = None
    ) -> None:
        self.max_seen, self.max_s = max_seen, max_s
        self.seen = 0
        self._until = monotonic() + max_s
        self._ended = ended or threading.Event()

    def spent(self) -> str | None:
        """Why nothing more may be looked at; None as long as something may."""
        if self._ended.is_set():
            return "the scan was ended"
        if self.seen >= self.max_seen:
            return f"more than {self.max_seen} files"
        return f"it took longer than {self.max_s:.0f} s" if monotonic() > self._until else None


@dataclass
class Walk:
    """One walk; ``notes`` says afterwards what was left out.

    Links to folders are followed, each folder is visited once, hidden folders never. Links that lead out of the root
    come last and have a budget of their own each, so that what lies in the root itself is found whatever they lead to;
    one that leads to a folder above the root is left out.
    """

    max_depth: int = MAX_DEPTH
    budget: ScanBudget = field(default_factory=ScanBudget)
    notes: list[str] = field(default_factory=list)
    _visited: set[tuple[int, int]] = field(default_factory=set)
    _outside: list[tuple[Path, int]] = field(default_factory=list)
    _told: set[int] = field(default_factory=set)
    _too_deep: list[Path] = field(default_factory=list)

    def folders(self, root: Path) -> Iterator[Folder]:
        """``root`` and all folders beneath it, parents first, in alphabetical order; what lies outside comes last."""
        yield from self._inside_and_outside(root)
        if self._too_deep:
            more = f" and {len(self._too_deep) - 1} more" if len(self._too_deep) > 1 else ""
            why = f"more than {self.max_depth} folders deep"
            self.notes.append(f"{str(self._too_deep[0])!r}{more} was not looked into further: {why}")

    def _inside_and_outside(self, root: Path) -> Iterator[Folder]:
        real = _resolved(root)
        yield from self._folders(root, 0, real, (self.budget,))
        while self._outside:
            link, depth = self._outside.pop(0)
            target = _resolved(link)
            if target is None or real is None or real.is_relative_to(target):
                self.notes.append(f"{str(link)!r} was left out: it leads to a folder that holds {str(root)!r} itself")
                continue
            if self._is_over(link, (self.budget,)):
                return
            own = ScanBudget(max_seen=MAX_SEEN_OUTSIDE, max_s=MAX_OUTSIDE_S)
            yield from self._folders(link, depth, target, (self.budget, own))

    def _folders(
        self, folder: Path, depth: int, inside: Path | None, budgets: tuple[ScanBudget, ...]
    ) -> Iterator[Folder]:
        """``inside`` is the real folder that links may lead to at once; others are put off."""
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self._visited:
                return
            self._visited.add((status.st_dev, status.st_ino))
            files, inner = self._entries(folder, budgets)
        except OSError as exc:
            self.notes.append(f"{str(folder)!r} was left out: {exc.strerror}")
            return
        yield Folder(folder, tuple(files))
        if inner and depth >= self.max_depth:
            self._too_deep.append(folder)
            return
        for place in inner:
            if place.is_symlink() and not _leads_inside(place, inside):
                self._outside.append((place, depth + 1))
            elif not self._is_over(place, budgets):
                yield from self._folders(place, depth + 1, inside, budgets)

    def _is_over(self, place: Path, budgets: tuple[ScanBudget, ...]) -> bool:
        """Whether a budget is spent, which is noted once, with where it was."""
        for budget in budgets:
            if why := budget.spent():
                if id(budget) not in self._told:
                    self._told.add(id(budget))
                    self.notes.append(f"{str(place)!r} and what follows it was left out: {why}")
                return True
        return False

    def _entries(self, root: Path, budgets: tuple[ScanBudget, ...]) -> tuple[list[Path], list[Path]]:
        files: list[Path] = []
        folders: list[Path] = []
        with os.scandir(root) as entries:
            for entry in entries:
                if self._is_over(root, budgets):
                    break
                for budget in budgets:
                    budget.seen += 1
                if not _is_folder(entry):
                    files.append(root / entry.name)
                elif not entry.name.startswith("."):
                    folders.append(root / entry.name)
        return sorted(files), sorted(folders)


def _leads_inside(link: Path, inside: Path | None) -> bool:
    target = _resolved(link)
    return target is not None and inside is not None and target.is_relative_to(inside) and target != inside


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
