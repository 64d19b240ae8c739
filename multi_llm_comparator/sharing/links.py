"""Links that show one run to whoever has them: signed, for a time, and taken back at any moment."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.signed_tokens import make_token, read_token

FILE = "shared_links.json"
SCOPE = "shared-run"
PATH = "/shared/"
MAX_LINKS, MAX_FILE_BYTES = 1000, 2**20
MAX_DAYS = 365
DAY_S = 86_400.0
_changing = threading.Lock()


class SharedLink(ClosedModel):
    """One link. Times are seconds since the epoch."""

    id: Annotated[str, Field(max_length=40)]
    run_id: Annotated[str, Field(max_length=64)]
    made_at: float
    expires_at: float

    @property
    def is_over(self) -> bool:
        return self.expires_at <= now()


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret: Annotated[str, Field(min_length=32, max_length=200)]
    links: Annotated[list[SharedLink], Field(max_length=MAX_LINKS)] = []


@dataclass(frozen=True)
class SharedLinks:
    """The links of a home, in one file that others cannot read; any thread and process may call.

    The address holds a signed token (RFC 7519) whose subject is the link, so nobody can make one; the file says which
    links there still are, so one that was taken back shows nothing though its signature is right.

    Args:
        folder: the home.
    """

    folder: Path

    def make(self, run_id: str, valid_s: float) -> tuple[SharedLink, str]:
        """A link to a run, and its path on this server.

        Raises:
            ConfigurationError: too many links, or for too long.
            NotWrittenError: it could not be kept.
        """
        if not 0 < valid_s <= MAX_DAYS * DAY_S:
            raise ConfigurationError(f"a link is for at most {MAX_DAYS} days, not {valid_s / DAY_S:.0f}")
        with _changing:
            kept = self._read() or _Kept(secret=secrets.token_urlsafe(48))
            links = [link for link in kept.links if not link.is_over]
            if len(links) >= MAX_LINKS:
                raise ConfigurationError(f"there are {MAX_LINKS} links already; take some back first")
            at = now()
            link = SharedLink(id=uuid.uuid4().hex, run_id=run_id, made_at=at, expires_at=at + valid_s)
            self._write(_Kept(secret=kept.secret, links=[*links, link]))
        return link, PATH + make_token(kept.secret, link.id, frozenset({SCOPE}), valid_s)

    def path_of(self, link: SharedLink) -> str:
        """The path of a link that was made before."""
        kept = self._read()
        if kept is None:
            raise ConfigurationError("this link is no longer kept; make another")
        return PATH + make_token(kept.secret, link.id, frozenset({SCOPE}), max(1.0, link.expires_at - now()))

    def of_run(self, run_id: str) -> list[SharedLink]:
        """The links to a run that still show it, the latest first."""
        return [link for link in self.all() if link.run_id == run_id]

    def all(self) -> list[SharedLink]:
        """The links that still show a run, the latest first."""
        kept = self._read()
        found = [link for link in (kept.links if kept else []) if not link.is_over]
        return sorted(found, key=lambda link: -link.made_at)

    def take_back(self, link_id: str) -> None:
        """From now on the link shows nothing; unknown ones are ignored."""
        self._keep_only(lambda link: link.id != link_id)

    def forget_runs(self, run_ids: Sequence[str]) -> None:
        """Runs were deleted, and their links with them."""
        self._keep_only(lambda link: link.run_id not in run_ids)

    def run_of(self, token: str) -> str | None:
        """The run that an address shows; None for one that is over, was taken back, or was never made here."""
        kept = self._read()
        signed = read_token(kept.secret, token) if kept is not None else None
        if kept is None or signed is None or signed.scopes != frozenset({SCOPE}):
            return None
        return next((link.run_id for link in kept.links if link.id == signed.subject and not link.is_over), None)

    def _keep_only(self, wanted: Callable[[SharedLink], bool]) -> None:
        with _changing:
            kept = self._read()
            if kept is None:
                return
            links = [link for link in kept.links if wanted(link)]
            if len(links) != len(kept.links):
                self._write(_Kept(secret=kept.secret, links=links))

    def _read(self) -> _Kept | None:
        """None where there is no file, or one that says nothing: no link then shows anything."""
        try:
            data = read_bytes(self.folder / FILE, MAX_FILE_BYTES)
            return _Kept.model_validate(read_json(data, FILE, MAX_FILE_BYTES))
        except (OSError, DocumentError, ValidationError):
            return None

    def _write(self, kept: _Kept) -> None:
        write_atomically(self.folder / FILE, kept.model_dump_json(indent=1), mode=0o600)
