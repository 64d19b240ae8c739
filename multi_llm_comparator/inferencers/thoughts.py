"""What a model thinks before it answers, told apart from its answer while both are being written.

Models that think write ``<think>`` ... ``</think>`` before their answer (DeepSeek R1, Qwen3 and those made like them);
some chat templates open the thought themselves. Tags further on in an answer are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from multi_llm_comparator.core.events import WRITTEN, Event, FinishReason, TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.core.tools import AUTO
from multi_llm_comparator.inferencers.text import StopMatcher

OPEN, CLOSE = "<think>", "</think>"
# What ends a thought that has used up its budget.
BUDGET_ENDS = f"\n{CLOSE}\n\n"


class ThoughtSplitter:
    """Parts a text that comes in pieces into its thought and the answer behind it.

    Args:
        looks: whether a thought may come; else all is answer.
        is_open: the prompt ends inside a thought.
    """

    def __init__(self, *, looks: bool, is_open: bool = False) -> None:
        self._held = ""
        self.is_before = looks and not is_open
        self.is_thinking = looks and is_open
        self.is_fresh = self.is_thinking  # nothing of what stands between a tag and its text is told

    def push(self, text: str) -> tuple[str, str]:
        """The thought and the answer that are certain by now."""
        text, self._held = self._held + text, ""
        if self.is_before:
            begun = text.lstrip()
            if OPEN.startswith(begun[: len(OPEN)]) and len(begun) < len(OPEN):
                self._held = text
                return "", ""
            self.is_before = False
            if begun.startswith(OPEN):
                self.is_thinking = self.is_fresh = True
                text = begun.removeprefix(OPEN)
        if not self.is_thinking:
            return "", self._fresh(text)
        thought, close, answer = text.partition(CLOSE)
        if close:
            thought, self.is_thinking = self._fresh(thought).rstrip(), False
            self.is_fresh = True
            return thought, self._fresh(answer)
        # The blanks before the closing tag are not told either.
        kept = _certain(thought)
        self._held = thought[kept:]
        return self._fresh(thought[:kept]), ""

    def flush(self) -> tuple[str, str]:
        """What was held back, at the end."""
        held, self._held = self._held, ""
        return (held.rstrip(), "") if self.is_thinking else ("", held)

    def _fresh(self, text: str) -> str:
        if self.is_fresh:
            text = text.lstrip()
            self.is_fresh = not text
        return text


def _certain(thought: str) -> int:
    """How much of a thought cannot be the beginning of its closing tag, nor blanks before that."""
    end = len(thought)
    for length in range(min(len(CLOSE) - 1, end), 0, -1):
        if CLOSE.startswith(thought[end - length :]):
            end -= length
            break
    return len(thought[:end].rstrip())


class AnswerParts:
    """The text of one answer as it is told: thought, then answer, and nothing past a stop text of the answer."""

    def __init__(self, stops: Iterable[str], splitter: ThoughtSplitter) -> None:
        self._splitter, self._stops = splitter, StopMatcher(stops)

    @property
    def is_thinking(self) -> bool:
        """Whether what comes next is thought."""
        return self._splitter.is_thinking

    @property
    def is_between(self) -> bool:
        """Whether nothing is told behind a tag yet."""
        return self._splitter.is_fresh

    @property
    def stop_text(self) -> str:
        """The stop text that was met; empty while none was."""
        return self._stops.hit

    @property
    def is_undecided(self) -> bool:
        """Whether what came so far may become a thought."""
        return self._splitter.is_before

    def push(self, text: str) -> tuple[str, str, bool]:
        """Take the next piece of text: its thought, its answer, and whether a stop text was met."""
        thought, answer = self._splitter.push(text)
        answer, is_stopped = self._stops.push(answer)
        return thought, answer, is_stopped

    def flush(self) -> tuple[str, str]:
        """Thought and answer that were held back, at the end."""
        thought, answer = self._splitter.flush()
        answer, is_stopped = self._stops.push(answer)
        return thought, answer if is_stopped else answer + self._stops.flush()


class Telling:
    """Text and tokens of one answer, as they come, to events.

    Args:
        request: what is answered.
        opens_thought: its prompt ends inside a thought.
    """

    def __init__(self, request: GenerationRequest, *, opens_thought: bool = False) -> None:
        self._id = request.id
        self._parts = AnswerParts(request.config.stop, ThoughtSplitter(looks=may_think(request), is_open=opens_thought))
        self._pieces: list[TokenPiece] = []

    @property
    def is_thinking(self) -> bool:
        """Whether a thought is open."""
        return self._parts.is_thinking

    def stop_text(self, reason: FinishReason) -> str:
        """The stop text that ended an answer which ended for ``reason``, if one did."""
        return self._parts.stop_text if reason == "stop" else ""

    def push(self, text: str, tokens: int, pieces: Iterable[TokenPiece] = ()) -> tuple[list[Event], bool]:
        """Take the text that a token completes, ``tokens`` in all by now; also whether a stop text was met."""
        parts, was_thinking = self._parts, self._parts.is_thinking
        thought, answer, is_stopped = parts.push(text)
        self._pieces += pieces
        events: list[Event] = []
        if was_thinking or thought or parts.is_thinking or parts.is_between:
            self._pieces.clear()
            events.append(ThoughtDelta(request_id=self._id, text=thought, tokens=tokens))
            if answer:
                events.append(self._text(answer, tokens))
        elif not parts.is_undecided:
            events.append(self._text(answer, tokens))
        return events, is_stopped

    def end(self, tokens: int, text: str = "") -> list[Event]:
        """What is left to tell when the answer is over; ``text`` is what its end completes."""
        events, is_stopped = self.push(text, tokens) if text else ([], False)
        thought, answer = ("", "") if is_stopped else self._parts.flush()
        events = [event for event in events if isinstance(event, WRITTEN) and event.text]
        if thought:
            events.append(ThoughtDelta(request_id=self._id, text=thought, tokens=tokens))
        if answer or self._pieces:
            events.append(self._text(answer, tokens))
        return events

    def _text(self, text: str, tokens: int) -> TextDelta:
        pieces, self._pieces = tuple(self._pieces), []
        return TextDelta(request_id=self._id, text=text, tokens=tokens, pieces=pieces)


def in_one(events: Sequence[Event]) -> Sequence[Event]:
    """Several pieces of answer text as one; others stay as they are."""
    texts = [event for event in events if isinstance(event, TextDelta)]
    if len(texts) < 2 or len(texts) < len(events):
        return events
    pieces = tuple(piece for one in texts for piece in one.pieces)
    return [replace(texts[-1], text="".join(one.text for one in texts), pieces=pieces)]


class ThoughtBudget:
    """Ends a thought after so many tokens, by the tokens of its closing tag.

    Args:
        budget: None for none.
        ending: the tokens that end a thought.
    """

    def __init__(self, budget: int | None, ending: Callable[[], Sequence[int]]) -> None:
        self._left = budget
        self._ending = ending
        self._forced: list[int] | None = None

    @property
    def next_token(self) -> int | None:
        """The token that must follow, while a thought is being ended."""
        return self._forced[0] if self._forced else None

    def take(self, token: int, *, is_thinking: bool) -> None:
        """A token has been written; ``is_thinking``: a thought is open behind it."""
        if self._forced:
            self._forced = self._forced[1:] if token == self._forced[0] else []
        elif is_thinking and self._left is not None and self._forced is None:
            self._left -= 1
            if self._left <= 0:
                self._forced = list(self._ending())


def may_think(request: GenerationRequest) -> bool:
    """Whether what stands before the answer may be told apart: a text without a template, and one that keeps to a
    constraint, are given as they are written. Tools that may be called leave the text before a call free."""
    is_free = request.constraint is None or (bool(request.offered_tools) and request.tool_choice == AUTO)
    return is_free and not request.raw and not request.prompt_tokens
