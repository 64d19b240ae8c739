"""GGUF models: one llama.cpp context that decodes for many requests in one loop.

Each step is one ``llama_batch``: one token for every answer that is being written, and a stretch of the prompts that
are being read. Prompts that begin alike are read once. Reproducible answers each take a call of their own beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import multi_llm_comparator.inferencers.gguf_environment  # noqa: F401 - to be read before llama.cpp's libraries

# isort: split
import llama_cpp

from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Reading, Started
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.base import Engine, LoadOptions, as_request_error
from multi_llm_comparator.inferencers.constraints import ConstraintCompiler
from multi_llm_comparator.inferencers.embedder import Embedder
from multi_llm_comparator.inferencers.gguf_adapters import AnswerAdapter, GgufAdapters, groups_of
from multi_llm_comparator.inferencers.gguf_answer import GgufAnswer
from multi_llm_comparator.inferencers.gguf_batch import Batch, first_steps
from multi_llm_comparator.inferencers.gguf_contexts import OwnContexts
from multi_llm_comparator.inferencers.gguf_embedding import GgufEmbedding
from multi_llm_comparator.inferencers.gguf_image_turns import MARGIN_TOKENS, NO_ROOM, ImageTurns, failed
from multi_llm_comparator.inferencers.gguf_notes import describe
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.inferencers.gguf_sampling import Sampler
from multi_llm_comparator.inferencers.gguf_scoring import GgufScoreTokenizer, GgufScoring
from multi_llm_comparator.inferencers.gguf_sight import SeenPrompt, open_sight
from multi_llm_comparator.inferencers.gguf_slots import SlotTable
from multi_llm_comparator.inferencers.gguf_tokens import GgufTokenTable, PromptReader, overflow
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary, template_of
from multi_llm_comparator.inferencers.logit_edits import LogitEdits
from multi_llm_comparator.inferencers.prefill_chunk import MIN_STEP_TOKENS
from multi_llm_comparator.inferencers.request_queue import WaitingLine, too_many
from multi_llm_comparator.inferencers.scorer import Scorer
from multi_llm_comparator.inferencers.tokenizing import tokenized

# How many tokens that must follow one that was picked are read with it in one step, at most; an own context reads all.
MAX_FORCED = MIN_STEP_TOKENS - 1
# So long the answers of one adapter are written before it is the next adapter's turn: each change costs time.
GROUP_S = 0.05


class GgufEngine(Engine):
    """One loaded GGUF model. Up to ``options.parallel`` requests decode together; more wait in line.

    A ``reproducible`` request gets the same tokens for the same prompt, parameters and seed from the same file, loaded
    with the same options (threads and ``parallel`` apart) by the same build on the same machine: alone or beside
    others, first or after others, with however many threads. A text that was cut and continued is another prompt.
    Of other requests that is only likely: sums in another order, as in a batch of another size, can differ in their
    last digit.
    """

    def __init__(self, path: str, options: LoadOptions) -> None:
        self._runtime = LlamaRuntime(path, options)
        self._n_ctx = options.n_ctx
        self._vocabulary = Vocabulary(self._runtime.vocab)
        self._template = template_of(self._runtime.chat_template, self._vocabulary)
        self._sight, blind = open_sight(self._runtime, options)
        self._reader = PromptReader(self._template, self._vocabulary, options.n_ctx, self._sight)
        self._slots = SlotTable(
            self._runtime.memory,
            self._runtime.n_sequences,
            is_stateful=self._runtime.is_stateful,
            limit=options.parallel,
        )
        self._cells = options.cache_tokens
        self._images = ImageTurns(self._sight, self._slots, self._cells, self._n_ctx)
        self._batch = Batch(self._runtime.n_batch)
        self._prompt_rows = self._runtime.prompt_rows
        most_own = options.cache_tokens // options.n_ctx
        self._own_contexts = OwnContexts(self._runtime, self._joining_rows, most_own, sees=self._sight is not None)
        self._adapters = GgufAdapters(self._runtime.model, self._runtime.weights_bytes)
        self._group: AnswerAdapter | None = None  # whose answers a step decodes now
        self._scoring: dict[GgufScoring, AnswerAdapter | None] = {}
        self._waiting = WaitingLine()
        vocabulary = self._vocabulary
        self._constraints = ConstraintCompiler(vocabulary.for_constraints, vocabulary.size, vocabulary.ends)
        # All answers' tokens of a step fit into one batch.
        self._most_forced = max(0, min(MAX_FORCED, self._runtime.n_batch // self._runtime.n_sequences - 1))
        self._answers: list[GgufAnswer] = []
        self._events: list[Event] = []
        # What the batch holds: whose tokens, and the row that their last one is in if it is to be sampled from.
        self._rows: list[tuple[GgufAnswer, list[int], int | None]] = []
        self._info = describe(self._runtime, options, self._vocabulary, self._template, self._sight is not None)
        self._info["notes"] += [blind] if blind else []
        first_steps(self._runtime, self._batch, self._vocabulary.bos or 0)

    @property
    def info(self) -> dict[str, Any]:
        return {**self._info, "n_threads": self._runtime.n_threads}

    @property
    def is_busy(self) -> bool:
        return bool(self._answers or self._events or self._waiting)

    def submit(self, request: GenerationRequest) -> None:
        request = request.as_seen(sees=self._sight is not None)
        if self._waiting.is_full:
            self._events.append(too_many(request.id, len(self._waiting)))
            return
        self._waiting.join(request)
        self._constraints.begin(request)

    def cancel(self, request_id: str) -> None:
        for answer in self._answers:
            if answer.request.id == request_id:
                self._end(answer, "cancelled")
                return
        if self._waiting.leave(request_id) is not None:
            self._constraints.leave(request_id)
            self._events.append(Finished.cancelled(request_id))

    def step(self) -> list[Event]:
        while request := self._waiting.take_first(self._has_room_for):
            self._admit(request)
        if self._waiting:
            self._events += self._waiting.news()
        if not self._answers and not self._events:
            self._constraints.wait()
        groups = groups_of(self._answers, self._group)
        for group in groups:
            self._group = group
            self._adapters.use(self._runtime.context, self._group)
            until = time.monotonic() + GROUP_S if len(groups) > 1 else 0.0
            while self._decode() and time.monotonic() < until:
                pass
        self._decode_alone()
        events, self._events = self._events, []
        return events

    def set_threads(self, n_threads: int) -> None:
        self._runtime.set_threads(n_threads)
        self._own_contexts.set_threads(self._runtime.n_threads)
        for scoring in self._scoring:
            scoring.set_threads(self._runtime.n_threads)

    def set_slots(self, n_slots: int) -> None:
        self._slots.limit(n_slots)

    def open_scorer(self, adapter: str = "", scale: float = 1.0) -> Scorer:
        own = self._adapters.take(adapter, scale, self._in_use()) if adapter else None
        scoring = GgufScoring(self._runtime, self._vocabulary.size, self._prompt_rows)
        self._scoring[scoring] = own
        self._adapters.use(scoring.context, own)
        begins = self._runtime.declares_begin
        tokenizer = GgufScoreTokenizer(self._vocabulary, self._template, declares_begin=begins)
        scoring.on_close = lambda: self._scoring_ends(scoring)
        return Scorer(scoring, tokenizer, self._n_ctx)

    def open_embedder(self) -> Embedder:
        return Embedder(GgufEmbedding(self._runtime, self._vocabulary))

    def tokens(self, request: TokenRequest) -> Event:
        return tokenized(request, GgufTokenTable(self._vocabulary, self._template, self._reader), self._n_ctx)

    def close(self) -> None:
        # It reads the model's vocabulary.
        self._constraints.close()
        for answer in self._answers:
            answer.close()
        self._answers.clear()
        self._own_contexts.close()
        self._adapters.close()
        if self._sight is not None:
            self._sight.close()
        self._runtime.close()

    def _admit(self, request: GenerationRequest) -> None:
        seen: SeenPrompt | None = None
        try:
            rendered, prompt, seen = self._reader.read(request)
            matcher = self._constraints.take(request)
            adapter = self._adapter_for(request)
            edits = LogitEdits(request.config, self._vocabulary.size, lambda token: self._vocabulary.spelled(token)[0])
            own = self._own_contexts.open(prompt, adapter) if request.config.reproducible else None
        except Exception as exc:
            # Past here it would end the process, and with it the answers to everybody else.
            self._events.append(Failed.of(request.id, as_request_error(exc)))
            if seen is not None:
                seen.close()
            return
        if own is not None:
            own.begin(prompt, adapter)
        slot = own.slot if own is not None else self._slots.take(prompt, adapter)
        vocabulary = self._vocabulary
        sampler = Sampler(request.config, vocabulary.size, edits, vocabulary.thought_ending)
        # What is repeated must not depend on how many may write at once.
        forced = self._most_forced if own is None else MAX_FORCED
        # Of what is read together only the last one's logits are there.
        forced = forced if request.config.top_logprobs is None else 0
        self._answers.append(
            GgufAnswer(
                request, rendered, prompt, slot, sampler, vocabulary, self._n_ctx, own, matcher, forced, adapter, seen
            )
        )

    def _adapter_for(self, request: GenerationRequest) -> AnswerAdapter | None:
        if not request.adapter:
            return None
        return self._adapters.take(request.adapter, request.config.adapter_scale, self._in_use())

    def _in_use(self) -> list[AnswerAdapter]:
        adapters = [*(answer.adapter for answer in self._answers), *self._scoring.values()]
        return [adapter for adapter in adapters if adapter is not None]

    def _scoring_ends(self, scoring: GgufScoring) -> None:
        del self._scoring[scoring]
        self._adapters.forget(scoring.context)

    def _has_room_for(self, request: GenerationRequest) -> bool:
        has_room = self._own_contexts.has_room if request.config.reproducible else self._slots.has_idle
        return has_room and self._constraints.is_ready(request)

    def _shared(self) -> list[GgufAnswer]:
        """The answers that are written together: llama.cpp computes one adapter at a time."""
        return [answer for answer in self._answers if answer.own is None and answer.adapter == self._group]

    def _fill(self, joining: Iterable[GgufAnswer]) -> None:
        """Put into the batch what was chosen of each answer being written, and prompt rows for those of ``joining``."""
        batch = self._batch
        batch.clear()
        self._rows = []
        for answer in self._shared():
            if answer.is_decoding:
                self._add_chosen(answer)
        room = self._joining_rows if self._rows else self._prompt_rows
        room = min(room, self._runtime.n_batch - batch.rows)
        for answer in joining:
            if room > 0 and self._may_read(answer) and (answer.is_started or self._begin(answer)):
                room -= self._add_prompt(answer, room)

    def _begin(self, answer: GgufAnswer) -> bool:
        """Take over what is read already of the prompt; False while another reads what both share."""
        if not self._slots.is_ready(answer.slot):
            return False
        self._events.append(answer.started())
        return True

    def _may_read(self, answer: GgufAnswer) -> bool:
        """Whether a paused answer's text is worth reading again: where others still hold its place it would lose it."""
        if not answer.is_paused or not self._rows:
            return True
        return self._slots.held_tokens + len(answer.prompt) + MARGIN_TOKENS <= self._cells

    def _add_chosen(self, answer: GgufAnswer) -> None:
        slot, run = answer.slot, answer.chosen
        row = self._batch.add_run(run, len(slot.tokens), slot.sequence, last_wants_logits=True)
        self._rows.append((answer, run, row))

    def _add_prompt(self, answer: GgufAnswer, room: int) -> int:
        done = len(answer.slot.tokens)
        if not (run := answer.text_ahead(room)):
            return 0
        is_last = done + len(run) == len(answer.prompt)
        row = self._batch.add_run(run, done, answer.slot.sequence, last_wants_logits=is_last)
        self._rows.append((answer, run, row if is_last else None))
        return len(run)

    def _decode(self) -> bool:
        """One batch of those that share; False when there is none, something is to be told first, or it failed."""
        self._see(self._shared(), self._runtime.context)
        self._fill([answer for answer in self._shared() if not answer.is_decoding])
        if any(isinstance(event, Started) for event in self._events):
            # Told before the reading, which may take seconds.
            return False
        while self._rows:
            code = self._run(self._runtime.context)
            if code == 0:
                self._sample(self._runtime.context)
                return True
            if code != NO_ROOM:
                self._break_down(code)
                return False
            self._make_room()
        return False

    def _run(self, context: Any) -> int:
        self._batch.struct.n_tokens = self._batch.rows
        return int(llama_cpp.llama_decode(context, self._batch.struct))

    def _decode_alone(self) -> None:
        """A call for each reproducible answer that is being written, and for the first whose prompt is being read."""
        alone = [answer for answer in self._answers if answer.own is not None]
        reading = [answer for answer in alone if not answer.is_decoding]
        for answer in [*(answer for answer in alone if answer.is_decoding), *reading[:1]]:
            assert answer.own is not None
            self._adapters.use(answer.own.context, answer.adapter)
            self._see([answer], answer.own.context)
            self._fill_alone(answer)
            code = self._run(answer.own.context) if self._rows else 0
            if code == 0:
                self._sample(answer.own.context)
            else:
                self._break_down(code)

    def _fill_alone(self, answer: GgufAnswer) -> None:
        self._batch.clear()
        self._rows = []
        if answer not in self._answers:
            return
        if answer.is_decoding:
            self._add_chosen(answer)
            return
        if not answer.is_started:
            self._events.append(answer.started())
        self._add_prompt(answer, self._own_contexts.stretch)

    def _see(self, answers: list[GgufAnswer], context: Any) -> None:
        """Have the model read one image that the prompt of one of these answers has come to."""
        if (answer := self._images.next_of(answers)) is not None:
            try:
                self._events += self._images.read(answer, context)
            except InferenceError as exc:
                self._refuse(answer, exc)

    def _refuse(self, answer: GgufAnswer, error: MultiLLMError) -> None:
        """End an answer with an error; nothing of it is used again."""
        self._drop(answer, forget=True)
        self._events.append(Failed.of(answer.request.id, error))

    def _sample(self, context: Any) -> None:
        for answer, run, row in self._rows:
            answer.slot.tokens += run
            if row is None and answer.is_paused:
                continue
            if row is None:
                self._events.append(Reading(request_id=answer.request.id, tokens=len(answer.slot.tokens)))
                continue
            try:
                token = answer.sampler.pick(context, row, answer.matcher)
            except InferenceError as exc:
                # What is kept of a text whose values are no numbers would spoil the next answer that begins like it.
                self._refuse(answer, exc)
                continue
            told, reason = answer.accept(token)
            self._events += told
            if reason is not None:
                self._end(answer, reason)

    def _make_room(self) -> None:
        """The context's memory is full: drop what is least missed, and fill the batch again with what remains."""
        if self._slots.evict():
            return
        batched = [answer for answer, _, _ in self._rows]
        decoding = [answer for answer in batched if answer.is_decoding]
        joining = [answer for answer in batched if not answer.is_decoding]
        kept = [] if decoding else joining[:1]
        halted = [a for a in self._shared() if not a.is_decoding and a.slot.tokens and a not in kept]
        if halted:
            # Youngest first: it reads its prompt again when others have ended.
            self._slots.clear(halted[-1].slot)
        elif len(joining) == len(kept):
            if len(decoding) > 1:
                self._pause(decoding[-1])
            else:
                self._give_up(decoding, joining)
            kept = []
        self._fill(kept)

    def _pause(self, answer: GgufAnswer) -> None:
        """Give an answer's place to the others: it reads its text again once there is room, and goes on."""
        answer.pause()
        self._slots.clear(answer.slot)

    def _give_up(self, decoding: list[GgufAnswer], joining: list[GgufAnswer]) -> None:
        if decoding:
            self._end(max(decoding, key=lambda answer: len(answer.slot.tokens)), "length")
        for answer in joining:
            self._refuse(answer, overflow(f"{len(answer.prompt)} tokens", self._n_ctx))

    def _break_down(self, code: int) -> None:
        """llama.cpp could not run the batch: its answers fail, and nothing of theirs is used again."""
        for answer, _, _ in self._rows:
            self._refuse(answer, failed(code))

    def _end(self, answer: GgufAnswer, reason: FinishReason) -> None:
        self._drop(answer)
        self._events += answer.finished(reason)

    def _drop(self, answer: GgufAnswer, *, forget: bool = False) -> None:
        """Give its place to others; ``forget`` leaves nothing there to be used again."""
        self._answers.remove(answer)
        answer.close()
        if answer.own is not None:
            answer.own.release(forget=forget)
        else:
            self._slots.release(answer.slot, forget=forget)

    @property
    def _joining_rows(self) -> int:
        """Prompt tokens a step beside answers that are being written: those must not wait long for who joins."""
        return max(MIN_STEP_TOKENS, self._prompt_rows // 4)
