"""From a conversation to the text a model reads: its own chat template, or a plain prompt where it has none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

from jinja2 import Template
from jinja2.exceptions import TemplateError

from multi_llm_comparator.core.exceptions import ConversationRefusedError, InferenceError, ToolsRefusedError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.tools import Tool
from multi_llm_comparator.inferencers.chat_entries import Hidden, entries_of, in_parts, texts_of
from multi_llm_comparator.inferencers.chat_sandbox import TemplateRefusal, chat_sandbox
from multi_llm_comparator.inferencers.thoughts import CLOSE, OPEN
from multi_llm_comparator.inferencers.time_limits import TEMPLATE, LimitReached, limited
from multi_llm_comparator.inferencers.tool_forms import NO_TOOLS, CallForm, find_form

# Those of real models have 30,000 at most, and compiling takes 20 µs and 2 kB for each.
MAX_SOURCE_CHARS = 128 * 1024
MAX_TEXT_CHARS = 16 * 1024 * 1024  # of one prompt
NO_TEMPLATE = "The model has no chat template: it was given a plain prompt."
NO_SWITCH = "The model's chat template has no switch for thinking: the model thinks, or not, as it was made."
SYSTEM_FOLDED = "The model's chat template takes no system prompt: it was put in front of the first user message."

_PROBE = "probe7c3a"

# The variable by which templates of models that think let them think, or not (Qwen3 and others).
THINKING_SWITCH = "enable_thinking"

# Whatever a stranger's program can raise while it runs: a template is not ours to debug.
_FAULTS: tuple[type[Exception], ...] = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LimitReached,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A stretch of the prompt. Only in a template's part may the text of a special token become that token.

    With ``image`` it is no text but the request's image of this number, counted from 0.
    """

    text: str
    is_template: bool
    image: int | None = None


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """What the model reads, in order, and what a person should know about it; ``opens_thought`` where it ends inside a
    thought."""

    parts: tuple[PromptPart, ...]
    notes: tuple[str, ...] = ()
    opens_thought: bool = False

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


class ChatTemplate:
    """A model's chat template (Jinja, as in Hugging Face's ``chat_template``), or the plain prompt without one.

    A template that cannot be used (broken, oversized, dropping what the user says) counts as none; :attr:`problem`
    says why. ``special_tokens`` are the texts that the tokenizer turns into control tokens: where a message contains
    one, its content becomes a part of its own that is no template's, so that the text stays text.
    """

    def __init__(
        self, source: str | None, *, bos_token: str = "", eos_token: str = "", special_tokens: Iterable[str] = ()
    ) -> None:
        self._variables = {"bos_token": bos_token, "eos_token": eos_token, "documents": None}
        self._special_tokens = tuple(token for token in dict.fromkeys(special_tokens) if token.strip())
        self._source = source or ""
        self._template: Template | None = None
        self.problem: str | None = None
        self._folded = SYSTEM_FOLDED
        # Templates of models that see may know contents as lists of parts only.
        self._in_parts = False
        if source is not None and source.strip():
            self._compile()
        self._takes_system = self._template is not None and self._shows("system")

    @property
    def source(self) -> str:
        """The template itself; empty where there is none that can be used."""
        return self._source if self._template is not None else ""

    @property
    def is_present(self) -> bool:
        """Whether prompts go through a template."""
        return self._template is not None

    @cached_property
    def call_form(self) -> CallForm | None:
        """How the model writes calls of tools; None where its template has none, or writes them in no form known here.

        A template that has them says so by these words; no other is run for it.
        """
        if self._template is None or "tool" not in self._source:
            return None
        return find_form(self._run, _FAULTS)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        return self._special_tokens

    @cached_property
    def writes_images(self) -> bool:
        """Whether the template itself writes what stands for an image in the model's prompt."""
        if self._template is None:
            return False
        text = {"type": "text", "text": _PROBE}
        try:
            seen, blind = (self._run([{"role": "user", "content": c}]) for c in ([{"type": "image"}, text], [text]))
        except _FAULTS:
            return False
        # One that knows texts only writes a list as Python would.
        is_known = _PROBE in seen and "'type'" not in seen
        return is_known and len(seen) > len(blind)

    def render(self, request: GenerationRequest, *, writes_images: bool = False) -> RenderedPrompt:
        """The prompt for ``request``; the model's answer (or its continuation) follows immediately.

        Args:
            request: what is asked.
            writes_images: have the template write what stands for an image (see :attr:`writes_images`); else each image
                is a part of its own.

        Raises:
            InferenceError: the conversation is empty, or the template refuses it.
            ToolsRefusedError: it has tools, or calls of them, and the template none.
        """
        if not request.images or (writes_images and not request.raw):
            return self._rendered(request)
        mark = self._unused_character(texts_of(request.with_system_prompt(), request.offered_tools))
        rendered = self._rendered(replace(request, messages=_marked(request.messages, mark)))
        return replace(rendered, parts=_with_images(rendered.parts, mark, len(request.images)))

    def _rendered(self, request: GenerationRequest) -> RenderedPrompt:
        if request.raw:
            content = request.messages[-1].content if request.messages else ""
            return RenderedPrompt((PromptPart(content, is_template=False),))
        messages = request.with_system_prompt()
        uses_tools = request.offered_tools or any(one.tool_calls or one.role == "tool" for one in messages)
        if uses_tools and self.call_form is None:
            raise ToolsRefusedError(NO_TOOLS)
        begun = ""
        if request.continue_final:
            if not messages or messages[-1].role != "assistant":
                raise InferenceError("there is no answer to continue: the last message must be the assistant's")
            begun, messages = _begun(messages[-1]), messages[:-1]
        if not messages:
            raise InferenceError("the conversation is empty; send at least one message")
        if self._template is None:
            return RenderedPrompt((PromptPart(_plain(messages) + begun, is_template=False),), (self.note,))
        return self._through_template(messages, begun, request.offered_tools, request.config.enable_thinking)

    def _through_template(
        self, messages: Sequence[Message], begun: str, tools: Sequence[Tool], enable_thinking: bool | None
    ) -> RenderedPrompt:
        notes: tuple[str, ...] = ()
        switches: dict[str, Any] = {}
        if enable_thinking is not None:
            switches = {"enable_thinking": enable_thinking} if THINKING_SWITCH in self._source else {}
            notes += () if switches else (NO_SWITCH,)
        if not self._takes_system and messages[0].role == "system":
            messages, notes = _fold_system(messages), (*notes, self._folded)
        try:
            parts = self._parts(messages, tools, switches)
        except _FAULTS as exc:
            is_refused = isinstance(exc, TemplateRefusal)
            verb, kind = ("refuses", ConversationRefusedError) if is_refused else ("fails on", InferenceError)
            raise kind(
                f"the model's chat template {verb} this conversation: {str(exc)!r}; change its messages "
                "or send the text without the template (raw)"
            ) from exc
        opens_thought = "".join(part.text for part in parts).rstrip().endswith(OPEN)
        # What follows the template's opening of the answer continues it exactly where the model left off, which
        # rendering the answer as a finished message would not: templates trim it or cut out its reasoning.
        if begun:
            begun = _inside(begun) if opens_thought else begun
            opens_thought = begun.rfind(CLOSE) < begun.rfind(OPEN) or (opens_thought and CLOSE not in begun)
            parts.append(PromptPart(begun, is_template=not self._has_special_token(begun)))
        return RenderedPrompt(_merge(parts), notes, opens_thought)

    def _compile(self) -> None:
        if len(self._source) > MAX_SOURCE_CHARS:
            self.problem = f"it has {len(self._source)} characters, over the limit of {MAX_SOURCE_CHARS}"
            return
        try:
            with limited(TEMPLATE):
                self._template = chat_sandbox().from_string(self._source)
            self.problem = self._why_unusable()
        except _FAULTS as exc:
            self.problem = f"{type(exc).__name__}: {exc}"
        if self.problem is not None:
            self._template = None

    def _why_unusable(self) -> str | None:
        """Try what the user says as a text, then as a list of parts."""
        why = "it refuses or drops what the user says"
        try:
            if self._shows("user"):
                return None
        except (LimitReached, MemoryError):
            raise
        except _FAULTS as exc:
            why = f"{type(exc).__name__}: {exc}"
        self._in_parts = True
        with suppress(*_FAULTS):
            if self._shows("user"):
                return None
        self._in_parts = False
        return why

    def _shows(self, role: str) -> bool:
        """Whether the template accepts a message of this role and shows its content."""
        marker = _PROBE
        probe = [{"role": role, "content": marker}]
        if role != "user":
            probe.append({"role": "user", "content": "hello"})
        try:
            return marker in self._run(probe)
        except TemplateRefusal:
            return False
        except _FAULTS as exc:
            if role == "user":
                raise
            # No "no" but a fault: whoever sends such a message is told.
            self._folded = f"{SYSTEM_FOLDED} It fails on one: {type(exc).__name__}: {exc}"
            return False

    def _run(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        is_answered: bool = True,
        switches: Mapping[str, Any] | None = None,
    ) -> str:
        """What the template makes of a conversation; ``is_answered`` opens the answer that follows."""
        assert self._template is not None
        messages = in_parts(messages) if self._in_parts else messages
        variables = {**self._variables, "tools": tools, "add_generation_prompt": is_answered}
        pieces, size = [], 0
        with limited(TEMPLATE):
            variables |= switches or {}
            for piece in self._template.generate(messages=messages, **variables):
                size += len(piece)
                if size > MAX_TEXT_CHARS:
                    raise TemplateError(f"it makes a prompt of more than {MAX_TEXT_CHARS} characters")
                pieces.append(piece)
        return "".join(pieces)

    def _parts(
        self, messages: Sequence[Message], tools: Sequence[Tool], switches: Mapping[str, Any]
    ) -> list[PromptPart]:
        """Run the template with a placeholder for each content that holds a special token's text."""
        shown = [tool.as_template_sees_it() for tool in tools] or None
        texts = list(texts_of(messages, tools))
        if not any(map(self._has_special_token, texts)):
            return [PromptPart(self._run(entries_of(messages), shown, switches=switches), is_template=True)]
        hidden = Hidden(self._special_tokens, self._unused_character(texts))
        text = self._run(entries_of(messages, hidden), hidden.inside(shown), switches=switches)
        return self._split(text, hidden.mark, hidden.texts)

    def _split(self, text: str, mark: str, hidden: list[str]) -> list[PromptPart]:
        pieces = re.split(f"{mark}(\\d+){mark}", text)
        if any(mark in piece for piece in pieces[::2]):
            raise TemplateError("it rewrites a message that contains the text of a special token; take that text out")
        return [
            PromptPart(hidden[int(piece)] if i % 2 else piece, is_template=not i % 2) for i, piece in enumerate(pieces)
        ]

    def _has_special_token(self, text: str) -> bool:
        return any(token in text for token in self._special_tokens)

    def _unused_character(self, texts: Iterable[str]) -> str:
        """A private-use character (no case, no meaning, no escape in JSON) that occurs nowhere in this prompt."""
        used = {*self._source, *(character for text in texts for character in text)}
        for code in range(0xE000, 0xF900):
            if chr(code) not in used:
                return chr(code)
        raise TemplateError("the messages use up all private-use characters; take some out")

    @property
    def note(self) -> str:
        """What to say where there is no template that could be used."""
        if self.problem is None:
            return NO_TEMPLATE
        return f"The model's chat template cannot be used ({self.problem}): it was given a plain prompt."


def _inside(begun: str) -> str:
    """What an answer begins with, behind a template that has opened its thought: of one without a thought the end of
    that comes first."""
    if OPEN not in begun and CLOSE not in begun:
        return f"\n{CLOSE}\n\n{begun}"
    return begun.removeprefix(f"{OPEN}\n")


def _begun(message: Message) -> str:
    """What an assistant's message that is to be continued begins with: its thought, which is open while it has no
    text, then its text."""
    if not message.thought:
        return message.content
    return f"{OPEN}\n{message.thought}" + (f"\n{CLOSE}\n\n{message.content}" if message.content else "")


def _fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with its system message put in front of what the user says first."""
    system, *rest = messages
    if rest and rest[0].role == "user":
        text = f"{system.content}\n\n{rest[0].content}"
        places = tuple(place + len(text) - len(rest[0].content) for place in rest[0].image_places)
        first = Message("user", text, rest[0].images, image_places=places)
        return (first, *rest[1:])
    return (Message("user", system.content), *rest)


def _plain(messages: Sequence[Message]) -> str:
    """A prompt for a model that only continues text.

    One question is given as it is, so that the model continues it; of a longer conversation the speakers are named,
    since nothing else tells them apart.
    """
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if len(turns) <= 1:
        return "\n\n".join([*system, *(turn.content for turn in turns)])
    lines = [f"{'User' if turn.role == 'user' else 'Assistant'}: {turn.content.strip()}" for turn in turns]
    return "\n\n".join([*system, *lines, "Assistant:"])


def _marked(messages: Sequence[Message], mark: str) -> tuple[Message, ...]:
    """The messages with a place marked for each image, in their text."""
    numbers = count()
    return tuple(
        replace(
            message,
            content="".join(f"{mark}{next(numbers)}{mark}" if part.image else part.text for part in message.parts()),
            images=(),
            image_places=(),
        )
        for message in messages
    )


def _with_images(parts: Iterable[PromptPart], mark: str, n_images: int) -> tuple[PromptPart, ...]:
    """The parts split at the places of images.

    Raises:
        InferenceError: the template left images out, or changed their order.
    """
    found: list[PromptPart] = []
    for part in parts:
        for i, piece in enumerate(re.split(f"{mark}(\\d+){mark}", part.text)):
            if i % 2:
                found.append(PromptPart("", is_template=False, image=int(piece)))
            elif piece:
                found.append(PromptPart(piece, part.is_template))
    if [part.image for part in found if part.image is not None] != list(range(n_images)):
        raise InferenceError(
            "the model's chat template leaves images out, or changes their order: send them with the last message, or "
            "without the template (raw)"
        )
    return tuple(found)


def _merge(parts: Iterable[PromptPart]) -> tuple[PromptPart, ...]:
    """The parts without empty ones, neighbouring parts of the template joined."""
    merged: list[PromptPart] = []
    for part in parts:
        if merged and part.is_template and merged[-1].is_template:
            merged[-1] = PromptPart(merged[-1].text + part.text, is_template=True)
        elif part.text:
            merged.append(part)
    return tuple(merged)
