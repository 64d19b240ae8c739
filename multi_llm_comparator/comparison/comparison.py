"""A live comparison: it asks the models, folds their events and has everything saved, whoever is looking or not."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.conversation import Conversation, Turn
from multi_llm_comparator.comparison.documents import KIND
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.provenance import Fingerprints, ModelLookup, model_facts, versions
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.asking import answer_events, broken_off
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished
from multi_llm_comparator.core.exceptions import (
    AnswerInterrupted,
    ConfigurationError,
    InferenceError,
    RunNotFoundError,
)
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.recorder import Recorder
from multi_llm_comparator.tracking.records import RunState

logger = logging.getLogger(__name__)

# A source that does not let go of a cancelled request is left behind after so long; its answer is over long before.
CANCEL_TIMEOUT_S = 5.0
INTERRUPTED = "the workbench ended while this was being written; continue to go on from here, or retry"


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """A prompt to be sent: to whom and with what parameters, whatever the panes are now; ``picked`` is a pane whose
    answer a shared thread then goes on from."""

    prompt: str
    panes: tuple[Pane, ...]
    picked: str | None = None


class Comparison(LiveRun):
    """One prompt after another to up to four panes. Its coroutines belong to one event loop; ``snapshot`` to anybody.

    With threads of their own (the default) each pane continues from its own answers. With a shared thread all panes
    continue from one conversation, whose assistant turns are the answers chosen (:meth:`choose`; else the first pane's
    that has text).
    """

    kind = KIND

    def __init__(
        self,
        conversation: Conversation,
        source: TextSource,
        recorder: Recorder,
        models: ModelLookup,
        fingerprints: Fingerprints | None = None,
        on_start: Callable[[Comparison], None] | None = None,
    ) -> None:
        self._conversation, self._source = conversation, source
        self.recorder = self._recorder = recorder
        self._models, self._fingerprints, self._on_start = models, fingerprints, on_start
        self._tasks: dict[asyncio.Task[None], tuple[Answer, AnswerProgress] | None] = {}
        self._play: asyncio.Task[None] | None = None

    # --- to look at -----------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._conversation.id

    @property
    def title(self) -> str:
        return self._conversation.title

    @property
    def state(self) -> RunState:
        return self.snapshot().status

    @property
    def version(self) -> int:
        return self.snapshot().version

    @property
    def is_running(self) -> bool:
        return self.snapshot().is_running

    def figures(self) -> dict[str, float]:
        """Tokens, speed, times and memory of each pane's latest answer."""
        turns = self.snapshot().turns
        found: dict[str, float] = {}
        for number, answer in enumerate(turns[-1].answers.values() if turns else (), start=1):
            of = answer.figures
            told = {"tokens": of.tokens, "tokens_per_s": of.tokens_per_second, "ttft_s": of.ttft_s}
            told |= {"duration_s": of.duration_s, "memory_bytes": of.memory_bytes}
            found |= {f"pane_{number}/{name}": float(value) for name, value in told.items() if value is not None}
        return found

    def snapshot(self) -> ComparisonSnapshot:
        """The state now; safe from any thread, cheap."""
        return self._conversation.snapshot()

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks) or self._play is not None or super().is_busy

    # --- to ask ---------------------------------------------------------------------------------------------------

    async def send(self, prompt: str, pane_ids: Sequence[str] | None = None) -> int:
        """Ask all panes, or some, and return the turn's index while they answer.

        Args:
            prompt: what the user says.
            pane_ids: the panes to ask; None means all.

        Raises:
            InvalidParameterError: an empty or overlong prompt, or a pane's parameter out of range.
            InferenceError: a pane is still answering, or the comparison is full.
        """
        panes = [self._conversation.pane(pane_id) for pane_id in dict.fromkeys(pane_ids)] if pane_ids else None
        return self._send(prompt, panes or self._conversation.panes)

    def _send(self, prompt: str, panes: Sequence[Pane]) -> int:
        self._check_idle(self._conversation.panes if self._conversation.shared_thread else panes)
        for pane in panes:
            pane.config.validate()
        turn = self._conversation.add_turn(prompt)
        for pane in panes:
            self._ask(turn, pane)
        self._recorder.urge()
        return turn.index

    async def regenerate(self, pane_id: str, *, new_seed: bool = False) -> None:
        """Another attempt at the pane's last prompt, with the pane's parameters as they are now, its seed among them.

        A pane without a seed draws one for each attempt. With ``new_seed`` one is drawn for this attempt also where the
        pane has one, and recorded in it; the pane keeps its own. A pane that was never asked gets its first answer to
        the last prompt.
        """
        pane = self._conversation.pane(pane_id)
        turn = self._conversation.last_turn_of(pane_id)
        if new_seed:
            pane = self._with_seed(pane, secrets.randbelow(2**32))
        self._restart(turn, pane)

    async def retry(self, pane_id: str) -> None:
        """Another attempt after a failure: the same model, parameters and seed.

        Raises:
            InferenceError: the pane's last answer did not fail.
        """
        failed = self._conversation.last_answer_of(pane_id)
        if not failed.is_over or failed.legs[-1].state != "failed":
            raise InferenceError(f"the last answer of pane {pane_id!r} did not fail; regenerate it instead")
        await self._again(pane_id)

    async def _again(self, pane_id: str) -> None:
        last = self._conversation.last_answer_of(pane_id)
        seed = last.pane.config.seed if last.legs[0].seed is None else last.legs[0].seed
        self._restart(self._conversation.turn(last.turn), self._with_seed(last.pane, seed))

    async def continue_(self, pane_id: str) -> None:
        """Go on from the text so far, in the same answer, after a stop, a cut by length or a failure.

        Raises:
            InferenceError: the model ended the answer itself, or there is no text to go on from.
        """
        answer = self._conversation.last_answer_of(pane_id)
        self._check_idle([answer.pane])
        answer.pane.config.validate()
        text = answer.text
        leg = self._conversation.continue_answer(answer)
        history = self._conversation.messages(answer.turn, pane_id)
        self._start(answer, leg, (*history, Message("assistant", text)), continue_final=True)
        self._recorder.urge()

    def _restart(self, turn: Turn, pane: Pane) -> None:
        self._check_idle([pane])
        pane.config.validate()
        self._ask(turn, pane)
        self._recorder.urge()

    def _check_idle(self, panes: Iterable[Pane]) -> None:
        self.refuse_elsewhere()
        if self._recorder.is_closed:
            raise RunNotFoundError(f"run {self.id!r} was deleted or closed; start a new one, or open it again")
        busy = {answer.pane.id for answer in self._conversation.running_answers()}
        asked = {pane.id for pane in panes}
        if found := sorted(busy & asked):
            raise InferenceError(f"pane {found[0]!r} is still answering; stop it first or wait")

    @staticmethod
    def _with_seed(pane: Pane, seed: int | None) -> Pane:
        return pane if pane.config.seed == seed else replace(pane, config=replace(pane.config, seed=seed))

    # --- to run ---------------------------------------------------------------------------------------------------

    def _ask(self, turn: Turn, pane: Pane) -> None:
        info = self._models(pane.target)
        answer = self._conversation.add_answer(turn, pane, model_facts(pane.target, info), versions())
        self._start(answer, answer.legs[-1], self._conversation.messages(turn.index, pane.id))
        if info is not None and self._fingerprints is not None:
            self._spawn(self._identify(answer, info, self._fingerprints))

    def _start(
        self, answer: Answer, leg: AnswerProgress, messages: tuple[Message, ...], *, continue_final: bool = False
    ) -> None:
        config: ModelConfig = replace(answer.pane.config)
        request = GenerationRequest(messages=messages, config=config, continue_final=continue_final, run_id=self.id)
        self._recorder.touch(answer.id)
        if self._on_start is not None:
            self._on_start(self)
        self._spawn(self._answer(answer, leg, request), (answer, leg))

    def _spawn(self, work: Coroutine[Any, Any, None], owner: tuple[Answer, AnswerProgress] | None = None) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = owner
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _answer(self, answer: Answer, leg: AnswerProgress, request: GenerationRequest) -> None:
        def take(event: Event) -> None:
            self._conversation.apply(answer, leg, event)
            self._recorder.touch(answer.id)

        target = answer.pane.target
        try:
            async with aclosing(answer_events(self._source, target, request)) as events:
                async for event in events:
                    take(event)
                    if leg.is_over:
                        break
        except asyncio.CancelledError:
            # Who stops an answer ends it first; any other way of being cancelled must not leave one that is never over.
            if not leg.is_over:
                take(Failed(request_id=request.id, error_type="InferenceError", message=broken_off(target)))
            raise
        await self._recorder.flush()

    async def _identify(self, answer: Answer, info: ModelInfo, fingerprints: Fingerprints) -> None:
        """Hash the model's files beside the answer; an answer without a hash is better than none."""
        found = await fingerprints.of(info)
        self._conversation.set_model(answer, model_facts(answer.pane.target, info, found))
        self._recorder.touch(answer.id)

    # --- to end ---------------------------------------------------------------------------------------------------

    async def stop(self, pane_id: str | None = None) -> None:
        """End the running answers, of one pane or of all; their text stays and can be continued."""
        if pane_id is None:
            self._stop_playing()
        await self._end(pane_id, _stopped)
        await self._recorder.flush()

    async def interrupt(self) -> None:
        """End everything because the workbench ends: what is running is marked as interrupted, and all is saved."""
        self._stop_playing()
        await self._end(None, _interrupted)
        await self._recorder.close()

    async def opened(self) -> None:
        """What nobody writes any more ended with the process that wrote it."""
        for answer in self._conversation.running_answers():
            leg = answer.legs[-1]
            self._conversation.apply(answer, leg, _interrupted(leg))
            self._recorder.touch(answer.id)
        if self._recorder.has_unsaved:
            await self._recorder.save_unless_changed()

    async def discard(self) -> None:
        self._stop_playing()
        await self._recorder.discard()
        await self._end(None, _stopped)

    async def resume(self) -> None:
        """Go on with the answers to the last prompt that were stopped or interrupted: from their text, or anew."""
        last = self.snapshot().turns[-1:]
        for answer in [answer for turn in last for answer in turn.answers.values()]:
            if answer.progress.state == "stopped" or answer.progress.error_type == AnswerInterrupted.__name__:
                await (self.continue_(answer.pane_id) if answer.can_continue else self._again(answer.pane_id))

    async def _end(self, pane_id: str | None, last_event: Callable[[AnswerProgress], Event]) -> None:
        # The answers are over at once; the source is then given a moment to let go of its requests.
        ended: list[asyncio.Task[None]] = []
        for task, owner in self._tasks.items():
            if owner is None or pane_id not in (None, owner[0].pane.id):
                continue
            answer, leg = owner
            if not leg.is_over:
                self._conversation.apply(answer, leg, last_event(leg))
                self._recorder.touch(answer.id)
                task.cancel()
                ended.append(task)
        if ended:
            await asyncio.wait(ended, timeout=CANCEL_TIMEOUT_S)

    async def wait(self) -> None:
        """Until nothing is running and all of it is saved."""
        while self._play is not None or self._tasks:
            await asyncio.wait([*self._tasks, *([self._play] if self._play else [])])
        await self._recorder.flush()

    # --- to arrange -----------------------------------------------------------------------------------------------

    async def set_panes(self, panes: Sequence[Pane]) -> None:
        """Change models and parameters; what is running goes on as it was asked.

        Raises:
            ConfigurationError, InvalidParameterError: see :func:`check_panes`.
        """
        self.refuse_elsewhere()
        self._conversation.set_panes(panes)
        await self._arranged()

    async def set_shared_thread(self, shared: bool) -> None:
        """Whether all panes continue from one conversation, from the next request on."""
        self.refuse_elsewhere()
        self._conversation.set_shared_thread(shared)
        await self._arranged()

    async def select_attempt(self, turn: int, pane_id: str, attempt: int) -> None:
        """Show, and go on from, this attempt (counted from 1)."""
        self.refuse_elsewhere()
        self._conversation.select_attempt(turn, pane_id, attempt)
        await self._arranged()

    async def choose(self, turn: int, pane_id: str) -> None:
        """Pick the answer that a shared thread goes on from."""
        self.refuse_elsewhere()
        self._conversation.choose(turn, pane_id)
        await self._arranged()

    async def rename(self, title: str) -> None:
        self.refuse_elsewhere()
        self._conversation.rename(title)
        await self._arranged()

    async def _arranged(self) -> None:
        """Save a change of the run itself. A comparison that was never asked anything is not kept."""
        if self._conversation.turns:
            self._recorder.urge()

    # --- to run again ---------------------------------------------------------------------------------------------

    async def play(self, turns: Sequence[PlannedTurn]) -> None:
        """Send prompts one after the other, each when all answers to the one before are there; ``stop()`` ends it too.

        Returns at once; a turn that cannot be sent ends the playing and is logged.
        """
        if self._play is not None:
            raise InferenceError("this comparison is already being played; stop it first")
        self._play = asyncio.create_task(self._play_all(tuple(turns)))
        self._play.add_done_callback(self._played)
        self._conversation.set_waiting_prompts(len(turns))

    async def _play_all(self, turns: tuple[PlannedTurn, ...]) -> None:
        for position, planned in enumerate(turns):
            try:
                turn = self._send(planned.prompt, planned.panes)
            except (InferenceError, ConfigurationError) as exc:
                logger.warning("run %s: playing ended at %r: %s", self.id, planned.prompt[:80], exc)
                return
            self._conversation.set_waiting_prompts(len(turns) - position - 1)
            while answers := [task for task, owner in self._tasks.items() if owner is not None]:
                await asyncio.wait(answers)
            if planned.picked is not None:
                with suppress(ConfigurationError):  # it has no text this time
                    await self.choose(turn, planned.picked)

    def _played(self, task: asyncio.Task[None]) -> None:
        self._play = None
        self._conversation.set_waiting_prompts(0)

    def _stop_playing(self) -> None:
        if self._play is not None:
            self._play.cancel()


def _stopped(leg: AnswerProgress) -> Event:
    return Finished(request_id="", reason="cancelled", prompt_tokens=leg.prompt_tokens, completion_tokens=leg.tokens)


def _interrupted(leg: AnswerProgress) -> Event:
    last_seen = max(filter(None, (leg.requested_at, leg.started_at, leg.last_token_at)))
    return Failed(request_id="", at=last_seen, error_type=AnswerInterrupted.__name__, message=INTERRUPTED)
