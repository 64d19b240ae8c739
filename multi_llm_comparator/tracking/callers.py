"""For whom work is done. A caller goes along with it, from the gate or the page through every task that it begins.

The context of a task (PEP 567) is copied from who begins it, so a run knows whose it is without being told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from multi_llm_comparator.core.exceptions import NotAllowedError
from multi_llm_comparator.tracking.api_keys import SCOPES, KeyLimits

WORKSPACES = "workspaces"


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
