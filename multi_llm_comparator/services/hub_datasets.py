"""Data sets of the Hugging Face Hub: their data files, fetched once, into a folder of the home."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.private_files import make_private_folder
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.services.hub import SPARE_BYTES, HubClient
from multi_llm_comparator.services.hub_files import is_plain, repository_id

DATASETS = "datasets"
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
MAX_FILES = 1_000
MAX_BYTES = 64 * 2**30
_DONE = ".complete"
WAIT_S = 0.2
# It becomes the name of a folder, and comes from whoever answers, or from who names a data set.
_COMMIT = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set by its name, and the revision that is wanted (None for the newest)."""

    repo_id: str
    revision: str | None = None


def named(text: str) -> HubDataset:
    """``owner/name`` or ``owner/name@revision``, with or without ``hf:`` before it.

    Raises:
        DownloadError: it is no such name.
    """
    name, _, revision = text.removeprefix("hf:").partition("@")
    return HubDataset(repository_id(name.removeprefix("datasets/")), revision or None)


def name_of(place: Path) -> str:
    """What data at a place is called: what was fetched there by its name on the Hub, else as the file or folder is."""
    is_fetched = place.parent.parent.name == DATASETS and _COMMIT.fullmatch(place.name) is not None
    return place.parent.name.replace("--", "/", 1) if is_fetched else place.name


async def fetch_dataset(
    client: HubClient,
    wanted: HubDataset,
    home: Path,
    *,
    patterns: Sequence[str] = (),
    on_progress: Callable[[int, int], None] = lambda done_bytes, total_bytes: None,
) -> Path:
    """The folder with the data files of a data set, at one commit. What is there already is not fetched again, and
    what another process is fetching is waited for.

    Args:
        client: asks the Hub.
        wanted: the data set. A revision that is a whole commit, fetched before, needs no network.
        home: the workbench's home; files come to ``datasets/owner--name/commit``.
        patterns: such as ``data/train-*``: which files; none for all data files.
        on_progress: told how much has arrived.

    Raises:
        DownloadError: no such data set, no access, not reachable, no data files in it, or too little room.
    """
    place = home / DATASETS / wanted.repo_id.replace("/", "--")
    known = wanted.revision or ""
    if _COMMIT.fullmatch(known) and (place / known / _DONE).exists() and not patterns:
        return place / known
    request = {"op": "look_up", "repo_type": "dataset", "repo_id": wanted.repo_id, "revision": wanted.revision}
    answer = await client.ask_soon(request)
    files, commit = _data_files(wanted, answer["files"], patterns), str(answer["commit"])
    if not _COMMIT.fullmatch(commit):
        raise DownloadError(f"the Hub calls the commit of {wanted.repo_id!r} {commit[:80]!r}, which is none")
    folder = place / commit
    async with _alone(folder):
        missing = [file for file in files if not (folder / file["name"]).is_file()]
        total = sum(file["size_bytes"] for file in missing)
        if total + SPARE_BYTES > shutil.disk_usage(folder).free:
            raise DownloadError(f"{wanted.repo_id!r} needs {size(total)} of disk; free some space, or name files")
        if missing:
            wish = {"op": "download", "repo_type": "dataset", "repo_id": wanted.repo_id, "commit": commit}
            download = {**wish, "folder": str(folder.resolve()), "files": missing}
            await client.ask(download, lambda told: on_progress(int(told["done_bytes"]), total))
        if not patterns:
            (folder / _DONE).touch()
    return folder


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """A folder that is made, and in which nobody else fetches, in no other process either; who does is waited for. One
    that was killed holds nobody up.

    Raises:
        DownloadError: it cannot be written.
    """
    # It stays: whoever waits for a file that is gone would wait for another one than who comes later.
    lock = FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0, mode=0o600, thread_local=False)
    try:
        make_private_folder(folder)
        while not lock.is_locked:
            try:
                lock.acquire()
            except Timeout:
                await asyncio.sleep(WAIT_S)
    except (OSError, NotImplementedError) as exc:
        raise DownloadError(f"{str(folder)!r} cannot be written: {exc}; check the folder") from exc
    try:
        yield
    finally:
        lock.release()


def _data_files(wanted: HubDataset, listed: Sequence[dict[str, Any]], patterns: Sequence[str]) -> list[dict[str, Any]]:
    files = [
        {"name": file["name"], "size_bytes": file["size_bytes"], "sha256": file["sha256"]}
        for file in listed
        if isinstance(file["name"], str)
        and is_plain(file["name"])
        and isinstance(file["size_bytes"], int)
        and PurePosixPath(file["name"]).suffix.lower() in ENDINGS
        and (not patterns or any(fnmatch(file["name"], pattern) for pattern in patterns))
    ]
    if not files:
        raise DownloadError(f"{wanted.repo_id!r} has no data files ({', '.join(ENDINGS)}) of the names that are wanted")
    if len(files) > MAX_FILES or sum(file["size_bytes"] for file in files) > MAX_BYTES:
        raise DownloadError(
            f"{wanted.repo_id!r} has {len(files):,} data files, too many or too large; name some: 'data/train-*'"
        )
    return files
