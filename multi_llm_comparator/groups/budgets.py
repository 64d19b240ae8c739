"""Budgets that are kept before the money is spent.

What a call could cost at most is booked before it is made and corrected after. The books are on disk (or in Redis),
so that a restart does not give a spent budget back; what a crashed process had booked stays booked.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from multi_llm_comparator.core.exceptions import BudgetExceededError
from multi_llm_comparator.groups.config import Budget, ModelDeclaration
from multi_llm_comparator.groups.json_disk import STORE_ERRORS, open_store
from multi_llm_comparator.groups.pricing import price_of

logger = logging.getLogger(__name__)

KEEP_S = 3 * 86_400.0
_ASK_LESS = "raise it, or ask for fewer tokens or a cheaper model"
# By the period of the budget.
_WHAT_TO_DO = {"day": "raise it, ask for fewer tokens or a cheaper model, or wait until 00:00 UTC"}


@dataclass(frozen=True, slots=True)
class Allowance:
    """One budget in force: ``key`` names it and its period."""

    key: str
    limit_micro_usd: int

    @property
    def group(self) -> str:
        return self.key.split("|", 2)[0]

    @property
    def period(self) -> str:
        return self.key.split("|", 2)[1]


@dataclass(frozen=True, slots=True)
class Booking:
    """What is set aside for one call."""

    allowances: tuple[Allowance, ...]
    micro_usd: int


class Ledger(Protocol):
    """The books, in millionths of a dollar. ``book`` and ``correct`` are atomic."""

    async def book(self, allowances: tuple[Allowance, ...], micro_usd: int) -> Allowance | None:
        """Set the amount aside in all allowances, or in none and return the one that has too little left."""
        ...

    def correct(self, allowances: tuple[Allowance, ...], difference_micro_usd: int) -> None: ...

    def spent(self, key: str) -> int: ...

    async def aclose(self) -> None: ...


class DiskLedger:
    """Books in one SQLite file, shared by the processes of a machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: Any = None

    @property
    def _books(self) -> Any:
        if self._opened is None:
            # No eviction: a forgotten entry would be a budget given back. Entries leave by their age.
            self._opened = open_store(self._folder, eviction_policy="none")
        return self._opened

    async def book(self, allowances: tuple[Allowance, ...], micro_usd: int) -> Allowance | None:
        with self._books.transact():
            for allowance in allowances:
                if self.spent(allowance.key) + micro_usd > allowance.limit_micro_usd:
                    return allowance
            self._add(allowances, micro_usd)
        return None

    def correct(self, allowances: tuple[Allowance, ...], difference_micro_usd: int) -> None:
        with self._books.transact():
            self._add(allowances, difference_micro_usd)

    def _add(self, allowances: tuple[Allowance, ...], micro_usd: int) -> None:
        for allowance in allowances:
            self._books.set(allowance.key, max(0, self.spent(allowance.key) + micro_usd), expire=KEEP_S)

    def spent(self, key: str) -> int:
        value: Any = self._books.get(key, 0)
        return value if isinstance(value, int) else 0

    async def aclose(self) -> None:
        if self._opened is not None:
            self._opened.close()


def allowances_of(group: str, budget: Budget, run_id: str) -> tuple[Allowance, ...]:
    """The budgets of ``group`` that a call in run ``run_id`` is paid from. Days are UTC's."""
    allowances = []
    if budget.per_day_usd is not None:
        allowances.append(Allowance(f"{group}|day|{datetime.now(UTC):%Y-%m-%d}", round(budget.per_day_usd * 1e6)))
    if budget.per_run_usd is not None and run_id:
        allowances.append(Allowance(f"{group}|run|{run_id}", round(budget.per_run_usd * 1e6)))
    return tuple(allowances)


async def book(
    ledger: Ledger,
    allowances: tuple[Allowance, ...],
    declaration: ModelDeclaration,
    model: str,
    tokens: tuple[int, int],
) -> Booking:
    """Set aside what a call with at most ``tokens`` (prompt, completion) could cost.

    Raises:
        BudgetExceededError: a budget has too little left, or the price is unknown, so that it cannot be kept.
    """
    price = price_of(declaration, *tokens, name=model)
    if price.usd is None:
        raise BudgetExceededError(
            f"no price of {model!r} is known, so its group's budget cannot be kept: give it a 'price'"
        )
    micro_usd = -int(-price.usd * 1e6 // 1)
    if micro_usd == 0:
        return Booking((), 0)
    try:
        short = await ledger.book(allowances, micro_usd)
    except STORE_ERRORS as exc:
        raise BudgetExceededError(
            f"the ledger of the budget of {allowances[0].group!r} cannot be read, so it cannot be kept: {exc}"
        ) from exc
    if short is not None:
        left = (short.limit_micro_usd - ledger.spent(short.key)) / 1e6
        to_do = _WHAT_TO_DO.get(short.period, _ASK_LESS)
        raise BudgetExceededError(
            f"the call of {model!r} could cost up to ${price.usd:.6f} and the budget of {short.group!r} per"
            f" {short.period} has ${max(0.0, left):.6f} left; nothing was spent: {to_do}"
        )
    return Booking(allowances, micro_usd)


def spent_today_usd(ledger: Ledger, group: str, budget: Budget) -> float | None:
    """What ``group`` has spent today, with what is set aside for calls at work; None if the books cannot be read."""
    try:
        return sum(ledger.spent(allowance.key) / 1e6 for allowance in allowances_of(group, budget, ""))
    except STORE_ERRORS as exc:
        logger.debug("the ledger of the budgets cannot be read: %s", exc)
        return None


def settle(ledger: Ledger, booking: Booking, usd: float) -> None:
    """Replace what was set aside by what the call cost."""
    difference = round(usd * 1e6) - booking.micro_usd
    if booking.allowances and difference:
        ledger.correct(booking.allowances, difference)
