"""What one asks of a model, and of whatever stands in for one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.tools import AUTO, NONE, Tool, ToolCall

Role = Literal["system", "user", "assistant", "tool"]
Priority = Literal["low", "normal", "high"]
# A note (see events.Started) from where a constraint cannot be kept to.
UNCONSTRAINED = "This answer was to keep to a given form, which cannot be asked for there: it was written freely."
# Another, from where nobody here can promise that an answer comes again as it was.
UNREPEATABLE = "Whether this answer can be repeated depends on where it was written: nothing here can promise it."
# And of a model that was asked about images all the same.
BLIND = "This model does not see images: it answered from the text alone."


class MessagePart(NamedTuple):
    """A stretch of a message's text, or an image by its address; the other is empty."""

    text: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: its text and, for models that see, images as ``https:`` or ``data:`` URLs.

    ``image_places`` says behind how many characters of the text each image stands; without it, all behind the text.
    ``thought`` is what an assistant thought before it wrote the text; it goes to models whose chat template takes it.
    It may have written ``tool_calls`` beside its text; a turn of the role ``tool`` is what came of the call with the id
    ``tool_call_id``.
    """

    role: Role
    content: str
    images: tuple[str, ...] = ()
    thought: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    image_places: tuple[int, ...] = ()

    def parts(self) -> Iterator[MessagePart]:
        """Text and images in their order."""
        done, places = 0, self.image_places or (len(self.content),) * len(self.images)
        for image, place in zip(self.images, places, strict=False):
            if text := self.content[done:place]:
                yield MessagePart(text=text)
            yield MessagePart(image=image)
            done = max(done, place)
        if text := self.content[done:]:
            yield MessagePart(text=text)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Message:
        """Rebuild a message from what :func:`dataclasses.asdict` makes of it; what is missing is empty."""
        calls = tuple(ToolCall(**call) for call in data.get("tool_calls", ()))
        return cls(
            data["role"],
            data["content"],
            tuple(data.get("images", ())),
            data.get("thought", ""),
            tool_calls=calls,
            tool_call_id=data.get("tool_call_id", ""),
            image_places=tuple(data.get("image_places", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer that is wanted.

    ``config.system_prompt`` is put before ``messages`` unless they begin with a system message. With
    ``continue_final`` the last message is the assistant's and the model goes on writing it. With ``raw`` the last
    message's content goes to the model as it is: no template, special tokens still only as text.
    Requests of one ``run_id`` share what a budget per run allows. With a ``constraint`` a local model writes nothing
    else, and the answer ends where it must; what cannot be held to it (some endpoints) says so in its notes.
    ``priority`` orders those that wait for a place beside others at the same model.
    ``adapter`` is the folder or file of a LoRA adapter that the answer is computed with, on top of the loaded model, by
    ``config.adapter_scale``: the engine that looks the target up fills it in. ``prompt_tokens`` go to a local model
    as they are, in place of messages. With ``images_optional`` a model that does not see answers from the text alone,
    and says so in its notes; without it such a model refuses images.
    """

    messages: tuple[Message, ...]
    config: ModelConfig = field(default_factory=ModelConfig)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    continue_final: bool = False
    raw: bool = False
    run_id: str = ""
    constraint: Constraint | None = None
    adapter: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = AUTO
    parallel_tool_calls: bool = True
    priority: Priority = "high"
    prompt_tokens: tuple[int, ...] = ()
    images_optional: bool = False

    @property
    def images(self) -> tuple[str, ...]:
        """All images of the conversation, in their order."""
        return tuple(image for message in self.messages for image in message.images)

    def without_images(self) -> GenerationRequest:
        """The same request in text alone."""
        return replace(self, messages=tuple(replace(one, images=(), image_places=()) for one in self.messages))

    def as_seen(self, *, sees: bool) -> GenerationRequest:
        """The request as a model can be asked that ``sees`` or not: without images that need not be looked at."""
        return self.without_images() if self.images_optional and not sees else self

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """The tools that the model is told of."""
        return () if self.tool_choice == NONE else self.tools

    def notes(self, *, is_free: bool, is_promised: bool, is_blind: bool = False) -> tuple[str, ...]:
        """What was asked for and is not kept: the constraint where the answer ``is_free``, the same answer next time
        where it is not ``is_promised``, the images where the model ``is_blind``."""
        unmet = (
            (UNCONSTRAINED, self.constraint is not None and is_free),
            (UNREPEATABLE, self.config.reproducible and not is_promised),
            (BLIND, bool(self.images) and is_blind),
        )
        return tuple(note for note, is_so in unmet if is_so)

    def with_system_prompt(self) -> tuple[Message, ...]:
        """The messages with the configuration's system prompt in front, if there is one and none stands there."""
        prompt = self.config.system_prompt
        if not prompt or (self.messages and self.messages[0].role == "system"):
            return self.messages
        return (Message("system", prompt), *self.messages)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GenerationRequest:
        return cls(
            messages=tuple(map(Message.from_dict, data["messages"])),
            config=ModelConfig.from_dict(data["config"]),
            id=data["id"],
            continue_final=data.get("continue_final", False),
            raw=data.get("raw", False),
            run_id=data.get("run_id", ""),
            constraint=Constraint.from_dict(data["constraint"]) if data.get("constraint") else None,
            adapter=data.get("adapter", ""),
            tools=tuple(Tool(**tool) for tool in data.get("tools", ())),
            tool_choice=data.get("tool_choice", AUTO),
            parallel_tool_calls=data.get("parallel_tool_calls", True),
            priority=data.get("priority", "high"),
            prompt_tokens=tuple(data.get("prompt_tokens", ())),
            images_optional=data.get("images_optional", False),
        )


class TextSource(Protocol):
    """Anything that answers: the local engine, a gateway over many models, a test's script."""

    def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Answer ``request`` with the model (or whatever stands behind the name) ``target``.

        The last event is Finished or Failed; nothing is raised. Closing the iterator (``aclose``) cancels the request.
        """
        ...


class OneRun:
    """A source whose requests all belong to one run, so that they share what a budget per run allows."""

    def __init__(self, source: TextSource, run_id: str) -> None:
        self._source, self._run_id = source, run_id

    def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        return self._source.stream(target, replace(request, run_id=self._run_id))
