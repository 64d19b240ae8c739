"""The download process: talks to the Hub through huggingface_hub, which blocks; ended to cancel.

Started by :mod:`services.hub` with ``python -m``. One request comes as a line of JSON on standard input; lines of JSON
go back: ``progress`` while bytes arrive, then ``result`` or ``error``. What has arrived stays for the next try.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, constants, errors, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from multi_llm_comparator.core.bounded_http import IS_FILE, bound_listing
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.services.lines_to_app import TELL_EVERY_S, requests, tell

PIECE_BYTES = 2**18
TIMEOUT_S = 20.0
# Failed connections in a row, without a byte arriving, before it is given up.
TRIES = 4
# A hub that could list more would be describing something else than a model.
MAX_FILES = 10_000

log = logging.getLogger(__name__)


class Download:
    """Fetches files one after another into a folder, telling how far it is.

    huggingface_hub itself begins each file afresh in a new process, so the bytes are fetched here: a file grows as
    ``<name>.part`` and a later try asks the server for the rest only.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._folder = Path(request["folder"])
        self._finished = 0
        self._told_at = 0.0

    def run(self) -> None:
        for file in self._request["files"]:
            name, size, sha256 = file["name"], file["size_bytes"], file["sha256"]
            path = self._folder / name
            part = path.with_name(f"{path.name}.part")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                path.replace(part)
            try:
                self._fetch(name, part, size)
                self._tell("checking", name, self._finished + size, force=True)
                if part.stat().st_size != size or (sha256 is not None and _sha256(part) != sha256):
                    raise DamagedFileError(name)
            except DamagedFileError:
                # Removed, so that the next try fetches it afresh.
                part.unlink()
                raise
            part.replace(path)
            self._finished += size
        tell("result")

    def _fetch(self, name: str, part: Path, size: int) -> None:
        """Make ``part`` as long as the file is, over as many connections as it takes while bytes arrive."""
        part.touch()
        failures = 0
        # A server that begins each time from the start makes a file shorter again: that is no progress.
        most = have = part.stat().st_size
        while have < size:
            self._tell("running", name, self._finished + have, force=True)
            broken: Exception = DamagedFileError(name)
            try:
                self._stream(name, part, have, size)
            except httpx2.TransportError as exc:
                broken = exc
            have = part.stat().st_size
            if have < size:
                failures = 1 if have > most else failures + 1
                most = max(most, have)
                if failures > TRIES:
                    raise broken
                log.warning("%r: %r; going on from where it broke", name, broken)
                time.sleep(failures - 1)

    def _stream(self, name: str, part: Path, have: int, size: int) -> None:
        request = self._request
        url = hf_hub_url(
            request["repo_id"],
            name,
            repo_type=request.get("repo_type", "model"),
            revision=request["commit"],
            endpoint=request["endpoint"],
        )
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with get_session().stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S, extensions={IS_FILE: True}
        ) as response:
            hf_raise_for_status(response)
            if response.status_code != httpx2.codes.PARTIAL_CONTENT:
                have = 0
            # The first bytes of a connection are always told: it may stall right after them.
            self._told_at = -TELL_EVERY_S
            with part.open("ab" if have else "wb") as out:
                for piece in response.iter_bytes(PIECE_BYTES):
                    out.write(piece)
                    have += len(piece)
                    if have > size:
                        raise DamagedFileError(name)
                    self._tell("running", name, self._finished + have)

    def _tell(self, state: str, name: str, done_bytes: int, *, force: bool = False) -> None:
        if force or now() - self._told_at >= TELL_EVERY_S:
            self._told_at = now()
            tell("progress", state=state, file=name, done_bytes=done_bytes)


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class DamagedFileError(Exception):
    """A file that does not have the size or hash that the Hub declares."""


def look_up(request: dict[str, Any]) -> None:
    """Tell which files a repository has."""
    api = HfApi(endpoint=request["endpoint"])
    about = api.dataset_info if request.get("repo_type") == "dataset" else api.model_info
    info = about(request["repo_id"], revision=request["revision"], files_metadata=True)
    siblings = (info.siblings or [])[:MAX_FILES]
    files = [{"name": s.rfilename, "size_bytes": s.size, "sha256": s.lfs.sha256 if s.lfs else None} for s in siblings]
    tell("result", commit=info.sha, files=files, gated=bool(info.gated))


def search(request: dict[str, Any]) -> None:
    """Tell which repositories of models have these words, the most downloaded first."""
    api = HfApi(endpoint=request["endpoint"])
    found = api.list_models(
        search=request["words"],
        pipeline_tag="text-generation",
        filter="gguf" if request["only_gguf"] else None,
        sort="downloads",
        limit=request["limit"],
        expand=["downloads", "likes", "tags", "gated", "lastModified"],
    )
    hits = []
    for info in islice(found, request["limit"]):
        tags = [str(tag) for tag in info.tags or []]
        licence = next((tag.partition(":")[2] for tag in tags if tag.startswith("license:")), "")
        hits.append(
            {
                "repo_id": info.id,
                "downloads": info.downloads,
                "likes": info.likes,
                "licence": licence,
                "has_gguf": "gguf" in tags,
                "is_gated": bool(info.gated),
                "updated_at": info.last_modified.timestamp() if info.last_modified else None,
            }
        )
    tell("result", hits=hits)


def bound_session() -> None:
    """Have huggingface_hub read no more of a listing than there can be in one."""
    session = get_session()
    session.event_hooks = {**session.event_hooks, "response": [*session.event_hooks["response"], bound_listing]}


def explain(exc: Exception, request: dict[str, Any]) -> str:
    """One sentence for a person, with what to do."""
    repo = request.get("repo_id") or request.get("words")
    match exc:
        case DamagedFileError():
            return f"{str(exc)!r} arrived damaged and was removed; try again"
        case errors.GatedRepoError():
            return f"{repo!r} is gated: accept its conditions on its page, then set HF_TOKEN to a token of yours"
        case errors.RepositoryNotFoundError():
            what = request.get("repo_type", "model")
            return f"the Hub has no {what} {repo!r}, or it is private: check the name, or set HF_TOKEN"
        case errors.RevisionNotFoundError():
            return f"{repo!r} has no revision {request.get('revision')!r}; leave it empty for the newest"
        case errors.OfflineModeIsEnabled():
            return "downloads are switched off by HF_HUB_OFFLINE; unset it"
        case errors.LocalEntryNotFoundError() | httpx2.TransportError():
            return f"the Hub at {request['endpoint']} cannot be reached: check the connection, then try again"
        case errors.EntryNotFoundError():
            return f"a file of {repo!r} is gone from the Hub; look it up again"
        case errors.HfHubHTTPError():
            return f"the Hub refused {repo!r} (HTTP {exc.response.status_code}); try again later"
        case OSError() if exc.errno == errno.ENOSPC:
            return "the disk is full; free some space, then try again: what has arrived is kept"
        case _:
            return f"{repo!r} could not be fetched: {type(exc).__name__}: {str(exc)[:300]}"


def main() -> None:
    request = next(requests())
    bound_session()
    request["endpoint"] = request["endpoint"] or constants.ENDPOINT
    # This is the edge of the process: whatever happens has to become a line for the app.
    try:
        match request["op"]:
            case "download":
                Download(request).run()
            case "search":
                search(request)
            case _:
                look_up(request)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as exc:
        log.info("failed", exc_info=True)
        tell("error", type=DownloadError.__name__, message=explain(exc, request))


if __name__ == "__main__":
    main()
