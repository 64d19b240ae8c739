"""The state of a comparison: panes, turns, answers. One lock makes every change and every snapshot whole.

It knows nothing of models, and of stores only what text they take. Only the event loop changes it; any thread may take
a snapshot.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.limits import (
    MAX_ANSWER_CHARS,
    MAX_ATTEMPTS,
    MAX_IMAGES,
    MAX_LEGS,
    MAX_PROMPT_CHARS,
    MAX_RUN_IMAGES,
    MAX_TITLE_CHARS,
    MAX_TURNS,
)
from multi_llm_comparator.comparison.pane import Pane, check_panes
from multi_llm_comparator.comparison.snapshots import (
    AnswerSnapshot,
    ComparisonSnapshot,
    ImportedFrom,
    ModelFacts,
    TurnSnapshot,
)
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, InvalidParameterError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.tracking.rows import storable

# For a change that leaves every turn as it was.
NO_TURN = -1
# A title that nobody gave is the beginning of the first prompt.
FIRST_TITLE_CHARS = 80


@dataclass
class Turn:
    """One prompt. ``selected`` is the attempt, counted from 1, that a pane shows and goes on from; ``images`` are those
    beside the prompt, by their digests."""

    index: int
    prompt: str
    created_at: float
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    selected: dict[str, int] = field(default_factory=dict)
    picked: str | None = None
    images: tuple[str, ...] = ()

    def answer(self, pane_id: str) -> Answer | None:
        attempts = self.answers.get(pane_id)
        return attempts[self.selected[pane_id] - 1] if attempts else None

    def chosen(self, panes: Sequence[Pane]) -> str | None:
        """The pane a shared thread goes on from: the one picked, else the first in the order of panes that has text."""
        order = [*([self.picked] if self.picked else []), *(pane.id for pane in panes), *self.answers]
        return next((pane_id for pane_id in order if (answer := self.answer(pane_id)) and answer.has_text), None)


class Conversation:
    """Everything that a comparison has said so far."""

    def __init__(
        self,
        panes: Sequence[Pane],
        *,
        run_id: str | None = None,
        title: str = "",
        shared_thread: bool = False,
        in_turn: bool = False,
        created_at: float | None = None,
        imported_from: ImportedFrom | None = None,
    ) -> None:
        self.id = run_id or uuid.uuid4().hex
        self.created_at = now() if created_at is None else created_at
        self.imported_from = imported_from
        self.branched_from: str | None = None
        self.title, self.panes, self.shared_thread, self.in_turn = title, tuple(panes), shared_thread, in_turn
        self.turns: list[Turn] = []
        # By their digests: what is asked about twice is kept once.
        self.images: dict[str, StoredImage] = {}
        self._lock = threading.Lock()
        self._version = 0
        self._cached: ComparisonSnapshot | None = None
        self._turn_cache: dict[int, TurnSnapshot] = {}
        self._save_error: str | None = None
        self._waiting_prompts = 0

    # --- what it is made of -------------------------------------------------------------------------------------

    def pane(self, pane_id: str) -> Pane:
        for pane in self.panes:
            if pane.id == pane_id:
                return pane
        raise ConfigurationError(f"no pane {pane_id!r} here; there are {', '.join(p.id for p in self.panes)}")

    def set_panes(self, panes: Sequence[Pane]) -> None:
        checked = check_panes(panes)
        with self._changing():
            self.panes = checked

    def set_shared_thread(self, shared: bool) -> None:
        with self._changing():
            self.shared_thread = shared

    def set_in_turn(self, in_turn: bool) -> None:
        with self._changing(NO_TURN):
            self.in_turn = in_turn

    def rename(self, title: str) -> None:
        title = " ".join(title.split())[:MAX_TITLE_CHARS]
        if not title:
            raise InvalidParameterError("a title needs at least one character")
        with self._changing():
            self.title = title

    def set_save_error(self, message: str | None) -> None:
        if message != self._save_error:
            with self._changing(NO_TURN):
                self._save_error = message

    def set_waiting_prompts(self, count: int) -> None:
        with self._changing(NO_TURN):
            self._waiting_prompts = count

    def become_branch(self) -> list[Answer]:
        """Go on under an id of its own, and its answers under theirs; returns all of them."""
        with self._changing():
            self.branched_from, self.id = self.id, uuid.uuid4().hex
            self.title = f"{self.title[: MAX_TITLE_CHARS - 4]} (2)"
            for answer in self.answers():
                answer.rename()
        return self.answers()

    # --- turns and answers --------------------------------------------------------------------------------------

    def turn(self, index: int) -> Turn:
        if not 0 <= index < len(self.turns):
            raise ConfigurationError(f"no turn {index!r}; there are {len(self.turns)}, counted from 0")
        return self.turns[index]

    def add_turn(self, prompt: str, images: Sequence[StoredImage] = ()) -> Turn:
        if not prompt.strip():
            raise InvalidParameterError("the prompt is empty; write something to ask")
        if len(prompt) > MAX_PROMPT_CHARS:
            raise InvalidParameterError(f"the prompt has {len(prompt)} characters; at most {MAX_PROMPT_CHARS} fit")
        if len(self.turns) >= MAX_TURNS:
            raise InferenceError(f"this comparison has its {MAX_TURNS} turns; start a new one")
        if len(images) > MAX_IMAGES:
            raise InvalidParameterError(f"the prompt has {len(images)} images; at most {MAX_IMAGES} are taken")
        known = {**self.images, **{image.digest: image for image in images}}
        if len(known) > MAX_RUN_IMAGES:
            raise InferenceError(f"this comparison has its {MAX_RUN_IMAGES} images; start a new one")
        # What is answered is what is saved: a run with text that no store takes could not be opened again.
        prompt = storable(prompt)
        with self._changing():
            self.images = known
            digests = tuple(image.digest for image in images)
            self.turns.append(Turn(len(self.turns), prompt, now(), images=digests))
            self.title = self.title or cut_line(prompt, FIRST_TITLE_CHARS)
        return self.turns[-1]

    def add_answer(self, turn: Turn, pane: Pane, model: ModelFacts, versions: Mapping[str, str]) -> Answer:
        """Begin a new attempt and select it."""
        earlier = turn.answers.get(pane.id, ())
        if len(earlier) >= MAX_ATTEMPTS:
            raise InferenceError(f"this pane has its {MAX_ATTEMPTS} attempts at this prompt; send it again")
        answer = Answer(turn.index, len(earlier) + 1, pane, model, versions)
        answer.begin_leg()
        with self._changing(turn.index):
            turn.answers.setdefault(pane.id, []).append(answer)
            turn.selected[pane.id] = answer.attempt
        return answer

    def write_answer(self, turn: Turn, pane: Pane, model: ModelFacts, versions: Mapping[str, str], text: str) -> Answer:
        """A new attempt whose text a person wrote; it is over, and can go on."""
        if not text.strip():
            raise InvalidParameterError("the answer is empty; write something, or cancel")
        if len(text) > MAX_ANSWER_CHARS:
            raise InvalidParameterError(f"the answer has {len(text)} characters; at most {MAX_ANSWER_CHARS} fit")
        answer = self.add_answer(turn, pane, model, versions)
        with self._changing(turn.index):
            answer.write_by_hand(storable(text))
        return answer

    def ask_now(self, answer: Answer, leg: AnswerProgress) -> None:
        with self._changing(answer.turn):
            answer.ask_now(leg)

    def continue_answer(self, answer: Answer) -> AnswerProgress:
        """Begin another leg of an answer that ended before the model meant to."""
        if not answer.snapshot(1).can_continue:
            raise InferenceError("this answer cannot go on: it is complete, empty or still being written")
        if len(answer.legs) >= MAX_LEGS:
            raise InferenceError(f"this answer was continued {MAX_LEGS} times; send a new prompt")
        with self._changing(answer.turn):
            return answer.begin_leg()

    def apply(self, answer: Answer, leg: AnswerProgress, event: Event) -> None:
        with self._changing(answer.turn):
            answer.apply(leg, event)

    def set_model(self, answer: Answer, model: ModelFacts) -> None:
        with self._changing(answer.turn):
            answer.set_model(model)

    def select_attempt(self, turn_index: int, pane_id: str, attempt: int) -> None:
        turn = self.turn(turn_index)
        attempts = turn.answers.get(pane_id, [])
        if not 1 <= attempt <= len(attempts):
            raise ConfigurationError(f"pane {pane_id!r} has attempts 1 to {len(attempts)} there, not {attempt!r}")
        with self._changing(turn_index):
            turn.selected[pane_id] = attempt

    def choose(self, turn_index: int, pane_id: str) -> None:
        turn = self.turn(turn_index)
        answer = turn.answer(pane_id)
        if answer is None or not answer.has_text:
            raise ConfigurationError(f"pane {pane_id!r} has no text in turn {turn_index} to go on from")
        with self._changing(turn_index):
            turn.picked = pane_id

    # --- what the models read -----------------------------------------------------------------------------------

    def messages(self, turn_index: int, pane_id: str) -> tuple[Message, ...]:
        """The conversation that leads to the prompt of a turn, and that prompt.

        A thread of its own holds the turns that this pane was asked, with its selected attempts; a shared one holds all
        turns with the chosen answer of each. Turns without any answer text are left out, so that roles alternate.
        """
        messages: list[Message] = []
        for turn in self.turns[:turn_index]:
            source = turn.chosen(self.panes) if self.shared_thread else pane_id
            answer = turn.answer(source) if source else None
            if answer and answer.has_text:
                messages += [self._asked(turn), Message("assistant", answer.text)]
        return (*messages, self._asked(self.turn(turn_index)))

    def _asked(self, turn: Turn) -> Message:
        """A prompt as models read it: its images, then its text."""
        urls = tuple(self.images[digest].url for digest in turn.images)
        return Message("user", turn.prompt, urls, image_places=(0,) * len(urls))

    def last_turn_of(self, pane_id: str) -> Turn:
        """The last turn in which the pane was asked; for a pane that never was, the last of all."""
        if not self.turns:
            raise InferenceError("nothing was asked yet; send a prompt first")
        return next((turn for turn in reversed(self.turns) if pane_id in turn.answers), self.turns[-1])

    def last_answer_of(self, pane_id: str) -> Answer:
        answer = self.last_turn_of(pane_id).answer(pane_id)
        if answer is None:
            raise InferenceError(f"pane {pane_id!r} has no answer yet; send a prompt or regenerate")
        return answer

    def answers(self) -> list[Answer]:
        """All attempts of all panes at all turns."""
        return [answer for turn in self.turns for attempts in turn.answers.values() for answer in attempts]

    def answer_of(self, answer_id: str) -> AnswerSnapshot:
        """The answer of this id as it is now."""
        (answer,) = (answer for answer in self.answers() if answer.id == answer_id)
        return self.snapshot().turns[answer.turn].attempts[answer.pane.id][answer.attempt - 1]

    def running_answers(self) -> list[Answer]:
        return [answer for answer in self.answers() if not answer.is_over]

    # --- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(self) -> ComparisonSnapshot:
        """The state now. Cheap: what did not change since the last one is shared with it."""
        with self._lock:
            if self._cached is None:
                self._cached = self._build()
            return self._cached

    def _build(self) -> ComparisonSnapshot:
        return ComparisonSnapshot(
            id=self.id,
            title=self.title,
            created_at=self.created_at,
            panes=self.panes,
            shared_thread=self.shared_thread,
            turns=tuple(self._turn_snapshot(turn) for turn in self.turns),
            is_running=self._waiting_prompts > 0 or bool(self.running_answers()),
            version=self._version,
            imported_from=self.imported_from,
            branched_from=self.branched_from,
            save_error=self._save_error,
            waiting_prompts=self._waiting_prompts,
            in_turn=self.in_turn,
            images=self.images,
        )

    def _turn_snapshot(self, turn: Turn) -> TurnSnapshot:
        if turn.index in self._turn_cache:
            return self._turn_cache[turn.index]
        attempts = {
            pane_id: tuple(answer.snapshot(len(answers)) for answer in answers)
            for pane_id, answers in turn.answers.items()
        }
        self._turn_cache[turn.index] = TurnSnapshot(
            index=turn.index,
            prompt=turn.prompt,
            created_at=turn.created_at,
            answers={pane_id: all_of_it[turn.selected[pane_id] - 1] for pane_id, all_of_it in attempts.items()},
            attempts=attempts,
            chosen=turn.chosen(self.panes),
            picked=turn.picked,
            images=turn.images,
        )
        return self._turn_cache[turn.index]

    @contextmanager
    def _changing(self, turn_index: int | None = None) -> Iterator[None]:
        """Hold the lock for one change; of the cached snapshot only the named turn is built anew, without one all."""
        with self._lock:
            try:
                yield
            finally:
                self._version += 1
                self._cached = None
                if turn_index is None:
                    self._turn_cache.clear()
                else:
                    self._turn_cache.pop(turn_index, None)
