"""Downloading models from the Hugging Face Hub, with progress, cancel and resume.

The work is done in a child process (:mod:`services.hub_worker`), so that cancelling is ending it. Files gather in a
hidden folder that no scan looks into and move to where models are found only when all are there and checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.core.private_files import make_model_folder, umask_for_models
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.telemetry import SWITCHED_OFF
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.background import BackgroundProgress, BackgroundTask, BackgroundTasks
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.hub_files import (
    HubChoice,
    HubHit,
    HubListing,
    RemoteFile,
    destinations,
    read_hits,
    read_listing,
    repository_id,
)

__all__ = ["DownloadProgress", "HubChoice", "HubClient", "HubDownload", "HubHit", "HubListing", "RemoteFile"]

STAGING = ".downloads"
# The only child that is given a key of the user's: gated models need it.
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")
LOOK_UP_TIMEOUT_S = 120.0
MAX_LINE_BYTES = 16 * 2**20
MAX_HITS, MAX_WORDS_CHARS = 25, 120
# Left free on the disk beyond the model itself.
SPARE_BYTES = 200 * 10**6
SPEED_WINDOW_S = 10.0
# The Hub serves larger files only through a protocol of its own.
LARGEST_FILE_BYTES = 50 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress(BackgroundProgress):
    """How far a download is. Speed is over the last ten seconds; None means not known."""

    done_bytes: int = 0
    total_bytes: int
    file: str = ""
    bytes_per_second: float | None = None
    path: Path | None = None

    @property
    def eta_s(self) -> float | None:
        """Seconds still to go at this speed."""
        if not self.bytes_per_second or self.state != "running":
            return None
        return (self.total_bytes - self.done_bytes) / self.bytes_per_second


class HubDownload(BackgroundTask[DownloadProgress]):
    """One download. What has arrived of one that was cancelled is kept, and starting it again goes on from there."""

    def __init__(self, client: HubClient, listing: HubListing, choice: HubChoice) -> None:
        progress = DownloadProgress(state="running", total_bytes=choice.size_bytes)
        super().__init__(f"the download of {listing.repo_id!r}", progress, DownloadError)
        self.listing, self.choice, self._client = listing, choice, client
        self._seen: deque[tuple[float, int]] = deque(maxlen=200)

    async def work(self) -> dict[str, Any]:
        path = await self._client.download(self.listing, self.choice, self._told)
        return {"done_bytes": self.progress.total_bytes, "path": path}

    def _told(self, message: dict[str, Any]) -> None:
        done = min(int(message["done_bytes"]), self.progress.total_bytes)
        self._seen.append((now(), done))
        while self._seen[-1][0] - self._seen[0][0] > SPEED_WINDOW_S:
            self._seen.popleft()
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        speed = (last - first) / (last_at - first_at) if last_at > first_at and last > first else None
        self.note(
            state="checking" if message["state"] == "checking" else "running",
            done_bytes=done,
            file=message["file"] or self.progress.file,
            bytes_per_second=speed,
        )


class HubClient(BackgroundTasks[HubDownload]):
    """Looks models up and downloads them into a models folder. Its coroutines belong to one event loop.

    Args:
        models_dir: the folder with ``pytorch/`` and ``gguf/``.
        endpoint: address of the Hub or of a mirror; None means ``HF_ENDPOINT``, else the Hub itself. A token is taken
            from where huggingface_hub keeps it (``HF_TOKEN`` or its login).
    """

    def __init__(self, models_dir: str | Path, *, endpoint: str | None = None) -> None:
        super().__init__()
        self.models_dir = Path(models_dir)
        self.endpoint = endpoint

    async def search(self, words: str, *, only_gguf: bool = False) -> tuple[HubHit, ...]:
        """Find repositories of models that write text by words in their names, the most downloaded first.

        Raises:
            DownloadError: no words, or what the Hub or the network says.
        """
        wanted = " ".join(words.split())[:MAX_WORDS_CHARS]
        if not wanted:
            raise DownloadError("write a word or two to search for, such as a model's name")
        request = {"op": "search", "words": wanted, "only_gguf": only_gguf, "limit": MAX_HITS}
        return read_hits(await self.ask_soon(request))

    async def look_up(self, name: str, revision: str | None = None) -> HubListing:
        """List what a repository offers.

        Args:
            name: ``owner/name``, or the address of its page.
            revision: a branch, tag or commit; None means the main branch.

        Raises:
            DownloadError: no such repository, no access, not reachable, or nothing in it that can be run.
        """
        repo_id = repository_id(name)
        return read_listing(repo_id, await self.ask_soon({"op": "look_up", "repo_id": repo_id, "revision": revision}))

    async def ask_soon(self, request: dict[str, Any]) -> dict[str, Any]:
        """As :meth:`ask`, for what the Hub has to answer within a while."""
        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S):
                return await self.ask(request)
        except TimeoutError:
            raise DownloadError(f"the Hub did not answer within {LOOK_UP_TIMEOUT_S:g} s; try again") from None

    def start(self, listing: HubListing, choice: HubChoice) -> HubDownload:
        """Begin a download in the background (call it on the event loop) and keep it in :attr:`jobs`.

        Raises:
            DownloadError: the same one is running.
            NotAllowedError: the caller is no admin.
        """
        refuse_workspaces("download models")
        places = set(destinations(self.models_dir, listing.repo_id, choice).values())
        for other in self.running:
            if places & set(destinations(self.models_dir, other.listing.repo_id, other.choice).values()):
                raise DownloadError(f"{choice.title!r} is being downloaded already")
        return self.begin(HubDownload(self, listing, choice))

    async def download(
        self, listing: HubListing, choice: HubChoice, on_progress: Callable[[dict[str, Any]], None]
    ) -> Path:
        """Fetch a choice and put it where scans find it; returns the model's path.

        Raises:
            DownloadError: it is there already, does not fit on the disk, or what the Hub or the network says.
        """
        places = destinations(self.models_dir, listing.repo_id, choice)
        model = next(iter(places.values()))
        model = model.parent if choice.kind is ModelType.PYTORCH else model
        taken = next((path for path in (model, *places.values()) if path.exists()), None)
        if taken is not None:
            raise DownloadError(f"{str(taken)!r} is there already; delete or rename it first")
        huge = next((file.name for file in choice.files if file.size_bytes > LARGEST_FILE_BYTES), None)
        if huge is not None:
            raise DownloadError(f"{huge!r} is larger than 50 GB; fetch it with 'hf download' and scan its folder")
        staging = self._staging(listing, choice)
        try:
            make_model_folder(staging)
            _check_disk(staging, choice)
        except OSError as exc:
            raise DownloadError(f"{str(staging)!r} cannot be written: {exc.strerror}; check the folder") from exc
        with _alone(staging, choice):
            await self._fetch(listing, choice, staging, on_progress)
            _settle(staging, places, model)
        return model

    async def _fetch(
        self, listing: HubListing, choice: HubChoice, staging: Path, on_progress: Callable[[dict[str, Any]], None]
    ) -> None:
        request = {
            "op": "download",
            "repo_id": listing.repo_id,
            "commit": listing.commit,
            "folder": str(staging.resolve()),
            "files": [asdict(file) for file in choice.files],
        }
        await self.ask(request, on_progress)

    def _staging(self, listing: HubListing, choice: HubChoice) -> Path:
        """Where partial files wait; the same choice at the same commit finds them again."""
        what = json.dumps([listing.repo_id, listing.commit, [file.name for file in choice.files]])
        return self.models_dir / STAGING / hashlib.sha256(what.encode()).hexdigest()[:16]

    async def ask(
        self, request: dict[str, Any], on_progress: Callable[[dict[str, Any]], None] = lambda told: None
    ) -> dict[str, Any]:
        """What comes of a request of :mod:`services.hub_worker`, in a child process; cancelling ends it.

        Raises:
            DownloadError: what the Hub or the network says.
        """
        child = await _spawn()
        try:
            found = await child.ask({**request, "endpoint": self.endpoint}, on_progress=on_progress)
        finally:
            await child.end()
        if found is None:
            asked = request.get("repo_id") or request.get("words")
            raise DownloadError(f"the download of {asked!r} ended unexpectedly; try again")
        return found


@contextlib.contextmanager
def _alone(staging: Path, choice: HubChoice) -> Iterator[None]:
    """Nobody else fetches the same into the same place. Raises DownloadError: another program does so already."""
    lock = FileLock(staging.with_name(f"{staging.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DownloadError(f"{choice.title!r} is being downloaded by another program already") from None
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _check_disk(staging: Path, choice: HubChoice) -> None:
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    needed = max(0, choice.size_bytes - there) + SPARE_BYTES
    free = shutil.disk_usage(staging).free
    if needed > free:
        raise DownloadError(
            f"{choice.title!r} needs {size(needed)} of disk, of which {size(free)} are free; "
            "free some space, or choose a smaller one"
        )


def _settle(staging: Path, places: dict[str, Path], model: Path) -> None:
    """Move finished files to where scans find them; a checkpoint's folder appears in one step."""
    try:
        make_model_folder(model.parent)
        if all(model in place.parents for place in places.values()):
            staging.replace(model)
            return
        for name, place in places.items():
            (staging / name).replace(place)
        shutil.rmtree(staging)
    except OSError as exc:
        raise DownloadError(f"{str(model)!r} could not be put in place: {exc.strerror}; check the folder") from exc


async def _spawn() -> AskedProcess:
    return await AskedProcess.start(
        "multi_llm_comparator.services.hub_worker",
        max_line_bytes=MAX_LINE_BYTES,
        environment=child_environment(SWITCHED_OFF, keep=HUB_TOKENS, goes_online=True),
        umask=umask_for_models(),
    )
