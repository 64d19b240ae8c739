"""A live comparison: it asks the models, folds their events and has everything saved, whoever is looking or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.arranging import ArrangedRun
from multi_llm_comparator.comparison.conversation import Conversation, Turn
from multi_llm_comparator.comparison.documents import KIND, image_key
from multi_llm_comparator.comparison.endings import ended_by_exit, ended_by_stop
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.planned_turns import PlannedTurn
from multi_llm_comparator.comparison.playback import Playback
from multi_llm_comparator.comparison.provenance import Fingerprints, ModelLookup, model_facts, versions
from multi_llm_comparator.comparison.repeats import MAX_REPEATS
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.asking import answer_events, broken_off
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.exceptions import (
    AnswerInterrupted,
    ConfigurationError,
    InferenceError,
    InvalidParameterError,
    RunNotFoundError,
)
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.runs.recorder import Recorder
from multi_llm_comparator.tracking.records import RunState

# A source that does not let go of a cancelled request is left behind after so long; its answer is over long before.
CANCEL_TIMEOUT_S = 5.0


class Comparison(ArrangedRun):
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
        self._playback = Playback(
            lambda: self.id,
            lambda planned: self._send(planned.prompt, planned.panes, images=planned.images),
            self._played,
            conversation.set_waiting_prompts,
        )
        # How often a pane is still to answer the same prompt, by the answer that is being written.
        self._repeats: dict[Answer, int] = {}
        self._turn_lock = asyncio.Lock()

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
        return bool(self._tasks) or self._playback.task is not None or super().is_busy

    # --- to ask ---------------------------------------------------------------------------------------------------

    async def send(
        self,
        prompt: str,
        pane_ids: Sequence[str] | None = None,
        *,
        repeats: int = 1,
        images: Sequence[StoredImage] = (),
    ) -> int:
        """Ask all panes, or some, and return the turn's index while they answer.

        Args:
            prompt: what the user says.
            pane_ids: the panes to ask; None means all.
            repeats: how often each pane answers, with other seeds: one attempt after the other, until one is stopped or
                fails.
            images: what stands before the prompt. Models that do not see answer from the text alone, and say so.

        Raises:
            InvalidParameterError: an empty or overlong prompt, too many images, or a pane's parameter out of range.
            InferenceError: a pane is still answering, or the comparison is full.
        """
        panes = [self._conversation.pane(pane_id) for pane_id in dict.fromkeys(pane_ids)] if pane_ids else None
        if not 1 <= repeats <= MAX_REPEATS:
            raise InvalidParameterError(f"a pane answers 1 to {MAX_REPEATS} times, not {repeats!r}")
        return self._send(prompt, panes or self._conversation.panes, repeats, images)

    def _send(self, prompt: str, panes: Sequence[Pane], repeats: int = 1, images: Sequence[StoredImage] = ()) -> int:
        self._check_idle(self._conversation.panes if self._conversation.shared_thread else panes)
        for pane in panes:
            pane.config.validate()
        turn = self._conversation.add_turn(prompt, images)
        self._recorder.touch(*map(image_key, turn.images))
        for pane in panes:
            self._ask(turn, pane, repeats)
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
        # Both as they are now: the leg that begins adds to them.
        begun = Message("assistant", answer.text, thought=answer.thought)
        leg = self._conversation.continue_answer(answer)
        history = self._conversation.messages(answer.turn, pane_id)
        self._start(answer, leg, (*history, begun), continue_final=True)
        self._recorder.urge()

    async def rewrite(self, pane_id: str, text: str, *, go_on: bool = False) -> None:
        """Another attempt at the pane's last prompt that a person wrote: the conversation goes on from it.

        Args:
            pane_id: the pane.
            text: the whole answer, or its beginning.
            go_on: have the model continue the text.

        Raises:
            InferenceError: the pane is still answering, or has no answer.
            InvalidParameterError: the text is empty or too long.
        """
        last = self._conversation.last_answer_of(pane_id)
        self._check_idle([last.pane])
        turn = self._conversation.turn(last.turn)
        answer = self._conversation.write_answer(turn, last.pane, last.model, versions(), text)
        self._recorder.touch(answer.id)
        self._recorder.urge()
        if go_on:
            await self.continue_(pane_id)

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

    def _ask(self, turn: Turn, pane: Pane, repeats: int = 1) -> None:
        info = self._models(pane.target)
        answer = self._conversation.add_answer(turn, pane, model_facts(pane.target, info), versions())
        self._repeats[answer] = repeats - 1
        self._start(answer, answer.legs[-1], self._conversation.messages(turn.index, pane.id))
        if info is not None and self._fingerprints is not None:
            self._spawn(self._identify(answer, info, self._fingerprints))

    def _start(
        self, answer: Answer, leg: AnswerProgress, messages: tuple[Message, ...], *, continue_final: bool = False
    ) -> None:
        config: ModelConfig = replace(answer.pane.config)
        request = GenerationRequest(
            messages=messages,
            config=config,
            continue_final=continue_final,
            run_id=self.id,
            constraint=answer.pane.constraint,
            images_optional=True,
        )
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
            async with (
                self._in_its_turn(answer, leg),
                aclosing(answer_events(self._source, target, request)) as events,
            ):
                async for event in events:
                    take(event)
                    if leg.is_over:
                        break
            self._repeat(answer)
        except asyncio.CancelledError:
            # Who stops an answer ends it first; any other way of being cancelled must not leave one that is never over.
            if not leg.is_over:
                take(Failed(request_id=request.id, error_type="InferenceError", message=broken_off(target)))
            raise
        await self._recorder.flush()

    @asynccontextmanager
    async def _in_its_turn(self, answer: Answer, leg: AnswerProgress) -> AsyncGenerator[None]:
        """Where the panes answer one after another, until this one may; then its time begins."""
        if not self._conversation.in_turn:
            yield
            return
        async with self._turn_lock:
            self._conversation.ask_now(answer, leg)
            yield

    def _repeat(self, answer: Answer) -> None:
        """The next attempt of a pane that is to answer several times. A seed that was given is counted up."""
        left = self._repeats.pop(answer, 0)
        if left and answer.legs[-1].state == "done" and not self._recorder.is_closed:
            seed = answer.pane.config.seed
            pane = self._with_seed(answer.pane, None if seed is None else (seed + 1) % 2**32)
            with suppress(InferenceError):  # it has all the attempts that it may have
                self._ask(self._conversation.turn(answer.turn), pane, left)

    async def _identify(self, answer: Answer, info: ModelInfo, fingerprints: Fingerprints) -> None:
        """Hash the model's files beside the answer; an answer without a hash is better than none."""
        found = await fingerprints.of(info)
        self._conversation.set_model(answer, model_facts(answer.pane.target, info, found))
        self._recorder.touch(answer.id)

    # --- to end ---------------------------------------------------------------------------------------------------

    async def stop(self, pane_id: str | None = None) -> None:
        """End the running answers, of one pane or of all; their text stays and can be continued."""
        if pane_id is None:
            self._playback.stop()
        await self._end(pane_id, ended_by_stop)
        await self._recorder.flush()

    async def interrupt(self) -> None:
        """End everything because the workbench ends: what is running is marked as interrupted, and all is saved."""
        self._playback.stop()
        await self._end(None, ended_by_exit)
        await self._recorder.close()

    async def opened(self) -> None:
        """What nobody writes any more ended with the process that wrote it."""
        for answer in self._conversation.running_answers():
            leg = answer.legs[-1]
            self._conversation.apply(answer, leg, ended_by_exit(leg))
            self._recorder.touch(answer.id)
        if self._recorder.has_unsaved:
            await self._recorder.save_unless_changed()

    async def discard(self) -> None:
        self._playback.stop()
        await self._recorder.discard()
        await self._end(None, ended_by_stop)

    async def resume(self) -> None:
        """Go on with the answers to the last prompt that were stopped or interrupted: from their text, or anew."""
        last = self.snapshot().turns[-1:]
        for answer in [answer for turn in last for answer in turn.answers.values()]:
            if answer.progress.state == "stopped" or answer.progress.error_type == AnswerInterrupted.__name__:
                await (self.continue_(answer.pane_id) if answer.can_continue else self._again(answer.pane_id))

    async def _end(self, pane_id: str | None, last_event: Callable[[AnswerProgress], Event]) -> None:
        self._repeats = {a: n for a, n in self._repeats.items() if pane_id not in (None, a.pane.id)}
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
        while tasks := [*self._tasks, *([self._playback.task] if self._playback.task else [])]:
            await asyncio.wait(tasks)
        await self._recorder.flush()

    # --- to run again ---------------------------------------------------------------------------------------------

    async def play(self, turns: Sequence[PlannedTurn]) -> None:
        """Send prompts one after the other, each when all answers to the one before are there; ``stop()`` ends it too.

        Returns at once; a turn that cannot be sent ends the playing and is logged.

        Raises:
            InferenceError: turns are being sent already.
        """
        self._playback.start(turns)

    async def _played(self, planned: PlannedTurn, turn: int) -> None:
        """Wait for the answers to a turn, and pick the one that is to be gone on from."""
        while answers := [task for task, owner in self._tasks.items() if owner is not None]:
            await asyncio.wait(answers)
        if planned.picked is not None:
            with suppress(ConfigurationError):  # it has no text this time
                await self.choose(turn, planned.picked)
