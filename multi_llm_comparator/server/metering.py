"""What a request to the API counts: see :mod:`groups.accounts`. A request that does not fit is refused with the time
after which it may: clients of the API wait by themselves.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import AsyncGenerator, Generator, Sequence

from starlette.requests import Request

from multi_llm_comparator.core.callers import Caller, acting_for
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.accounts import Account
from multi_llm_comparator.groups.pricing import price_of
from multi_llm_comparator.server.api.answers import ServedAnswer
from multi_llm_comparator.server.api.errors import ApiError, api_error
from multi_llm_comparator.server.api.plan_models import is_run as answers_by_run
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import ClientLeftError
from multi_llm_comparator.server.serving import Served

ANSWERED, CLIENT_LEFT, FAULT = 200, 499, 500


def refuse_models(caller: Caller, names: Sequence[str]) -> None:
    """Raises ApiError: the caller's key may not ask one of the names. "" is nobody."""
    for name in names:
        if name and not caller.limits.may_ask(name):
            said = f"the key {caller.name!r} may not ask {name!r}; GET /v1/models lists what it may"
            raise ApiError(said, 403, code="model_not_allowed", param="model")


def status_of(error: BaseException) -> int:
    """As the usage has it."""
    if isinstance(error, ApiError):
        return error.status
    return CLIENT_LEFT if isinstance(error, ClientLeftError) else FAULT


@contextlib.asynccontextmanager
async def counted(served: Served, request: Request, target: str) -> AsyncGenerator[None, None]:
    """What asks ``target`` for no text, such as its tokens: it counts as a request against the limits of the caller's
    key. The usage, which is of answers, does not have it.

    Raises:
        ApiError: the key may not ask this name, or its limits have no room.
    """
    meter = Meter(served, request, target, is_run=True, is_noted=False)
    await meter.admit(())
    try:
        yield
    finally:
        meter.end((), ANSWERED)


class Meter:
    """One request of a caller to ``target``. Whoever makes one ends it.

    What a whole run could cost is not known before. Of a key with a budget each model that a run asks is booked by
    itself, and the usage has those in place of the run: begin it within :meth:`acting`.

    Args:
        is_run: a run answers, whatever the target's name; or nobody does, and there is nothing to book.
        is_noted: whether the usage has it.
    """

    def __init__(
        self, served: Served, request: Request, target: str, *, is_run: bool = False, is_noted: bool = True
    ) -> None:
        self._served, self._target, self._is_noted = served, target, is_noted
        self._caller: Caller = caller_of(request.scope)
        self._path = request.url.path.removeprefix("/v1")
        has_budget = self._caller.limits.budget_per_day_usd is not None
        self._books_inside = has_budget and (is_run or answers_by_run(target))
        self._account = Account(served.gateway, served.usage, self._caller, target, self._path)
        self._has_ended = False

    def acting(self) -> contextlib.AbstractContextManager[None]:
        """What is begun within this is counted as it should be."""
        if not self._books_inside:
            return contextlib.nullcontext()
        return acting_for(self._caller, is_admitted=True, path=self._path)

    async def admit(self, requests: Sequence[GenerationRequest]) -> None:
        """Count what the requests may take at most.

        Raises:
            ApiError: a limit or the budget of the key has no room; the refusal is in the usage.
        """
        limits = self._caller.limits
        try:
            refuse_models(self._caller, [self._target])
            if limits.rpm or limits.tpm or limits.concurrency:
                await self._take(requests)
            if limits.budget_per_day_usd is not None and not self._books_inside:
                await self._served.there(self._account.book(requests))
        except MultiLLMError as exc:
            error = api_error(type(exc).__name__, str(exc))
            self.end((), error.status)
            raise error from exc
        except BaseException as exc:
            # Whatever it is, what was taken by then is given back.
            self.end((), status_of(exc))
            raise

    async def _take(self, requests: Sequence[GenerationRequest]) -> None:
        wait_s = await self._served.there(self._account.take(requests))
        if wait_s is not None:
            said, after_s = self._account.refusal(wait_s), math.ceil(wait_s)
            raise ApiError(said, 429, code="rate_limit_exceeded", retry_after_s=after_s)

    @contextlib.contextmanager
    def counting(self, answers: Sequence[ServedAnswer]) -> Generator[None, None, None]:
        """What makes ``answers``, which are sent whole: the request ends with this, in the status that it comes to.

        Raises:
            ApiError: in place of an error of ours.
        """
        status = FAULT
        try:
            yield
            status = ANSWERED
        except MultiLLMError as exc:
            error = api_error(type(exc).__name__, str(exc))
            status = error.status
            raise error from exc
        except (ApiError, ClientLeftError) as exc:
            status = status_of(exc)
            raise
        finally:
            self.end(answers, status)

    def end(self, answers: Sequence[ServedAnswer], status: int) -> None:
        """Free what was held and note what was used; harmless a second time."""
        if self._has_ended:
            return
        self._has_ended = True
        tokens = (sum(one.prompt_tokens for one in answers), sum(one.completion_tokens for one in answers))
        costs = [self._usd(one) for one in answers]
        usd = None if any(one is None for one in costs) else sum(one or 0.0 for one in costs)
        first = min((one.first_text_at for one in answers if one.first_text_at), default=None)
        # What was refused asked nobody within.
        is_noted = self._is_noted and not (self._books_inside and answers)
        close = functools.partial(self._account.close, status, tokens, usd, first, now(), is_noted=is_noted)
        # Limits and usage are kept on the gateway's event loop.
        self._served.loop.call_soon_threadsafe(close)

    def _usd(self, answer: ServedAnswer) -> float | None:
        """What an answer took; of one that ended early, what it had taken by then."""
        if answer.usd is not None or not answer.model:
            return answer.usd or 0.0
        declaration = self._served.gateway.groups.config.declaration(answer.model)
        return price_of(declaration, answer.prompt_tokens, answer.completion_tokens, name=answer.model).usd
