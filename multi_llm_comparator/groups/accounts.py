"""What is asked for a caller counts: against its limits and its budget before it is asked, into the usage after it.

Limits are counted where those of groups are, in the process or in its Redis, and by the same means.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

from multi_llm_comparator.core.callers import Caller
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.budgets import Booking, allowances_of, book, settle
from multi_llm_comparator.groups.config import Budget, ModelDeclaration
from multi_llm_comparator.groups.gateway import Gateway
from multi_llm_comparator.groups.json_disk import STORE_ERRORS
from multi_llm_comparator.groups.limits import Grant, Level
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens, most_prompt_tokens, price_of
from multi_llm_comparator.tracking.usage import UsageRecord, UsageWriter

logger = logging.getLogger(__name__)

_LIMITED = (("rpm", "requests a minute"), ("tpm", "tokens a minute"), ("concurrency", "at once"))


class Account:
    """One request of ``caller`` to ``target``. Whoever opens one closes it; its methods belong to the gateway's loop.

    Args:
        gateway: where limits and budgets are kept.
        usage: where it is noted what was asked; None notes nothing.
        caller: whom it counts for.
        target: who is asked.
        path: where it was asked, as the usage has it.
    """

    def __init__(self, gateway: Gateway, usage: UsageWriter | None, caller: Caller, target: str, path: str) -> None:
        self._gateway, self._usage, self._caller = gateway, usage, caller
        self._grant: Grant | None = None
        self._booking: Booking | None = None
        self._record = UsageRecord(
            at=now(), caller=caller.id, model=target, path=path[:100], status=0, latency_s=0.0, first_text_s=None
        )

    async def take(self, requests: Sequence[GenerationRequest]) -> float | None:
        """Take what the requests may take at most of the caller's limits. None says that it was taken; a number of
        seconds, that there may be room after so long."""
        limits = self._caller.limits
        if not (limits.rpm or limits.tpm or limits.concurrency):
            return None
        level = Level(f"key:{self._caller.id}", limits.concurrency, limits.rpm, limits.tpm)
        tokens = sum(estimated_prompt_tokens(one) + one.config.max_tokens for one in requests)
        found = await self._gateway.parts.controller.store.take((level,), tokens)
        if isinstance(found, Grant):
            self._grant = found
            return None
        return 1.0 if found.wait_s is None or not math.isfinite(found.wait_s) else found.wait_s

    def refusal(self, wait_s: float) -> str:
        """What is said where :meth:`take` found no room."""
        limits = self._caller.limits
        given = ", ".join(f"{getattr(limits, name)} {words}" for name, words in _LIMITED if getattr(limits, name))
        return (
            f"the key {self._caller.name!r} may take {given}, and this request is beyond it; "
            f"try again in {math.ceil(wait_s)} s"
        )

    async def book(self, requests: Sequence[GenerationRequest]) -> None:
        """Set aside what the dearest model behind the target could cost.

        Raises:
            BudgetExceededError: the budget has no room for it.
        """
        per_day_usd = self._caller.limits.budget_per_day_usd
        if per_day_usd is None:
            return
        most = (sum(most_prompt_tokens(one) for one in requests), sum(one.config.max_tokens for one in requests))
        model, declaration = self._dearest(most)
        # What names a book must not hold the sign that parts it from its period.
        name = f"key {self._caller.id} ({self._caller.name.replace('|', '/')})"
        allowances = allowances_of(name, Budget(per_day_usd=per_day_usd), "")
        self._booking = await book(self._gateway.parts.ledger, allowances, declaration, model, most)

    def _dearest(self, tokens: tuple[int, int]) -> tuple[str, ModelDeclaration]:
        groups = self._gateway.groups
        found: list[tuple[float, str, ModelDeclaration]] = []
        for model in sorted(groups.route(self._record.model).models()):
            declaration = groups.config.declaration(model)
            usd = price_of(declaration, *tokens, name=model).usd
            # One whose price nobody knows is the dearest: a budget cannot be kept with it.
            found.append((math.inf if usd is None else usd, model, declaration))
        _, model, declaration = max(found, key=lambda one: one[0])
        return model, declaration

    def close(
        self,
        status: int,
        tokens: tuple[int, int],
        usd: float | None,
        first_text_at: float | None,
        ended_at: float,
        *,
        is_noted: bool = True,
    ) -> None:
        """Free what was held and note what was used.

        Args:
            status: HTTP's.
            tokens: of the prompts, and written.
            usd: what it cost; None where no price is known.
            first_text_at: when the first text came, in seconds since the epoch; None where none did.
            ended_at: when it was over.
            is_noted: whether it is in the usage; what was asked within it may stand there by itself.
        """
        began_at = self._record.at
        record = replace(
            self._record,
            at=ended_at,
            status=status,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            micro_usd=None if usd is None else round(usd * 1e6),
            latency_s=max(0.0, ended_at - began_at),
            first_text_s=None if first_text_at is None else max(0.0, first_text_at - began_at),
        )
        parts = self._gateway.parts
        if self._grant is not None:
            parts.controller.settle(self._grant, sum(tokens))
        if self._booking is not None:
            try:
                settle(parts.ledger, self._booking, usd or 0.0)
            except STORE_ERRORS:
                # What was set aside stays booked, which errs on the safe side.
                logger.exception("the ledger of the budgets cannot be written")
        if self._usage is not None and is_noted:
            self._usage.add(record)
