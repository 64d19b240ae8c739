"""Keys of the API: made here, shown once, kept as digests.

A key is ``mlc-`` and the eight characters of its id, by which lists name it, then 256 random bits. Nobody can try out
so many, so a plain SHA-256 keeps it: a slow hash would only slow every request down.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pydantic import SecretStr
from sqlalchemy import Engine, Row, delete, func, insert, select, update
from sqlalchemy.engine import URL

from multi_llm_comparator.core.callers import MOST, SCOPES, KeyLimits
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.tracking.database import translated, writing
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.tracking.tables import api_keys as KEYS

PREFIX = "mlc-"
ID_CHARS = 8
MAX_NAME_CHARS, MAX_KEYS = 100, 1000
_KEY = re.compile(rf"{PREFIX}([0-9a-f]{{{ID_CHARS}}})-[\w-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key, without its secret. Times are seconds since the epoch."""

    id: str
    name: str
    scopes: frozenset[str]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)

    @property
    def prefix(self) -> str:
        """By which its owner recognises it."""
        return f"{PREFIX}{self.id}"

    @property
    def state(self) -> Literal["valid", "revoked", "expired"]:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now() else "valid"


class ApiKeys:
    """The keys in a store. Any thread may call.

    Raises:
        StoreError: in every method: see :class:`Store`.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine, self._url = engine, url

    def create(
        self,
        name: str,
        scopes: Iterable[str] = ("models",),
        *,
        valid_s: float | None = None,
        limits: KeyLimits | None = None,
    ) -> tuple[ApiKey, SecretStr]:
        """Make a key. Its secret is given back here and never again.

        Args:
            name: what it is for.
            scopes: of :data:`SCOPES`: ``models`` may ask the models and look at the runs that come of it, ``pages`` may
                open the pages that do so, ``admin`` may everything and sees everybody's runs.
            valid_s: seconds until it expires; None for never.
            limits: what it may take.

        Raises:
            ConfigurationError: an argument that cannot be meant, or MAX_KEYS keys already.
        """
        name, wanted, limits = " ".join(name.split()), frozenset(scopes), limits or KeyLimits()
        if not name or len(name) > MAX_NAME_CHARS:
            raise ConfigurationError(f"a key's name has 1 to {MAX_NAME_CHARS} characters, not {len(name)}")
        if not wanted or wanted - set(SCOPES):
            raise ConfigurationError(f"a key's scopes are of {', '.join(SCOPES)}, not {sorted(wanted)!r}")
        if valid_s is not None and not 1 <= valid_s <= MOST:
            raise ConfigurationError(f"a key is valid for 1 to {MOST} seconds, not {valid_s!r}")
        limits.validate()
        key_id = secrets.token_hex(ID_CHARS // 2)
        secret = f"{PREFIX}{key_id}-{secrets.token_urlsafe(32)}"
        at = now()
        expires_at = None if valid_s is None else at + valid_s
        made = ApiKey(id=key_id, name=name, scopes=wanted, created_at=at, expires_at=expires_at, limits=limits)
        row = {
            "id": key_id,
            "name": name,
            "digest": digest(secret),
            "scopes": " ".join(sorted(wanted)),
            "created_at": at,
            "expires_at": expires_at,
            "limits": asdict(limits),
        }
        with translated(self._url), writing(self._engine) as connection:
            if connection.execute(select(func.count()).select_from(KEYS)).scalar_one() >= MAX_KEYS:
                raise ConfigurationError(f"there are {MAX_KEYS} keys, and no more are kept; delete revoked ones")
            connection.execute(insert(KEYS), row)
        return made, SecretStr(secret)

    def list(self) -> list[ApiKey]:
        """Every key, the newest first."""
        with translated(self._url), self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(select(KEYS).order_by(KEYS.c.created_at.desc(), KEYS.c.id))]

    def get(self, key_id: str) -> ApiKey | None:
        """The key of this id, or of this prefix."""
        query = select(KEYS).where(KEYS.c.id == storable(key_id.removeprefix(PREFIX)[: ID_CHARS + 1]))
        with translated(self._url), self._engine.connect() as connection:
            row = connection.execute(query).first()
        return _key(row) if row else None

    def verify(self, secret: str) -> ApiKey | None:
        """The valid key that this is the secret of. What is compared takes the same time for every wrong one."""
        match = _KEY.fullmatch(secret)
        if match is None:
            return None
        with translated(self._url), self._engine.connect() as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.id == match[1])).first()
        is_right = hmac.compare_digest(digest(secret), row.digest if row else digest(""))
        if row is None or not is_right:
            return None
        key = _key(row)
        return key if key.state == "valid" else None

    def revoke(self, key_id: str) -> ApiKey:
        """Have a key refused from now on.

        Raises:
            ConfigurationError: there is no such key.
        """
        key = self._existing(key_id)
        change = update(KEYS).where(KEYS.c.id == key.id, KEYS.c.revoked_at.is_(None)).values(revoked_at=now())
        with translated(self._url), writing(self._engine) as connection:
            connection.execute(change)
        return self._existing(key_id)

    def delete(self, key_id: str) -> None:
        """Forget a key that was revoked or has expired; what was asked with it stays in the usage.

        Raises:
            ConfigurationError: there is no such key, or it is valid.
        """
        key = self._existing(key_id)
        if key.state == "valid":
            raise ConfigurationError(f"the key {key.prefix!r} ({key.name}) is valid; revoke it first")
        with translated(self._url), writing(self._engine) as connection:
            connection.execute(delete(KEYS).where(KEYS.c.id == key.id))

    def _existing(self, key_id: str) -> ApiKey:
        if (key := self.get(key_id)) is None:
            raise ConfigurationError(f"there is no key {key_id[:40]!r}; list them, and give its beginning, 'mlc-...'")
        return key


def looks_like_key(text: str) -> bool:
    """Whether it is written as a key of ours, valid or not."""
    return text.startswith(PREFIX)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


_LIMITS = frozenset(one.name for one in fields(KeyLimits))


def _key(row: Row[Any]) -> ApiKey:
    found = dict(row._mapping)
    del found["digest"]
    limits = {name: value for name, value in found.pop("limits").items() if name in _LIMITS}
    # JSON knows lists only.
    limits["models"] = tuple(limits.get("models") or ())
    return ApiKey(**{**found, "scopes": frozenset(found["scopes"].split()), "limits": KeyLimits(**limits)})
