"""What runs look like when they are read, and which of them a filter means."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    Insert,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.callers import current_caller
from multi_llm_comparator.tracking.records import ACTIVE, RunFilter
from multi_llm_comparator.tracking.rows import fold, storable
from multi_llm_comparator.tracking.tables import items as ITEMS
from multi_llm_comparator.tracking.tables import leases as LEASES
from multi_llm_comparator.tracking.tables import models as MODELS
from multi_llm_comparator.tracking.tables import runs as RUNS
from multi_llm_comparator.tracking.tables import tags as TAGS

MAX_QUERY_CHARS = 200


def insert_for(engine: Engine, table: Table) -> Any:
    # Two dialects, one syntax.
    return (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)


def upsert(engine: Engine, table: Table, *, keep: tuple[str, ...] = ()) -> Insert:
    """Insert rows; where there is one already, replace all of it but its key and the columns to keep."""
    insert = insert_for(engine, table)
    changed = {c.name: insert.excluded[c.name] for c in table.c if not c.primary_key and c.name not in keep}
    statement: Insert = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    return statement


def clock(engine: Engine) -> ColumnElement[float]:
    """The time of day, in seconds since the epoch, as all who share the database see it."""
    if engine.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Float(53))
    return bindparam("clock", callable_=time.time, type_=Float(53))


def in_seen_run(run_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a run, by its id, is one that the caller may see."""
    caller = current_caller()
    if caller.is_admin:
        return true()
    return run_id.in_(select(RUNS.c.id).where(RUNS.c.caller == caller.id, RUNS.c.caller != ""))


class RunQueries:
    """Statements that read runs of one database."""

    def __init__(self, engine: Engine) -> None:
        now = clock(engine)
        self._status = case(
            (and_(RUNS.c.status.in_(ACTIVE), LEASES.c.run_id.is_(None)), "interrupted"), else_=RUNS.c.status
        )
        self._from = RUNS.outerjoin(LEASES, and_(LEASES.c.run_id == RUNS.c.id, LEASES.c.until > now))

    def summaries(self, filter: RunFilter) -> Select[Any]:
        return select(*self._summary_columns()).select_from(self._from).where(*self._conditions(filter))

    def count(self, filter: RunFilter) -> Select[Any]:
        return select(func.count()).select_from(self._from).where(*self._conditions(filter))

    def whole(self, run_id: str) -> Select[Any]:
        columns = (*self._summary_columns(), RUNS.c.document, RUNS.c.schema_version)
        return select(*columns).select_from(self._from).where(RUNS.c.id == run_id)

    def _summary_columns(self) -> tuple[ColumnElement[Any], ...]:
        return (
            RUNS.c.id,
            RUNS.c.kind,
            func.coalesce(RUNS.c.renamed, RUNS.c.title).label("title"),
            RUNS.c.detail,
            self._status.label("status"),
            RUNS.c.phase,
            RUNS.c.created_at,
            RUNS.c.updated_at,
            RUNS.c.origin,
            RUNS.c.parent_id,
            RUNS.c.caller,
            RUNS.c.note,
            LEASES.c.host,
            LEASES.c.pid,
            LEASES.c.began_at,
        )

    def _conditions(self, filter: RunFilter) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        for column, wanted in (
            (RUNS.c.kind, filter.kind),
            (RUNS.c.origin, filter.origin),
            (RUNS.c.parent_id, filter.parent_id),
            (RUNS.c.caller, filter.caller),
        ):
            if wanted is not None:
                conditions.append(column == wanted)
        if filter.ids is not None:
            conditions.append(RUNS.c.id.in_([storable(run_id) for run_id in filter.ids]))
        if filter.states:
            conditions.append(self._status.in_(filter.states))
        if filter.made_after is not None:
            conditions.append(RUNS.c.created_at >= filter.made_after)
        if filter.made_before is not None:
            conditions.append(RUNS.c.created_at < filter.made_before)
        if filter.model is not None:
            conditions.append(RUNS.c.id.in_(select(MODELS.c.run_id).where(MODELS.c.model == filter.model)))
        if filter.tag is not None:
            conditions.append(RUNS.c.id.in_(select(TAGS.c.run_id).where(TAGS.c.tag == filter.tag)))
        if wanted := fold(filter.text[:MAX_QUERY_CHARS]).strip():
            conditions.append(_says(wanted))
        return conditions


def _says(wanted: str) -> ColumnElement[bool]:
    in_items = select(ITEMS.c.key).where(ITEMS.c.run_id == RUNS.c.id, ITEMS.c.folded.contains(wanted, autoescape=True))
    return or_(
        RUNS.c.folded.contains(wanted, autoescape=True),
        RUNS.c.folded_marks.contains(wanted, autoescape=True),
        in_items.exists(),
    )


def run_fields(connection: Connection, rows: list[Row[Any]]) -> list[dict[str, Any]]:
    """Fields of RunSummary, or of what extends it, from the rows of one of the statements."""
    ids = [row.id for row in rows]
    models = _by_run(connection, select(MODELS.c.run_id, MODELS.c.model).where(MODELS.c.run_id.in_(ids)))
    of_runs = select(TAGS.c.run_id, TAGS.c.tag).where(TAGS.c.run_id.in_(ids), TAGS.c.key == "")
    tags = _by_run(connection, of_runs)
    found = []
    for row in rows:
        data = dict(row._mapping)
        host, pid, began_at = data.pop("host"), data.pop("pid"), data.pop("began_at")
        data["owner"] = None if host is None else WorkingProcess(host, pid, began_at)
        found.append({**data, "models": models.get(row.id, ()), "tags": tags.get(row.id, ())})
    return found


def _by_run(connection: Connection, query: Select[Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for run_id, value in connection.execute(query):
        found.setdefault(run_id, []).append(value)
    return {run_id: tuple(sorted(values)) for run_id, values in found.items()}
