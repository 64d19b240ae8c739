"""What a request counts: against the limits and the budget of its key before it is asked, into the usage after it.

The limits are counted where those of groups are, in the process or in its Redis, and by the same means. A request that
does not fit is refused with the time after which it may: clients of the API wait by themselves.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from starlette.requests import Request

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.budgets import Booking, allowances_of, book, settle
from multi_llm_comparator.groups.config import Budget, ModelDeclaration
from multi_llm_comparator.groups.json_disk import STORE_ERRORS
from multi_llm_comparator.groups.limits import Grant, Level
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens, most_prompt_tokens, price_of
from multi_llm_comparator.server.api.answers import Answer
from multi_llm_comparator.server.api.errors import ApiError, api_error
from multi_llm_comparator.server.api.plan_models import is_run
from multi_llm_comparator.server.callers import Caller, caller_of
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.tracking.usage import UsageRecord

logger = logging.getLogger(__name__)

ANSWERED, CLIENT_LEFT, FAULT = 200, 499, 500


def refuse_models(caller: Caller, names: Sequence[str]) -> None:
    """Raises ApiError: the caller's key may not ask one of the names. "" is nobody."""
    for name in names:
        if name and not caller.limits.may_ask(name):
            said = f"the key {caller.name!r} may not ask {name!r}; GET /v1/models lists what it may"
            raise ApiError(said, 403, code="model_not_allowed", param="model")


class Meter:
    """One request of a caller to ``target``. Whoever makes one ends it."""

    def __init__(self, served: Served, request: Request, target: str) -> None:
        self._served, self._target = served, target
        self._caller: Caller = caller_of(request.scope)
        self._path = request.url.path.removeprefix("/v1")
        self._began_at = now()
        self._grant: Grant | None = None
        self._booking: Booking | None = None
        self._has_ended = False
        self._requests: Sequence[GenerationRequest] = ()

    async def admit(self, requests: Sequence[GenerationRequest]) -> None:
        """Count what the requests may take at most.

        Raises:
            ApiError: a limit or the budget of the key has no room; the refusal is in the usage.
        """
        self._requests = requests
        limits = self._caller.limits
        try:
            refuse_models(self._caller, [self._target])
            if limits.budget_per_day_usd is not None and is_run(self._target):
                said = "what a plan or cooperation could cost is not known before; ask it with a key that has no budget"
                raise ApiError(said, 403, param="model")
            if limits.rpm or limits.tpm or limits.concurrency:
                await self._served.there(self._take())
            if limits.budget_per_day_usd is not None:
                await self._served.there(self._book(limits.budget_per_day_usd))
        except MultiLLMError as exc:
            error = api_error(type(exc).__name__, str(exc))
            self.end((), error.status)
            raise error from exc
        except BaseException as exc:
            # Whatever it is, what was taken by then is given back.
            self.end((), exc.status if isinstance(exc, ApiError) else FAULT)
            raise

    async def _take(self) -> None:
        limits = self._caller.limits
        level = Level(f"key:{self._caller.id}", limits.concurrency, limits.rpm, limits.tpm)
        tokens = sum(estimated_prompt_tokens(one) + one.config.max_tokens for one in self._requests)
        found = await self._served.gateway.parts.controller.store.take((level,), tokens)
        if isinstance(found, Grant):
            self._grant = found
            return
        kinds = (("rpm", "requests a minute"), ("tpm", "tokens a minute"), ("concurrency", "at once"))
        given = ", ".join(f"{getattr(limits, name)} {words}" for name, words in kinds if getattr(limits, name))
        wait_s = 1.0 if found.wait_s is None or not math.isfinite(found.wait_s) else found.wait_s
        raise ApiError(
            f"the key {self._caller.name!r} may take {given}, and this request is beyond it; "
            f"try again in {math.ceil(wait_s)} s",
            429,
            code="rate_limit_exceeded",
            retry_after_s=math.ceil(wait_s),
        )

    async def _book(self, per_day_usd: float) -> None:
        """Set aside what the dearest model behind the target could cost."""
        most = (
            sum(most_prompt_tokens(one) for one in self._requests),
            sum(one.config.max_tokens for one in self._requests),
        )
        model, declaration = self._dearest(most)
        gateway = self._served.gateway
        # What names a book must not hold the sign that parts it from its period.
        name = f"key {self._caller.id} ({self._caller.name.replace('|', '/')})"
        allowances = allowances_of(name, Budget(per_day_usd=per_day_usd), "")
        self._booking = await book(gateway.parts.ledger, allowances, declaration, model, most)

    def _dearest(self, tokens: tuple[int, int]) -> tuple[str, ModelDeclaration]:
        groups = self._served.gateway.groups
        found: list[tuple[float, str, ModelDeclaration]] = []
        for model in sorted(groups.route(self._target).models()):
            declaration = groups.config.declaration(model)
            usd = price_of(declaration, *tokens, name=model).usd
            # One whose price nobody knows is the dearest: a budget cannot be kept with it.
            found.append((math.inf if usd is None else usd, model, declaration))
        _, model, declaration = max(found, key=lambda one: one[0])
        return model, declaration

    def end(self, answers: Sequence[Answer], status: int) -> None:
        """Free what was held and note what was used; harmless a second time."""
        if self._has_ended:
            return
        self._has_ended = True
        tokens = (sum(one.prompt_tokens for one in answers), sum(one.completion_tokens for one in answers))
        costs = [self._usd(one) for one in answers]
        usd = None if any(one is None for one in costs) else sum(one or 0.0 for one in costs)
        first = min((one.first_text_at for one in answers if one.first_text_at), default=None)
        record = UsageRecord(
            at=now(),
            caller=self._caller.id,
            model=self._target,
            path=self._path[:100],
            status=status,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            micro_usd=None if usd is None else round(usd * 1e6),
            latency_s=max(0.0, now() - self._began_at),
            first_text_s=None if first is None else max(0.0, first - self._began_at),
        )
        self._served.loop.call_soon_threadsafe(self._settle, record, usd or 0.0)

    def _usd(self, answer: Answer) -> float | None:
        """What an answer took; of one that ended early, what it had taken by then."""
        if answer.usd is not None or not answer.model:
            return answer.usd or 0.0
        declaration = self._served.gateway.groups.config.declaration(answer.model)
        return price_of(declaration, answer.prompt_tokens, answer.completion_tokens, name=answer.model).usd

    def _settle(self, record: UsageRecord, usd: float) -> None:
        """On the gateway's event loop, where limits and usage are kept."""
        parts = self._served.gateway.parts
        if self._grant is not None:
            parts.controller.settle(self._grant, record.prompt_tokens + record.completion_tokens)
        if self._booking is not None:
            try:
                settle(parts.ledger, self._booking, usd)
            except STORE_ERRORS:
                # What was set aside stays booked, which errs on the safe side.
                logger.exception("the ledger of the budgets cannot be written")
        if self._served.usage is not None:
            self._served.usage.add(record)
