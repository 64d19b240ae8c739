"""The store of runs: comparisons, plans, and whatever else is long-lived. SQLite by default, Postgres by URL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Column, Connection, delete, func, select

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.exceptions import RunConflictError, RunNotFoundError
from multi_llm_comparator.tracking.api_keys import ApiKeys
from multi_llm_comparator.tracking.database import describe, open_engine, parse_url, translated, writing
from multi_llm_comparator.tracking.leases import Leases
from multi_llm_comparator.tracking.marks import Marks
from multi_llm_comparator.tracking.queries import RunQueries, in_seen_run, insert_for, run_fields, upsert
from multi_llm_comparator.tracking.records import ItemRecord, Point, RunFilter, RunRecord, RunSummary
from multi_llm_comparator.tracking.rows import item_row, line, run_row, storable
from multi_llm_comparator.tracking.tables import items as ITEMS
from multi_llm_comparator.tracking.tables import models as MODELS
from multi_llm_comparator.tracking.tables import points as POINTS
from multi_llm_comparator.tracking.tables import runs as RUNS
from multi_llm_comparator.tracking.tables import tags as TAGS
from multi_llm_comparator.tracking.usage import Usage

MAX_LIST = 200
MAX_POINTS = 100_000
EVERY_RUN = RunFilter()
# No statement may name more values than a database takes.
_AT_ONCE = 500


class Store:
    """Runs in a database: themselves, their items and curves. Every call is one short transaction; any thread may call.

    ``leases`` says who works on a run, ``marks`` what users add to runs. ``api_keys`` and ``usage`` are the API's.

    Args:
        url: ``sqlite:////path/to/file.db`` or ``postgresql://user:password@host/database``.

    Raises:
        ConfigurationError: a URL that cannot be used.
        StoreError: here and in every method: the database cannot be opened, read or written; what to do about it.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._engine = open_engine(self._url)
        self.leases, self.marks = Leases(self._engine, self._url), Marks(self._engine, self._url)
        self.api_keys, self.usage = ApiKeys(self._engine, self._url), Usage(self._engine, self._url)
        self._queries = RunQueries(self._engine)
        # Made once: building a statement takes several times as long as SQLite takes to write a row.
        self._put_run = upsert(self._engine, RUNS, keep=("renamed", "note", "folded_marks"))
        self._put_items = upsert(self._engine, ITEMS, keep=("note",))
        self._put_points = upsert(self._engine, POINTS)
        self._add_models = insert_for(self._engine, MODELS).on_conflict_do_nothing()

    def __repr__(self) -> str:
        return f"Store({describe(self._url)})"

    # --- writing ----------------------------------------------------------------------------------------------------

    def save_run(
        self,
        run: RunRecord,
        items: Sequence[ItemRecord] = (),
        *,
        known: float | None = None,
        owner: WorkingProcess | None = None,
        lease_s: float | None = None,
    ) -> None:
        """Write a run, and items of it, in one transaction; what was there under the same keys is replaced.

        Args:
            run: the run. Its tags, note and owner are not written, and neither is its title if it was renamed.
            items: those of its items that changed.
            known: the ``updated_at`` that the run was last read or written with here; None writes in any case.
            owner: the process that writes. Who gives none takes part in no leases, and writes in any case.
            lease_s: how long the owner holds the run from now on; 0 gives it up, None leaves that as it is.

        Raises:
            RunAtWorkError: another process than the owner holds the run. Nothing is written.
            RunConflictError: the stored run has another ``updated_at``: somebody else has written it. Nothing is
                written. A run that was deleted meanwhile is written anew.
        """
        row, rows = run_row(run), [item_row(item) for item in items]
        models = [{"run_id": run.id, "model": line(model)} for model in run.models]
        with translated(self._url), writing(self._engine) as connection:
            if owner is not None or known is not None:
                try:
                    stored: float | None = self.leases.lock(connection, run.id)
                except RunNotFoundError:
                    stored = None
                if owner is not None:
                    self.leases.refuse_other(connection, run.id, owner)
                if known is not None and stored is not None and stored != known:
                    raise RunConflictError(f"run {run.id!r} was changed by another program meanwhile")
            connection.execute(self._put_run, row)
            if models:
                connection.execute(self._add_models, models)
            if rows:
                connection.execute(self._put_items, rows)
            if owner is not None and lease_s:
                self.leases.hold(connection, run.id, owner, lease_s)
            elif owner is not None and lease_s is not None:
                self.leases.release(connection, run.id, owner)

    def save_items(self, items: Sequence[ItemRecord], *, owner: WorkingProcess | None = None) -> None:
        """Write items of runs that are already there.

        Raises:
            RunAtWorkError: the owner does not hold the run any more. Nothing is written.
        """
        rows = [item_row(item) for item in items]
        if not rows:
            return
        with translated(self._url), writing(self._engine) as connection:
            if owner is not None:
                for run_id in sorted({item.run_id for item in items}):
                    self.leases.refuse_unless_mine(connection, run_id, owner)
            connection.execute(self._put_items, rows)

    def save_points(self, run_id: str, points: Sequence[Point]) -> None:
        """Write points of a run's curves; one that is there is replaced."""
        rows = [{"run_id": run_id, **asdict(point)} for point in points]
        if rows:
            with translated(self._url), writing(self._engine) as connection:
                connection.execute(self._put_points, rows)

    def delete_runs(self, run_ids: Collection[str], *, owner: WorkingProcess | None = None) -> int:
        """Delete runs for good, with all that belongs to them, in one transaction; gives how many there were.

        Raises:
            RunAtWorkError: a process other than the owner is at work on one of them. Nothing is deleted.
        """
        with translated(self._url), writing(self._engine) as connection:
            deleted = 0
            for some in _portions(run_ids):
                there = select(RUNS.c.id).where(RUNS.c.id.in_(some)).order_by(RUNS.c.id).with_for_update()
                found = connection.execute(there).scalars().all()
                for run_id in found:
                    self.leases.refuse_other(connection, run_id, owner)
                deleted += connection.execute(delete(RUNS).where(RUNS.c.id.in_(found))).rowcount
        return deleted

    # --- reading ----------------------------------------------------------------------------------------------------

    def load_run(self, run_id: str) -> RunRecord:
        """Read a run without its items.

        Raises:
            RunNotFoundError: no run has this id.
        """
        with translated(self._url), self._engine.connect() as connection:
            return self._run(connection, storable(run_id))

    def load_items(self, run_id: str) -> list[ItemRecord]:
        """Read all items of a run, by position, key and attempt."""
        with translated(self._url), self._engine.connect() as connection:
            return self._items(connection, storable(run_id))

    def load_whole(self, run_id: str) -> tuple[RunRecord, list[ItemRecord]]:
        """Read a run and its items as they were at one moment, whoever writes them meanwhile.

        Raises:
            RunNotFoundError: no run has this id.
        """
        # A transaction of SQLite sees one moment anyway.
        options = {"isolation_level": "REPEATABLE READ"} if self._engine.dialect.name == "postgresql" else {}
        with translated(self._url), self._engine.connect().execution_options(**options) as connection:
            return self._run(connection, storable(run_id)), self._items(connection, storable(run_id))

    def _run(self, connection: Connection, run_id: str) -> RunRecord:
        found = run_fields(connection, list(connection.execute(self._queries.whole(run_id))))
        if not found:
            raise not_stored(run_id)
        return RunRecord(**found[0])

    @staticmethod
    def _items(connection: Connection, run_id: str) -> list[ItemRecord]:
        columns = [column for column in ITEMS.c if column.name != "folded"]
        query = select(*columns).where(ITEMS.c.run_id == run_id)
        rows = connection.execute(query.order_by(ITEMS.c.position, ITEMS.c.key, ITEMS.c.attempt)).all()
        tags: dict[tuple[str, int], list[str]] = {}
        tagged = select(TAGS.c.key, TAGS.c.attempt, TAGS.c.tag).where(TAGS.c.run_id == run_id, TAGS.c.key != "")
        for key, attempt, tag in connection.execute(tagged.order_by(TAGS.c.tag)):
            tags.setdefault((key, attempt), []).append(tag)
        return [ItemRecord(**row._mapping, tags=tuple(tags.get((row.key, row.attempt), ()))) for row in rows]

    def version_of(self, run_id: str) -> float:
        """The ``updated_at`` of a run.

        Raises:
            RunNotFoundError: no run has this id.
        """
        return float(self._value_of(run_id, RUNS.c.updated_at))

    def caller_of(self, run_id: str) -> str:
        """The id of the caller that a run was made for.

        Raises:
            RunNotFoundError: no run has this id.
        """
        return str(self._value_of(run_id, RUNS.c.caller))

    def _value_of(self, run_id: str, column: Column[Any]) -> Any:
        query = select(column).where(RUNS.c.id == storable(run_id))
        with translated(self._url), self._engine.connect() as connection:
            if (found := connection.execute(query).scalar()) is None:
                raise not_stored(run_id)
            return found

    def load_points(self, run_id: str, series: str | None = None, *, from_step: int = 0) -> list[Point]:
        """Read the points of a run's curves, or of one of them, by series and step; at most MAX_POINTS."""
        query = select(POINTS.c.series, POINTS.c.step, POINTS.c.value, POINTS.c.at)
        query = query.where(POINTS.c.run_id == storable(run_id), POINTS.c.step >= from_step)
        if series is not None:
            query = query.where(POINTS.c.series == series)
        query = query.order_by(POINTS.c.series, POINTS.c.step).limit(MAX_POINTS)
        with translated(self._url), self._engine.connect() as connection:
            return [Point(**row._mapping) for row in connection.execute(query)]

    def list_runs(self, filter: RunFilter = EVERY_RUN, limit: int = 50, offset: int = 0) -> list[RunSummary]:
        """Read the newest runs first: at most ``limit``, never more than MAX_LIST, after passing over ``offset``."""
        query = self._queries.summaries(filter).order_by(RUNS.c.created_at.desc(), RUNS.c.id.desc())
        query = query.limit(max(0, min(limit, MAX_LIST))).offset(max(0, offset))
        with translated(self._url), self._engine.connect() as connection:
            return [RunSummary(**found) for found in run_fields(connection, list(connection.execute(query)))]

    def count_runs(self, filter: RunFilter = EVERY_RUN) -> int:
        """How many runs :meth:`list_runs` would find without a limit."""
        with translated(self._url), self._engine.connect() as connection:
            return int(connection.execute(self._queries.count(filter)).scalar_one())

    def all_models(self) -> list[tuple[str, int]]:
        """Every model that was asked, with the number of runs in which it was, of those that the caller may see; the
        most frequent first."""
        count: Any = func.count()
        query = select(MODELS.c.model, count).where(in_seen_run(MODELS.c.run_id))
        query = query.group_by(MODELS.c.model).order_by(count.desc(), MODELS.c.model)
        with translated(self._url), self._engine.connect() as connection:
            return [(model, number) for model, number in connection.execute(query)]

    def all_callers(self) -> list[tuple[str, int]]:
        """The id of everybody for whom runs were made, with their number, of those that the caller may see; the most
        frequent first. This machine's own runs have none."""
        count: Any = func.count()
        query = select(RUNS.c.caller, count).where(RUNS.c.caller != "", in_seen_run(RUNS.c.id))
        query = query.group_by(RUNS.c.caller).order_by(count.desc(), RUNS.c.caller)
        with translated(self._url), self._engine.connect() as connection:
            return [(caller, number) for caller, number in connection.execute(query)]

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def not_stored(run_id: str) -> RunNotFoundError:
    """What is said of a run that is not there."""
    return RunNotFoundError(f"no run {run_id!r} is stored; it may have been deleted")


def _portions(run_ids: Collection[str]) -> Iterator[list[str]]:
    every = sorted({storable(run_id) for run_id in run_ids})
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
