"""Where a mode works: it asks members here, and what they answer is written down before anything is built on it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.cooperation.calls import (
    MAX_KEPT_PROMPT_CHARS,
    Call,
    CooperationNote,
    LeftOut,
    Purpose,
    Reason,
    digest,
)
from multi_llm_comparator.cooperation.outcome import Count, Outcome, Ranked
from multi_llm_comparator.cooperation.snapshot import Phase
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed
from multi_llm_comparator.core.exceptions import (
    DeadlineExceededError,
    MultiLLMError,
    error_from_name,
    kind_of_all,
)
from multi_llm_comparator.core.requests import GenerationRequest, Message, OneRun
from multi_llm_comparator.core.timings import AnswerProgress

if TYPE_CHECKING:
    from multi_llm_comparator.cooperation.run import CooperationRun

# Members that are left out because of the deadline need so long to be told.
_SOON_S = 0.001


class Desk:
    """The run's side of a mode: asks, remembers, notes.

    Args:
        run: gets the calls.
    """

    def __init__(self, run: CooperationRun) -> None:
        self.run, self.spec = run, run.spec
        self._source = OneRun(run.source, run.id)
        self._notes: list[CooperationNote] = []
        self._left_out: dict[str, LeftOut] = {}
        loop = asyncio.get_running_loop()
        self._deadline = None if run.spec.deadline_s is None else loop.time() + run.spec.deadline_s

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask(
        self,
        key: str,
        target: str,
        purpose: Purpose,
        messages: Sequence[Message],
        *,
        member: int | None = None,
        role: str = "",
        round: int = 1,
        sample: int = 0,
        config: ModelConfig | None = None,
        constraint: Constraint | None = None,
    ) -> Call:
        """The answer of ``target``, once it is written down; one that failed says why. An answer to the very same that
        the run has already is given back, and nobody is asked.

        Raises:
            StoreError, RunAtWorkError: the answer cannot be written down.
            CancelledError: nobody wants it any more.
        """
        config = self._config(target, member, sample, config)
        asked = digest(target, messages, config, constraint)
        if (known := self.run.calls.get(key)) is not None and known.is_done and known.asked == asked:
            return known
        progress = AnswerProgress(requested_at=now())
        call = Call(key, target, purpose, member, role, round, sample, asked, progress=progress)
        request = GenerationRequest(messages=tuple(messages), config=config, constraint=constraint)
        self.run.began(call)
        try:
            await self._answered(call, request)
        except asyncio.CancelledError:
            progress.state, progress.ended_at = "stopped", now()
            raise
        progress.prompt = progress.prompt[:MAX_KEPT_PROMPT_CHARS]
        if not call.is_done:
            self.leave_out(target, call.left or "failed", progress.error or "the answer was cut off")
        await self.run.finished(call)
        return call

    async def _answered(self, call: Call, request: GenerationRequest) -> None:
        left_s, limit_s = self.left_s, self.spec.member_timeout_s
        try:
            async with asyncio.timeout(limit_s if left_s is None else min(limit_s, max(left_s, _SOON_S))):
                await ask(self._source, call.target, request, call.progress, lambda _: self.run.changed(call.key))
        except TimeoutError:
            is_all = self.is_overdue
            call.left = "deadline" if is_all else None
            said = f"the cooperation's {self.spec.deadline_s:g} s are over" if is_all else f"no answer in {limit_s:g} s"
            failed = Failed(request_id=request.id, error_type=DeadlineExceededError.__name__, message=said)
            call.progress.apply(failed)

    def _config(self, target: str, member: int | None, sample: int, config: ModelConfig | None) -> ModelConfig:
        own = self.spec.members[member].config if member is not None else None
        found = config or own or self.spec.config
        if found.seed is None and not found.is_greedy:
            # A resumed run asks the very same, and samples of one model differ.
            text = f"{self.spec.seed}/{target}/{member}/{sample}"
            return replace(found, seed=int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1)
        if found.seed is not None and sample:
            return replace(found, seed=(found.seed + sample) % 2**32)
        return found

    async def ask_member(self, number: int, purpose: Purpose, messages: Sequence[Message], **more: Any) -> Call:
        """As :meth:`ask`, of a member by its number; ``key`` is made of purpose, round, number and sample."""
        round_, sample = more.get("round", 1), more.get("sample", 0)
        key = f"{purpose}.{round_}.{number}" + (f".{sample}" if sample else "")
        constraint = self.spec.constraint if purpose in ("answer", "vote") else None
        more.setdefault("constraint", constraint)
        return await self.ask(key, self.spec.members[number].target, purpose, messages, member=number, **more)

    def conversation(self, question: str | None = None) -> tuple[Message, ...]:
        """The conversation up to the question, or to what is asked instead of it."""
        asked = self.spec.question if question is None else question
        return (*self.spec.history, Message("user", asked))

    # --- time -------------------------------------------------------------------------------------------------------

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()

    @property
    def is_overdue(self) -> bool:
        return (left_s := self.left_s) is not None and left_s <= 0

    # --- what is said of it -----------------------------------------------------------------------------------------

    def note(self, code: str, **values: object) -> None:
        """A remark for whoever reads the answer."""
        if (note := CooperationNote.of(code, **values)) not in self._notes:
            self._notes.append(note)

    def leave_out(self, target: str, reason: Reason, detail: str = "") -> None:
        """Say why a member was not asked, or does not count."""
        self._left_out.setdefault(f"{target} {reason}", LeftOut(target, reason, detail[:500]))

    def count(self, count: Count) -> None:
        """Show how a vote stands."""
        self.run.counted(count)

    def enter(self, phase: Phase) -> None:
        """Say what the run is about now."""
        self.run.enter_phase(phase)

    def outcome(self, answer: str, made_by: str, of: str = "", ranking: Sequence[Ranked] = ()) -> Outcome:
        """What it came to, with all that was noted."""
        return Outcome(answer, made_by, of, tuple(self._notes), tuple(self._left_out.values()), tuple(ranking))

    def nothing(self) -> MultiLLMError:
        """Nobody gave a usable answer: an error of the kind that they failed with, which says why of each."""
        reasons = [f"{left.target}: {left.detail or left.reason}" for left in self._left_out.values()]
        kinds = [one.progress.error_type or "" for one in self.run.calls.values() if one.progress.state == "failed"]
        said = f"no member gave an answer ({'; '.join(reasons[:5]) or 'none was asked'})"
        return error_from_name(kind_of_all(kinds), said)


ModeFunction = Callable[[Desk], Coroutine[Any, Any, Outcome]]
