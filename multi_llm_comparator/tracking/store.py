"""The store of runs: comparisons now, plans and jobs by the same tables. SQLite by default, Postgres by URL."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Insert, Table, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from multi_llm_comparator.core.exceptions import RunConflictError, RunNotFoundError, StoreError
from multi_llm_comparator.tracking.database import describe, open_engine, parse_url, translated, writing
from multi_llm_comparator.tracking.records import AnswerRecord, RunRecord, RunSummary
from multi_llm_comparator.tracking.tables import answers as ANSWERS
from multi_llm_comparator.tracking.tables import runs as RUNS

MAX_LIST = 200
MAX_QUERY_CHARS = 200
MAX_LINE_CHARS = 500
# Two hundred prompts at their longest fit; so does an answer many times over.
MAX_TEXT_CHARS = 50_000_000
MAX_DOCUMENT_CHARS = 250_000_000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Store:
    """Runs and answers in a database. Every call is one short transaction; any thread may call.

    Args:
        url: ``sqlite:////path/to/file.db`` or ``postgresql://user:password@host/database``.

    Raises:
        ConfigurationError: a URL that cannot be used.
        StoreError: here and in every method: the database cannot be opened, read or written; what to do about it.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._engine = open_engine(self._url)
        # Made once: building a statement takes several times as long as SQLite takes to write a row.
        self._put_run, self._put_answers = _upsert(self._engine, RUNS), _upsert(self._engine, ANSWERS)
        self._updated_at = select(RUNS.c.updated_at).where(RUNS.c.id == bindparam("id")).with_for_update()

    def __repr__(self) -> str:
        return f"Store({describe(self._url)})"

    def save_run(self, run: RunRecord, answers: Sequence[AnswerRecord] = (), *, known: float | None = None) -> None:
        """Write a run, and answers of it, in one transaction; what was there under the same ids is replaced.

        Args:
            run: the run.
            answers: those of its answers that changed.
            known: the ``updated_at`` that the run was last read or written with here; None writes in any case.

        Raises:
            RunConflictError: the stored run has another one: somebody else has written it. Nothing is written. A run
                that was deleted meanwhile is written anew.
        """
        run_row, rows = _run_row(run), [_answer_row(answer) for answer in answers]
        with translated(self._url), writing(self._engine) as connection:
            if known is not None:
                stored = connection.execute(self._updated_at, {"id": run.id}).scalar()
                if stored is not None and stored != known:
                    raise RunConflictError(f"run {run.id!r} was changed by another program meanwhile")
            connection.execute(self._put_run, run_row)
            if rows:
                connection.execute(self._put_answers, rows)

    def save_answers(self, answers: Sequence[AnswerRecord]) -> None:
        """Write answers of runs that are already there."""
        rows = [_answer_row(answer) for answer in answers]
        if rows:
            with translated(self._url), writing(self._engine) as connection:
                connection.execute(self._put_answers, rows)

    def load_run(self, run_id: str) -> RunRecord:
        """Read a run without its answers.

        Raises:
            RunNotFoundError: no run has this id.
        """
        query = select(*_columns(RUNS, RunRecord, leave_out="search_text")).where(RUNS.c.id == storable(run_id))
        with translated(self._url), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise RunNotFoundError(f"no run {run_id!r} is stored; it may have been deleted")
        return RunRecord(**row._mapping)

    def load_answers(self, run_id: str) -> list[AnswerRecord]:
        """Read all answers of a run, in the order of turns, panes and attempts."""
        order = (ANSWERS.c.turn, ANSWERS.c.pane_id, ANSWERS.c.attempt)
        query = select(*_columns(ANSWERS, AnswerRecord)).where(ANSWERS.c.run_id == storable(run_id)).order_by(*order)
        with translated(self._url), self._engine.connect() as connection:
            return [AnswerRecord(**row._mapping) for row in connection.execute(query)]

    def list_runs(
        self,
        kind: str | None = None,
        text: str = "",
        limit: int = 50,
        offset: int = 0,
        *,
        before: float | None = None,
    ) -> list[RunSummary]:
        """Read the newest runs first.

        Args:
            kind: only runs of this kind.
            text: only runs with this text, in any case, in their title, detail, prompts or answers; its first
                MAX_QUERY_CHARS characters count.
            limit: at most so many, and never more than MAX_LIST.
            offset: how many to pass over.
            before: only runs that were made before this moment, in seconds since the epoch.
        """
        query = select(*_columns(RUNS, RunSummary)).where(*_conditions(kind, text))
        if before is not None:
            query = query.where(RUNS.c.created_at < before)
        query = query.order_by(RUNS.c.created_at.desc(), RUNS.c.id.desc())
        query = query.limit(max(0, min(limit, MAX_LIST))).offset(max(0, offset))
        with translated(self._url), self._engine.connect() as connection:
            return [RunSummary(**row._mapping) for row in connection.execute(query)]

    def count_runs(self, kind: str | None = None, text: str = "") -> int:
        """How many runs :meth:`list_runs` would find without a limit."""
        query = select(func.count()).select_from(RUNS).where(*_conditions(kind, text))
        with translated(self._url), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def delete_run(self, run_id: str) -> bool:
        """Delete a run with all its answers; False when there was none."""
        with translated(self._url), writing(self._engine) as connection:
            return connection.execute(delete(RUNS).where(RUNS.c.id == storable(run_id))).rowcount > 0

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _columns(table: Table, record: type[Any], leave_out: str = "") -> list[Column[Any]]:
    return [table.c[field.name] for field in fields(record) if field.name != leave_out]


def _conditions(kind: str | None, text: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if kind is not None:
        conditions.append(RUNS.c.kind == kind)
    if wanted := fold(text[:MAX_QUERY_CHARS]).strip():
        in_answers = select(ANSWERS.c.id).where(ANSWERS.c.run_id == RUNS.c.id, _contains(ANSWERS, wanted))
        conditions.append(or_(_contains(RUNS, wanted), in_answers.exists()))
    return conditions


def _contains(table: Table, wanted: str) -> ColumnElement[bool]:
    return table.c.folded.contains(wanted, autoescape=True)


def _upsert(engine: Engine, table: Table) -> Insert:
    # Two dialects, one syntax.
    insert = (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)
    changed = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=["id"], set_=changed)


def _run_row(run: RunRecord) -> dict[str, Any]:
    row = {field.name: getattr(run, field.name) for field in fields(run)}
    title, detail = storable(run.title)[:MAX_LINE_CHARS], storable(run.detail)[:MAX_LINE_CHARS]
    searched = _bounded(row.pop("search_text"), f"the prompts of run {run.id!r}")
    folded = fold("\n".join((title, detail, searched)))
    return {**row, "title": title, "detail": detail, "folded": folded, "document": _json(run.document, run.id)}


def _answer_row(answer: AnswerRecord) -> dict[str, Any]:
    row = {field.name: getattr(answer, field.name) for field in fields(answer)}
    text = _bounded(answer.text, f"the text of answer {answer.id!r}")
    return {**row, "text": text, "folded": fold(text), "record": _json(answer.record, answer.id)}


def _bounded(text: str, what: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise StoreError(f"{what} has {len(text)} characters; at most {MAX_TEXT_CHARS} are stored")
    return storable(text)


def _json(document: Mapping[str, Any], owner: str) -> Mapping[str, Any]:
    try:
        size = len(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError) as exc:
        raise StoreError(f"the document of {owner!r} cannot be stored as JSON: {exc}") from exc
    if size > MAX_DOCUMENT_CHARS:
        raise StoreError(f"the document of {owner!r} has {size} characters; at most {MAX_DOCUMENT_CHARS} are stored")
    return document


def storable(text: str) -> str:
    """The text with what no database takes (NUL, halves of surrogate pairs) replaced, character for character."""
    return _UNSTORABLE.sub("\ufffd", text)


def fold(text: str) -> str:
    """The text as searches compare it: case and width of characters do not count."""
    return storable(unicodedata.normalize("NFKC", text).casefold())
