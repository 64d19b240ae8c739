"""A session of votes on its way: it has answers written for the next turns while somebody reads. Outlives the page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from multi_llm_comparator.comparison.documents import IMAGES, image_item
from multi_llm_comparator.comparison.provenance import Fingerprints, ModelLookup, model_facts, versions
from multi_llm_comparator.comparison.snapshots import ModelFacts
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, StoreError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.together import end_tasks, together
from multi_llm_comparator.runs.stored import life_of, record_of
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord, RunState
from multi_llm_comparator.voting.documents import KIND, VotingDocument, turn_item, turn_key
from multi_llm_comparator.voting.drawing import drawn
from multi_llm_comparator.voting.snapshot import Phase, VotingSnapshot
from multi_llm_comparator.voting.spec import MAX_TITLE_CHARS, VotingSpec
from multi_llm_comparator.voting.turns import BAD, MAX_ANSWER_CHARS, TIE, VoteAnswer, VoteTurn

# So many turns are ready beyond the one that is being read.
AHEAD = 2
# So many turns in a row without a whole set of answers end the session: something is wrong with a contestant.
MAX_FAILED = 3


class VoteRun(TaskRun[VotingSnapshot, Phase]):
    """One session. It is at work until the last turn has its vote, also while it only waits for one."""

    kind = KIND

    def __init__(
        self,
        source: TextSource,
        spec: VotingSpec,
        *,
        run_id: str,
        models: ModelLookup = lambda target: None,
        fingerprints: Fingerprints | None = None,
        images: Mapping[str, StoredImage] | None = None,
    ) -> None:
        self.id, self.spec, self.images = run_id, spec, dict(images or {})
        self._source, self._models, self._fingerprints = source, models, fingerprints
        self.created_at = now()
        self.turns: dict[int, VoteTurn] = {}
        self.facts: dict[str, ModelFacts] = {}
        self.versions: dict[str, str] = {}
        self._moved = asyncio.Event()
        self._answering_since: float | None = None

    @property
    def title(self) -> str:
        """As it was named, else what is asked: the prompt set, or the first prompt."""
        return self.spec.title or self.spec.source or cut_line(self.spec.prompts[0].text, MAX_TITLE_CHARS)

    def frozen(self) -> VotingSnapshot:
        return VotingSnapshot(
            **self.head(),
            spec=self.spec,
            turns=tuple(self.turns[number] for number in sorted(self.turns)),
            facts=dict(self.facts),
            versions=dict(self.versions),
            images=self.images,
            answering_since=self._answering_since,
        )

    # --- its life ---------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        if self.state == "done":
            return
        self.error, self.ended_at = None, None
        # What failed is asked once more.
        self.turns = {number: turn for number, turn in self.turns.items() if turn.state != "failed"}
        self._enter("queued")
        self.begin()

    async def work(self) -> None:
        identifying = asyncio.create_task(self._identify())
        try:
            while (number := self._next()) is not None:
                if self._ready() > AHEAD:
                    await self._wait_for_a_vote()
                    continue
                self._enter("running", "answering")
                await self._answer(number)
                self._refuse_hopeless()
            while self._ready():
                await self._wait_for_a_vote()
        finally:
            await end_tasks(identifying)

    def _next(self) -> int | None:
        """The first turn without all its answers."""
        numbers = range(self.spec.turns)
        return next((n for n in numbers if n not in self.turns or self.turns[n].state == "answering"), None)

    def _ready(self) -> int:
        return sum(turn.state == "ready" for turn in self.turns.values())

    async def _wait_for_a_vote(self) -> None:
        self._enter("running", "voting")
        self._moved.clear()
        await self._moved.wait()

    def _refuse_hopeless(self) -> None:
        """Raises InferenceError: nothing but failed turns of late."""
        last = [self.turns[number] for number in sorted(self.turns)][-MAX_FAILED:]
        wanted = min(MAX_FAILED, self.spec.turns)
        if len(last) == wanted and all(turn.state == "failed" for turn in last):
            errors = dict.fromkeys(answer.error for turn in last for answer in turn.answers if answer.error)
            raise InferenceError(f"a contestant does not answer: {'; '.join(list(errors)[:3])}")

    # --- answers ----------------------------------------------------------------------------------------------------

    async def _answer(self, number: int) -> None:
        """Have all answers of a turn written, and each written down as it comes.

        Raises:
            StoreError, RunAtWorkError: it cannot be.
        """
        if number not in self.turns:
            prompt, places = drawn(self.spec, number)
            self.turns[number] = VoteTurn(number=number, prompt=prompt, places=places)
        self._answering_since = now()
        self.version += 1
        try:
            await together(self._ask(number, one) for one in self.turns[number].unanswered)
        finally:
            self._answering_since = None

    async def _ask(self, number: int, contestant_id: str) -> None:
        given = self.spec.given.get(self.spec.prompts[self.turns[number].prompt].id)
        if given is not None:
            await self._answered(number, VoteAnswer(contestant=contestant_id, text=given[contestant_id]))
            return
        contestant = self.spec.contestant(contestant_id)
        config = replace(contestant.config)
        if self.spec.system:
            config.system_prompt = self.spec.system
        prompt = self.spec.prompts[self.turns[number].prompt]
        urls = tuple(self.images[digest].url for digest in prompt.images)
        # A model that does not see them refuses: an answer from the text alone is no match for one that saw.
        asked = Message("user", prompt.text, images=urls, image_places=(0,) * len(urls))
        request = GenerationRequest(messages=(asked,), config=config, run_id=self.id)
        progress = await ask(self._source, contestant.target, request, AnswerProgress(requested_at=now()))
        await self._answered(number, _answer(contestant_id, progress))

    async def _answered(self, number: int, answer: VoteAnswer) -> None:
        turn = self.turns[number].with_answer(answer)
        if turn.state == "ready" and turn.are_same:
            # Nobody has to read the same text twice to find it no better than itself.
            turn = replace(turn, state="voted", choice=TIE, is_automatic=True, voted_at=now())
        self.turns[number] = turn
        self.version += 1
        await self._commit(turn_key(number))

    async def _identify(self) -> None:
        """Hash the contestants' weights beside the answers; a vote without a hash is better than none."""
        self.versions = versions()
        for one in self.spec.contestants:
            known = self.facts.get(one.id)
            if known is not None and known.fingerprint is not None:
                continue
            info = self._models(one.target)
            self.facts[one.id] = model_facts(one.target, info)
            if info is not None and self._fingerprints is not None:
                self.facts[one.id] = model_facts(one.target, info, await self._fingerprints.of(info))
            self.version += 1
            if self.recorder is not None:
                self.recorder.touch()

    # --- votes ------------------------------------------------------------------------------------------------------

    async def vote(self, number: int, choice: str) -> None:
        """Keep a vote on the turn that waits for one.

        Args:
            number: the turn's.
            choice: the id of the contestant whose answer is better, TIE or BAD.

        Raises:
            ConfigurationError: the turn does not wait for a vote (another tab may have voted), or this is none.
            RunAtWorkError: another process works on the run.
            StoreError: it could not be written down.
        """
        turn = self._open(number)
        if choice not in (*turn.places, TIE, BAD):
            raise ConfigurationError(f"{choice!r} is no vote on turn {number + 1}")
        await self._close(replace(turn, state="voted", choice=choice, voted_at=now()))

    async def skip(self, number: int) -> None:
        """Leave a turn without a vote. Raises as :meth:`vote`."""
        await self._close(replace(self._open(number), state="skipped", voted_at=now()))

    def _open(self, number: int) -> VoteTurn:
        self.refuse_elsewhere()
        turn = self.turns.get(number)
        if turn is None or turn.state != "ready":
            raise ConfigurationError(f"turn {number + 1} does not wait for a vote; it may have been given elsewhere")
        return turn

    async def _close(self, turn: VoteTurn) -> None:
        self.turns[turn.number] = turn
        self.version += 1
        self._moved.set()
        await self._commit(turn_key(turn.number), run=not self.is_at_work)

    # --- what is stored ---------------------------------------------------------------------------------------------

    async def _commit(self, *keys: str, run: bool = False) -> None:
        await super()._commit(*keys, run=run)
        if self.save_error is not None:
            # It went with what was touched before, and there it failed.
            raise StoreError(self.save_error)

    def _enter(self, state: RunState, phase: Phase = "") -> None:
        if (self.state, self.phase) == (state, phase):
            return
        super()._enter(state, phase)
        if self.recorder is not None and self.is_at_work:
            self.recorder.touch()

    def run_record(self) -> RunRecord:
        """Its line in lists names the contestants, not who won."""
        return record_of(
            self,
            VotingDocument(spec=self.spec, facts=self.facts, versions=self.versions, **life_of(self)),
            detail=", ".join(dict.fromkeys(one.name for one in self.spec.contestants)),
            models=(one.target for one in self.spec.contestants),
            search_text="\n".join(prompt.text for prompt in self.spec.prompts),
        )

    def item_record(self, key: str) -> ItemRecord:
        if key.startswith(IMAGES):
            return image_item(self.id, self.images[key.removeprefix(IMAGES)])
        return turn_item(self.id, self.turns[int(key)])


def _answer(contestant: str, progress: AnswerProgress) -> VoteAnswer:
    is_whole = progress.state == "done"
    return VoteAnswer(
        contestant=contestant,
        text=progress.text[:MAX_ANSWER_CHARS],
        seed=progress.seed,
        tokens=progress.tokens,
        tokens_per_s=progress.tokens_per_second,
        ttft_s=progress.ttft_s,
        duration_s=progress.duration_s,
        is_cut=progress.finish_reason == "length",
        answered_by=progress.answered_by,
        error=None if is_whole else progress.error or "the answer was cut off; resume the session",
        error_type=progress.error_type,
    )
