"""What was asked of the API: by whom, of which model, how much and how long; never what.

Rows are collected in memory and written in batches, so that no request waits for the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Engine,
    Integer,
    Subquery,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.engine import URL

from multi_llm_comparator.core.callers import current_caller
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.tracking.database import translated, writing
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.tracking.tables import api_keys as KEYS
from multi_llm_comparator.tracking.tables import api_usage as USAGE

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
MAX_ROWS = 1_000_000
MAX_GROUPS, MAX_BUCKETS = 500, 400
WRITE_EVERY_S, PRUNE_EVERY_S = 1.0, 3600.0
# What waits to be written; beyond it the oldest is dropped, and the log says how many.
MAX_WAITING = 20_000
By = Literal["caller", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One request. ``caller`` is a key's id, ``token``, ``jwt:NAME``, or empty for this machine's own.

    ``status`` is HTTP's: of a stream that broke, that of its error; 499 where the client left. ``micro_usd`` is None
    where no price is known.
    """

    at: float
    caller: str
    model: str
    path: str
    status: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    micro_usd: int | None = None
    latency_s: float
    first_text_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """Requests of one caller to one model, or of one stretch of time. ``p50_s`` and ``p95_s`` are latencies."""

    caller: str = ""
    model: str = ""
    begins_at: float = 0.0
    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    micro_usd: int
    unpriced: int
    p50_s: float | None = None
    p95_s: float | None = None


class Usage:
    """The table of requests. Any thread may call.

    Raises:
        StoreError: in every method: see :class:`Store`.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine, self._url = engine, url

    def add(self, records: Sequence[UsageRecord]) -> None:
        """Write requests, and when their keys were used last."""
        rows = [asdict(_storable(one)) for one in records]
        if not rows:
            return
        last = {row["caller"]: row["at"] for row in sorted(rows, key=lambda row: row["at"]) if row["caller"]}
        with translated(self._url), writing(self._engine) as connection:
            connection.execute(insert(USAGE), rows)
            for caller, at in last.items():
                connection.execute(update(KEYS).where(KEYS.c.id == caller[:16]).values(last_used_at=at))

    def prune(self, keep_s: float) -> int:
        """Delete what is older than ``keep_s`` seconds, and of the rest what is beyond MAX_ROWS; how many that were."""
        with translated(self._url), writing(self._engine) as connection:
            newest = connection.execute(select(func.max(USAGE.c.id))).scalar() or 0
            old = (USAGE.c.at < now() - keep_s) | (USAGE.c.id <= newest - MAX_ROWS)
            return connection.execute(delete(USAGE).where(old)).rowcount

    def totals(self, since: float) -> list[UsageTotal]:
        """By caller and model, the most requests first; at most MAX_GROUPS. Who is no admin is told of itself alone."""
        chosen = and_(USAGE.c.at >= since, _seen())
        sums = select(USAGE.c.caller, USAGE.c.model, *_SUMS).where(chosen).group_by(USAGE.c.caller, USAGE.c.model)
        sums = sums.order_by(func.count().desc(), USAGE.c.caller, USAGE.c.model).limit(MAX_GROUPS)
        ranked = _ranked(chosen)
        times = select(ranked.c.caller, ranked.c.model, _at_share(ranked, 50), _at_share(ranked, 95))
        times = times.group_by(ranked.c.caller, ranked.c.model)
        with translated(self._url), self._engine.connect() as connection:
            found = {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(times)}
            return [
                UsageTotal(**row._mapping, p50_s=p50, p95_s=p95)
                for row in connection.execute(sums)
                for p50, p95 in [found.get((row.caller, row.model), (None, None))]
            ]

    def over_time(self, since: float, until: float, bucket_s: float, by: By) -> list[UsageTotal]:
        """By stretch of ``bucket_s`` seconds and by caller or model, in order of time.

        Stretches are counted from ``since`` on, and lengthened where there would be more than MAX_BUCKETS. Who is no
        admin is told of itself alone.
        """
        whole_s = max(1, math.ceil(bucket_s), math.ceil((until - since) / MAX_BUCKETS))
        number = (cast(USAGE.c.at - since, Integer) // whole_s).label("number")
        column = USAGE.c[by]
        query = (
            select(number, column, *_SUMS)
            .where(USAGE.c.at >= since, USAGE.c.at < until, _seen())
            .group_by(number, column)
        )
        query = query.order_by(number, column).limit(MAX_BUCKETS * 50)
        with translated(self._url), self._engine.connect() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return [UsageTotal(begins_at=since + row.pop("number") * whole_s, **row) for row in rows]


def _storable(record: UsageRecord) -> UsageRecord:
    caller, model, path = storable(record.caller)[:100], storable(record.model)[:300], storable(record.path)[:100]
    return replace(record, caller=caller, model=model, path=path)


_SUMS: tuple[ColumnElement[Any], ...] = (
    func.count().label("requests"),
    func.sum(case((USAGE.c.status >= 400, 1), else_=0)).label("failed"),
    func.sum(USAGE.c.prompt_tokens).label("prompt_tokens"),
    func.sum(USAGE.c.completion_tokens).label("completion_tokens"),
    func.coalesce(func.sum(USAGE.c.micro_usd), 0).label("micro_usd"),
    func.sum(case((USAGE.c.micro_usd.is_(None) & (USAGE.c.status < 400), 1), else_=0)).label("unpriced"),
)


def _seen() -> ColumnElement[bool]:
    caller = current_caller()
    return true() if caller.is_admin else USAGE.c.caller == (caller.id or "-")


def _ranked(chosen: ColumnElement[bool]) -> Subquery:
    """The latencies of answered requests with their rank among those of the same caller and model."""
    within: dict[str, Any] = {"partition_by": (USAGE.c.caller, USAGE.c.model)}
    rank = func.row_number().over(order_by=USAGE.c.latency_s, **within).label("rank")
    query = select(USAGE.c.caller, USAGE.c.model, USAGE.c.latency_s, rank, func.count().over(**within).label("of"))
    return query.where(chosen, USAGE.c.status < 400).subquery()


def _at_share(ranked: Subquery, percent: int) -> ColumnElement[Any]:
    """The latency at or below which ``percent`` of them are: no database here has medians of its own."""
    # Ranks are whole: times 100 against the share times the number, so that nothing is divided.
    is_there = and_(ranked.c.rank * 100 >= ranked.c.of * percent, (ranked.c.rank - 1) * 100 < ranked.c.of * percent)
    return func.max(case((is_there, ranked.c.latency_s)))


class UsageWriter:
    """Collects requests and writes them every second, on the event loop that it is used on first.

    Args:
        usage: the table.
        keep_days: how long requests are kept.
    """

    def __init__(self, usage: Usage, keep_days: int) -> None:
        self._usage, self._keep_s = usage, keep_days * DAY_S
        self._waiting: deque[UsageRecord] = deque(maxlen=MAX_WAITING)
        self._dropped = 0
        self._ends = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = float("-inf")

    def add(self, record: UsageRecord) -> None:
        """Have a request written soon; never waits."""
        self._dropped += len(self._waiting) == MAX_WAITING
        self._waiting.append(record)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_soon(), name="usage of the API")

    async def _write_soon(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ends.wait(), WRITE_EVERY_S)
            if not await self._write() and self._ends.is_set():
                return

    async def _write(self) -> bool:
        records = list(self._waiting)
        self._waiting.clear()
        try:
            await asyncio.to_thread(self._usage.add, records)
        except StoreError as exc:
            logger.warning("the usage of %d requests is not written yet: %s", len(records), exc)
            self._dropped += max(0, len(records) + len(self._waiting) - MAX_WAITING)
            self._waiting.extendleft(reversed(records))
            return False
        if self._dropped:
            logger.error("the usage of %d requests was lost: the database took none for too long", self._dropped)
            self._dropped = 0
        if now() - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = now()
            await asyncio.to_thread(self._prune)
        return True

    def _prune(self) -> None:
        try:
            self._usage.prune(self._keep_s)
        except StoreError as exc:
            logger.warning("old usage is not deleted yet: %s", exc)

    async def aclose(self) -> None:
        """Write what waits."""
        self._ends.set()
        if self._task is not None:
            await self._task
