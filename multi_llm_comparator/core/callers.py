"""For whom work is done. A caller goes along with it, from the gate or the page through every task that it begins.

The context of a task (PEP 567) is copied from who begins it, so a run knows whose it is without being told.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from multi_llm_comparator.core.exceptions import ConfigurationError, NotAllowedError
from multi_llm_comparator.core.requests import Priority

Scope = Literal["models", "pages", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_PATTERNS, MAX_PATTERN_CHARS = 100, 300
MOST = 1_000_000_000
WORKSPACES = "workspaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """What one key may take; None does not limit. Requests and tokens are counted per minute, budgets per day of UTC.

    ``priority`` decides who is served when the server is full: see :mod:`server.callers`. ``models`` are the names
    that it may ask, with ``*`` for any characters; empty: all. A name that it may ask brings whatever stands behind it.
    """

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_per_day_usd: float | None = None
    priority: Priority = "normal"
    models: tuple[str, ...] = ()

    def may_ask(self, name: str) -> bool:
        """Whether a key with these limits may ask for ``name``."""
        return not self.models or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.models)

    def validate(self) -> None:
        """Raises ConfigurationError: a number out of range, naming it."""
        for name in ("rpm", "tpm", "concurrency"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MOST:
                raise ConfigurationError(f"{name!r} of a key is {value!r}; give 1 to {MOST}, or leave it out")
        budget = self.budget_per_day_usd
        if budget is not None and not 0 <= budget <= 1_000_000:
            raise ConfigurationError(f"'budget_per_day_usd' of a key is {budget!r}; give 0 to 1000000, or leave it out")
        if self.priority not in get_args(Priority):
            raise ConfigurationError(f"'priority' of a key is {self.priority!r}; give one of {get_args(Priority)}")
        if len(self.models) > MAX_PATTERNS or not all(0 < len(name) <= MAX_PATTERN_CHARS for name in self.models):
            raise ConfigurationError(
                f"'models' of a key are at most {MAX_PATTERNS} names of 1 to {MAX_PATTERN_CHARS} characters"
            )


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom work is done for. ``id`` is a key's, ``token``, ``jwt:NAME``, ``oidc:ADDRESS``; empty on an open loopback.

    Who has not the scope ``admin`` has a workspace: runs that are made for it are seen by it and by admins alone.
    """

    id: str = ""
    name: str = ""
    scopes: frozenset[str] = frozenset(SCOPES)
    limits: KeyLimits = field(default_factory=KeyLimits)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    def may_see(self, owner: str) -> bool:
        """Whether this caller may see what was made for the caller of the id ``owner``."""
        return self.is_admin or (bool(self.id) and self.id == owner)


OPEN = Caller(limits=KeyLimits(priority="high"))


@dataclass(frozen=True, slots=True)
class Acting:
    """How work is done for a caller.

    Attributes:
        caller: for whom.
        is_counted: somebody further out counts already what is asked.
        is_admitted: somebody further out has looked at names and limits; budget and usage are counted here.
        path: where it was asked, as the usage has it.
    """

    caller: Caller
    is_counted: bool = False
    is_admitted: bool = False
    path: str = "pages"


_acting: ContextVar[Acting | None] = ContextVar("caller", default=None)
_looked_for: list[Callable[[], Caller | None]] = []


def acting() -> Acting:
    """For whom the running code works, and how; who starts a process on this machine is nobody in particular, and may
    all."""
    found = _acting.get()
    if found is not None:
        return found
    return Acting(next((one for look in _looked_for if (one := look()) is not None), OPEN))


def current_caller() -> Caller:
    """For whom the running code works."""
    return acting().caller


@contextlib.contextmanager
def acting_for(
    caller: Caller, *, is_counted: bool = False, is_admitted: bool = False, path: str = "pages"
) -> Iterator[None]:
    """What is begun within this is done for ``caller``; for the rest see :class:`Acting`."""
    before = _acting.set(Acting(caller, is_counted, is_admitted, path))
    try:
        yield
    finally:
        _acting.reset(before)


@contextlib.contextmanager
def handed_on() -> Iterator[None]:
    """What is handed to another thread within this stays for whom it is here, also where only this thread can tell."""
    if _acting.get() is not None:
        yield
        return
    with acting_for(current_caller()):
        yield


def look_for_callers_by(look: Callable[[], Caller | None]) -> None:
    """Have ``look`` say whom code of pages works for; it returns None where no page is drawn."""
    _looked_for[:] = [look]


def refuse_workspaces(what: str) -> None:
    """Raises NotAllowedError: the caller is no admin, and ``what`` (a verb and its object) is for admins."""
    caller = current_caller()
    if not caller.is_admin:
        raise NotAllowedError(f"the key {caller.name!r} may not {what}: that needs the scope 'admin'")


def own_folder(home: Path) -> Path:
    """Where the files of the caller are that are nobody else's: prompts, presets, choices. Admins share the home."""
    caller = current_caller()
    return home if caller.is_admin else home / WORKSPACES / quote(caller.id, safe="")
