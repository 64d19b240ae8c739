"""What users add to runs and to their items: tags, notes, another title. A run that is saved again keeps them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, insert, select, update
from sqlalchemy.engine import URL

from multi_llm_comparator.core.exceptions import InvalidParameterError, RunNotFoundError
from multi_llm_comparator.tracking.database import translated, writing
from multi_llm_comparator.tracking.leases import Leases
from multi_llm_comparator.tracking.queries import in_seen_run
from multi_llm_comparator.tracking.records import ItemMarks, ItemRef
from multi_llm_comparator.tracking.rows import fold, line, storable
from multi_llm_comparator.tracking.tables import items as ITEMS
from multi_llm_comparator.tracking.tables import runs as RUNS
from multi_llm_comparator.tracking.tables import tags as TAGS

MAX_TAGS = 20
MAX_TAG_CHARS = 64
MAX_NOTE_CHARS = 10_000
_RUN_ITSELF = ItemRef("", 0)


class Marks:
    """Tags, notes and titles in a store. They do not count as a change of the run: its ``updated_at`` stays.

    Of runs that the caller may not see nothing is told, and nothing is changed.

    Raises:
        StoreError: in every method: see :class:`Store`.
        RunNotFoundError: in every method that changes something: no such run, or no such item of it.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine, self._url = engine, url

    def rename(self, run_id: str, title: str) -> None:
        """Give a run another title; an empty one gives back the one it was made with."""
        renamed = line(" ".join(title.split())) or None
        with translated(self._url), writing(self._engine) as connection:
            _lock(connection, run_id)
            connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(renamed=renamed))
            _fold(connection, run_id)

    def set_note(self, run_id: str, note: str, item: ItemRef | None = None) -> None:
        """Write a note on a run, or on an item of it; an empty one removes it.

        Raises:
            InvalidParameterError: more than MAX_NOTE_CHARS characters.
        """
        if len(note) > MAX_NOTE_CHARS:
            raise InvalidParameterError(f"the note has {len(note)} characters; at most {MAX_NOTE_CHARS} fit")
        note = storable(note.strip())
        with translated(self._url), writing(self._engine) as connection:
            _lock(connection, run_id)
            _check(connection, run_id, item)
            if item is None:
                connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(note=note))
            else:
                connection.execute(update(ITEMS).where(_is_item(run_id, item)).values(note=note))
            _fold(connection, run_id)

    def set_tags(self, run_id: str, tags: Iterable[str], item: ItemRef | None = None) -> tuple[str, ...]:
        """Have a run, or an item of it, carry these tags and no others; gives them back as they are kept.

        Raises:
            InvalidParameterError: too many tags, or one that is too long.
        """
        wanted = checked_tags(tags)
        with translated(self._url), writing(self._engine) as connection:
            _lock(connection, run_id)
            _check(connection, run_id, item)
            _put(connection, run_id, item or _RUN_ITSELF, wanted)
        return wanted

    def of_items(self, run_id: str) -> dict[ItemRef, ItemMarks]:
        """The tags and notes of a run's items; an item that has neither is left out."""
        tags: dict[ItemRef, list[str]] = {}
        tagged = select(TAGS.c.key, TAGS.c.attempt, TAGS.c.tag).where(TAGS.c.run_id == run_id, TAGS.c.key != "")
        tagged = tagged.where(in_seen_run(TAGS.c.run_id))
        noted = select(ITEMS.c.key, ITEMS.c.attempt, ITEMS.c.note).where(ITEMS.c.run_id == run_id, ITEMS.c.note != "")
        noted = noted.where(in_seen_run(ITEMS.c.run_id))
        with translated(self._url), self._engine.connect() as connection:
            for key, attempt, tag in connection.execute(tagged.order_by(TAGS.c.tag)):
                tags.setdefault(ItemRef(key, attempt), []).append(tag)
            notes = {ItemRef(key, attempt): note for key, attempt, note in connection.execute(noted)}
        return {item: ItemMarks(tuple(tags.get(item, ())), notes.get(item, "")) for item in {*tags, *notes}}

    def all_tags(self) -> list[tuple[str, int]]:
        """Every tag with the number of runs that carry it, or of whose items one does; the most frequent first."""
        count = func.count(TAGS.c.run_id.distinct())
        query = select(TAGS.c.tag, count).where(in_seen_run(TAGS.c.run_id))
        query = query.group_by(TAGS.c.tag).order_by(count.desc(), TAGS.c.tag)
        with translated(self._url), self._engine.connect() as connection:
            return [(tag, number) for tag, number in connection.execute(query)]


def _lock(connection: Connection, run_id: str) -> None:
    """Have the run to oneself. Raises RunNotFoundError: it is not there, or the caller may not see it."""
    Leases.lock(connection, run_id)
    if connection.execute(select(RUNS.c.id).where(RUNS.c.id == run_id, in_seen_run(RUNS.c.id))).scalar() is None:
        raise RunNotFoundError(f"no run {run_id!r} is stored; it may have been deleted")


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: each once, in alphabetical order, without superfluous blanks.

    Raises:
        InvalidParameterError: too many, or one that is too long.
    """
    found = tuple(sorted({name for tag in tags if (name := storable(" ".join(tag.split())))}))
    if len(found) > MAX_TAGS:
        raise InvalidParameterError(f"{len(found)} tags are too many; at most {MAX_TAGS} fit")
    if overlong := [tag for tag in found if len(tag) > MAX_TAG_CHARS]:
        raise InvalidParameterError(f"the tag {overlong[0][:80]!r} is too long; at most {MAX_TAG_CHARS} characters fit")
    return found


def _put(connection: Connection, run_id: str, item: ItemRef, tags: tuple[str, ...]) -> None:
    where = and_(TAGS.c.run_id == run_id, TAGS.c.key == item.key, TAGS.c.attempt == item.attempt)
    connection.execute(delete(TAGS).where(where))
    rows = [{"run_id": run_id, "key": item.key, "attempt": item.attempt, "tag": tag} for tag in tags]
    if rows:
        connection.execute(insert(TAGS), rows)
    _fold(connection, run_id)


def _check(connection: Connection, run_id: str, item: ItemRef | None) -> None:
    if item is not None and connection.execute(select(ITEMS.c.key).where(_is_item(run_id, item))).scalar() is None:
        raise RunNotFoundError(f"run {run_id!r} has no item {item.key!r}, attempt {item.attempt}, in the store")


def _is_item(run_id: str, item: ItemRef) -> ColumnElement[bool]:
    return and_(ITEMS.c.run_id == run_id, ITEMS.c.key == item.key, ITEMS.c.attempt == item.attempt)


def _fold(connection: Connection, run_id: str) -> None:
    """Have searches find what the marks of the run say now."""
    found = [
        *connection.execute(select(RUNS.c.renamed, RUNS.c.note).where(RUNS.c.id == run_id)).one(),
        *connection.execute(select(ITEMS.c.note).where(ITEMS.c.run_id == run_id, ITEMS.c.note != "")).scalars(),
        *connection.execute(select(TAGS.c.tag).where(TAGS.c.run_id == run_id)).scalars(),
    ]
    folded = fold("\n".join(filter(None, found)))
    connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(folded_marks=folded))
