"""What is asked for a caller where nobody further out counts it: on pages, and by runs of a key with a budget."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from multi_llm_comparator.core.callers import Acting, acting
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Attempted, Cost, Event, Failed, Finished, Started, TextDelta, ThoughtDelta
from multi_llm_comparator.core.exceptions import LimitExceededError, MultiLLMError, NotAllowedError
from multi_llm_comparator.core.requests import GenerationRequest, TextSource
from multi_llm_comparator.groups.accounts import Account
from multi_llm_comparator.groups.gateway import Gateway
from multi_llm_comparator.groups.pricing import price_of
from multi_llm_comparator.tracking.usage import UsageWriter

# As HTTP has them, for the usage.
_ANSWERED, _REFUSED, _LEFT, _FAILED = 200, 403, 499, 502


class Metered:
    """A source that asks for whoever is the caller: an admin plainly, a workspace within what its key may.

    On pages a name that stands in a plan or a cooperation is asked for the key like any other: it must be allowed by
    itself.

    Args:
        source: who is asked.
        gateway: where limits and budgets are kept.
        usage: where it is noted what was asked.
        named: turns a local model's id into its name; anything else comes back as it is.
    """

    def __init__(self, source: TextSource, gateway: Gateway, usage: UsageWriter, named: Callable[[str], str]) -> None:
        self._source, self._gateway, self._usage, self._named = source, gateway, usage, named

    def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """See :meth:`TextSource.stream`."""
        how = acting()
        if how.is_counted or (how.caller.is_admin and how.caller.limits.budget_per_day_usd is None):
            return self._source.stream(target, request)
        return self._counted(how, target, request)

    async def _counted(self, how: Acting, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        account = Account(self._gateway, self._usage, how.caller, self._named(target), how.path)
        spent = _Spent()
        try:
            await self._admit(account, how, target, request)
        except MultiLLMError as exc:
            account.close(_REFUSED, (0, 0), 0.0, None, now())
            yield Failed.of(request.id, exc)
            return
        except BaseException:
            account.close(_LEFT, (0, 0), 0.0, None, now())
            raise
        try:
            async with contextlib.aclosing(self._source.stream(target, request)) as events:
                async for event in events:
                    spent.note(event)
                    yield event
        finally:
            account.close(spent.status, (spent.read, spent.written), self._usd(spent), spent.first_text_at, now())

    async def _admit(self, account: Account, how: Acting, target: str, request: GenerationRequest) -> None:
        name = self._named(target)
        if not how.is_admitted:
            if not how.caller.limits.may_ask(name):
                raise NotAllowedError(f"the key {how.caller.name!r} may not ask {name!r}")
            wait_s = await account.take([request])
            if wait_s is not None:
                raise LimitExceededError(account.refusal(wait_s))
        await account.book([request])

    def _usd(self, spent: _Spent) -> float | None:
        if spent.usd is not None or not spent.model:
            return spent.usd or 0.0
        declaration = self._gateway.groups.config.declaration(spent.model)
        return price_of(declaration, spent.read, spent.written, name=spent.model).usd


@dataclass
class _Spent:
    """What an answer has taken by now. ``status`` is how it would be noted if it ended here."""

    status: int = _LEFT
    read: int = 0
    written: int = 0
    model: str = ""
    usd: float | None = None
    first_text_at: float | None = None

    def note(self, event: Event) -> None:
        match event:
            case Attempted(model=model):
                self.model = model
            case Started(prompt_tokens=read):
                self.read = read
            case ThoughtDelta(tokens=tokens) | TextDelta(tokens=tokens):
                self.written = tokens
                self.first_text_at = self.first_text_at or event.at
            case Cost(model=model, usd=usd):
                self.model, self.usd = model, usd
            case Finished(prompt_tokens=read, completion_tokens=written):
                self.status, self.read, self.written = _ANSWERED, read, written
            case Failed():
                self.status = _FAILED
