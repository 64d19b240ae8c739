"""Who works on a run: one process at a time, for as long as it keeps saying so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.engine import URL

from multi_llm_comparator.core.at_work import SAME_START_S, WorkingProcess
from multi_llm_comparator.core.exceptions import RunAtWorkError, RunNotFoundError
from multi_llm_comparator.tracking.database import translated, writing
from multi_llm_comparator.tracking.queries import clock, insert_for
from multi_llm_comparator.tracking.records import Lease
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.tracking.tables import leases as LEASES
from multi_llm_comparator.tracking.tables import runs as RUNS


class Leases:
    """The leases of a store. A lease that ran out counts no more, and anybody may take it; until somebody does, its
    holder may renew it. Times are those of the database, where that has a clock.

    Raises:
        StoreError: in every method: see :class:`Store`.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine, self._url, self._now = engine, url, clock(engine)
        # Made once: building and compiling a statement takes many times as long as SQLite takes to write a row.
        in_force = LEASES.c.until > self._now
        self._of_run = select(LEASES).where(LEASES.c.run_id == bindparam("run_id"), in_force)
        insert = insert_for(engine, LEASES)
        changed = {name: insert.excluded[name] for name in ("host", "pid", "began_at", "until")}
        self._take = (
            insert.values(until=self._now + bindparam("lease_s", type_=Float(53)))
            .on_conflict_do_update(
                index_elements=["run_id"], set_=changed, where=or_(~in_force, _is_of(insert.excluded))
            )
            .returning(LEASES.c.run_id)
        )

    def take(self, run_id: str, owner: WorkingProcess, lease_s: float) -> None:
        """Take or renew the lease of a stored run for so many seconds.

        Raises:
            RunAtWorkError: another process holds it.
            RunNotFoundError: no such run.
        """
        with translated(self._url), writing(self._engine) as connection:
            self.lock(connection, run_id)
            self.hold(connection, run_id, owner, lease_s)

    def renew(self, run_ids: Collection[str], owner: WorkingProcess, lease_s: float) -> set[str]:
        """Renew leases that the process took; gives back those that it still holds."""
        if not run_ids:
            return set()
        mine = update(LEASES).where(LEASES.c.run_id.in_(run_ids), _is_of(owner))
        statement = mine.values(until=self._now + lease_s).returning(LEASES.c.run_id)
        with translated(self._url), writing(self._engine) as connection:
            return set(connection.execute(statement).scalars())

    def give_up(self, run_id: str, owner: WorkingProcess) -> None:
        """End the lease that the process holds; harmless where it holds none."""
        with translated(self._url), writing(self._engine) as connection:
            self.release(connection, run_id, owner)

    def end_all_of(self, owner: WorkingProcess) -> None:
        """End every lease of a process that is gone."""
        with translated(self._url), writing(self._engine) as connection:
            connection.execute(delete(LEASES).where(_is_of(owner)))

    def all(self) -> list[Lease]:
        """The leases that have not run out."""
        with translated(self._url), self._engine.connect() as connection:
            rows = connection.execute(select(LEASES).where(LEASES.c.until > self._now).order_by(LEASES.c.run_id))
            return [_lease(row._mapping) for row in rows]

    def of(self, run_id: str) -> Lease | None:
        """The lease of a run; None where nobody holds it any more."""
        with translated(self._url), self._engine.connect() as connection:
            return self.held(connection, run_id)

    # --- within a transaction of the store --------------------------------------------------------------------------

    @staticmethod
    def lock(connection: Connection, run_id: str) -> float:
        """Have everybody else who would write the run wait for this transaction; gives its ``updated_at``."""
        if (found := connection.execute(_LOCK, {"run_id": storable(run_id)}).scalar()) is None:
            raise RunNotFoundError(f"no run {run_id!r} is stored; it may have been deleted")
        return float(found)

    def held(self, connection: Connection, run_id: str) -> Lease | None:
        found = connection.execute(self._of_run, {"run_id": storable(run_id)}).one_or_none()
        return None if found is None else _lease(found._mapping)

    def refuse_other(self, connection: Connection, run_id: str, owner: WorkingProcess | None) -> None:
        """Raises RunAtWorkError: a process that is not this one holds the lease."""
        lease = self.held(connection, run_id)
        if lease is not None and (owner is None or not lease.owner.is_same_as(owner)):
            raise at_work(run_id, lease.owner)

    def refuse_unless_mine(self, connection: Connection, run_id: str, owner: WorkingProcess) -> None:
        """Raises RunAtWorkError: the process does not hold the lease any more, not even one that ran out."""
        if connection.execute(_MINE, {"run_id": run_id, **_who(owner)}).scalar() is None:
            self.refuse_other(connection, run_id, owner)
            raise RunAtWorkError(f"run {run_id!r} was taken over by another process meanwhile; open it again")

    def hold(self, connection: Connection, run_id: str, owner: WorkingProcess, lease_s: float) -> None:
        values = {"run_id": run_id, "lease_s": lease_s, **asdict(owner)}
        if connection.execute(self._take, values).scalar() is None:
            self.refuse_other(connection, run_id, owner)

    @staticmethod
    def release(connection: Connection, run_id: str, owner: WorkingProcess) -> None:
        connection.execute(_RELEASE, {"run_id": storable(run_id), **_who(owner)})


def at_work(run_id: str, owner: WorkingProcess) -> RunAtWorkError:
    return RunAtWorkError(f"process {owner.pid} on {owner.host!r} is at work on run {run_id!r}; stop it there first")


def _is_of(owner: Any) -> ColumnElement[bool]:
    """Whether a lease is of a process, given as one or as columns of its fields."""
    began = func.abs(LEASES.c.began_at - owner.began_at) < SAME_START_S
    return and_(LEASES.c.host == owner.host, LEASES.c.pid == owner.pid, began)


def _who(owner: WorkingProcess) -> dict[str, Any]:
    return {f"of_{name}": value for name, value in asdict(owner).items()}


class _Given:
    """A process that is named when the statement is executed: see :func:`_who`."""

    host, pid = bindparam("of_host", type_=String), bindparam("of_pid", type_=Integer)
    began_at = bindparam("of_began_at", type_=Float(53))


_IS_RUN = LEASES.c.run_id == bindparam("run_id")
_LOCK = select(RUNS.c.updated_at).where(RUNS.c.id == bindparam("run_id")).with_for_update()
_MINE = select(LEASES.c.run_id).where(_IS_RUN, _is_of(_Given))
_RELEASE = delete(LEASES).where(_IS_RUN, _is_of(_Given))


def _lease(row: Any) -> Lease:
    owner = WorkingProcess(row["host"], row["pid"], row["began_at"])
    return Lease(run_id=row["run_id"], owner=owner, until=row["until"])
