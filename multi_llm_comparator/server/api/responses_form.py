"""What OpenAI's clients send to ``/v1/responses``, as far as it needs no state here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.server.api.forms import (
    ANY_JSON_OBJECT,
    MAX_MESSAGES,
    MAX_PARTS,
    Count,
    Form,
    ImageAddress,
    JsonSchema,
    Name,
    Penalty,
    Several,
    Share,
    Temperature,
    Text,
    example,
    placed,
)
from multi_llm_comparator.server.api.openai_forms import HINTS
from multi_llm_comparator.server.api.tool_forms import CallId, ResponseChoice, ResponseTools, ToolName, asked


class ResponsePart(Form):
    ignored = frozenset({"annotations", "logprobs", "detail"})

    type: Literal["input_text", "output_text", "text", "input_image"] = Field(description="text, or an image")
    text: Text | None = None
    image_url: ImageAddress | None = None

    @model_validator(mode="after")
    def _is_what_it_says(self) -> ResponsePart:
        if (self.image_url is not None) != (self.type == "input_image") or (self.text is None) == (
            self.image_url is None
        ):
            raise ValueError("a part of the type 'input_image' has 'image_url', any other has 'text'")
        return self


def _as_parts(value: Any) -> Any:
    return [{"type": "input_text", "text": value}] if isinstance(value, str) else value


def _joined(parts: Iterable[ResponsePart]) -> str:
    return "".join(part.text or "" for part in parts)


class ResponseMessage(Form):
    """One turn. What a model thought before (items of the type ``reasoning``) is left out before it comes here."""

    ignored = frozenset({"id", "status", "phase"})

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Several[ResponsePart], BeforeValidator(_as_parts), Field(max_length=MAX_PARTS)]

    def message(self) -> Message:
        role = "system" if self.role == "developer" else self.role
        return Message(role, _joined(self.content), **placed((part.text, part.image_url) for part in self.content))


class ResponseCall(Form):
    """A call that the model wrote."""

    ignored = frozenset({"id", "status", "namespace", "caller"})

    type: Literal["function_call"]
    call_id: CallId
    name: ToolName
    arguments: Text = "{}"

    def message(self) -> Message:
        call = ToolCall(id=self.call_id, name=self.name, arguments=self.arguments or "{}")
        return Message("assistant", "", tool_calls=(call,))


class ResponseOutput(Form):
    """What came of a call."""

    ignored = frozenset({"id", "status", "caller"})

    type: Literal["function_call_output"]
    call_id: CallId
    output: Annotated[Several[ResponsePart], BeforeValidator(_as_parts), Field(max_length=MAX_PARTS)]

    @model_validator(mode="after")
    def _is_text(self) -> ResponseOutput:
        if any(part.image_url for part in self.output):
            raise ValueError("what came of a call is read as text; send its images in a message of the user's")
        return self

    def message(self) -> Message:
        return Message("tool", _joined(self.output), tool_call_id=self.call_id)


ResponseItem = Annotated[ResponseMessage | ResponseCall | ResponseOutput, Field(discriminator="type")]


def _as_items(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list):
        return value
    items = [item for item in value if not (isinstance(item, dict) and item.get("type") == "reasoning")]
    return [{"type": "message", **item} if isinstance(item, dict) and "type" not in item else item for item in items]


def together(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages, with calls in one turn of the assistant, and in that of the text before them."""
    held: Message | None = None
    for message in messages:
        if held is not None and held.role == message.role == "assistant" and not message.content:
            held = replace(held, tool_calls=(*held.tool_calls, *message.tool_calls))
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held


class ResponseFormat(Form):
    ignored = frozenset({"description", "strict"})

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Annotated[str, Field(max_length=64)] | None = None
    described: JsonSchema | None = Field(default=None, alias="schema")

    @model_validator(mode="after")
    def _schema_is_there(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.described is not None):
            raise ValueError("'schema' belongs to the type 'json_schema', and to no other")
        return self

    @property
    def constraint(self) -> Constraint | None:
        if self.described is not None:
            return Constraint.of_schema(self.described)
        return ANY_JSON_OBJECT if self.type == "json_object" else None


class TextOptions(Form):
    neutral: ClassVar = {"verbosity": ("medium",)}

    format: ResponseFormat = ResponseFormat()


# Hints that change no answer and are told with it.
COME_BACK = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "user"})
Short = Annotated[str, Field(max_length=512)]


class ResponseStreamOptions(Form):
    ignored = frozenset({"include_obfuscation"})


class ResponsesForm(Form):
    """``POST /v1/responses``. Nothing is stored, so a conversation is sent whole each time."""

    model_config = example({"model": "demo-small", "input": "What is 12 + 30?", "max_output_tokens": 64})
    ignored = HINTS - COME_BACK
    neutral: ClassVar = {
        "access_programs": ([],),
        "background": (False,),
        "background_options": (),
        "context_management": ([],),
        "conversation": (),
        "image": (),
        "include": ([],),
        "max_tool_calls": (),
        "moderation": (),
        "previous_response_id": (),
        "prompt": (),
        "reasoning": ({},),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
    }

    model: Name | None = Field(
        default=None, description="a local model, an endpoint, a group, a pool, a node or a plan"
    )
    input: Annotated[
        Several[ResponseItem], BeforeValidator(_as_items), Field(min_length=1, max_length=MAX_MESSAGES)
    ] = Field(
        description="a text, or items: messages of system, developer, user and assistant, calls of functions and "
        "what came of them; reasoning items are left out"
    )
    instructions: Text | None = Field(default=None, description="a system message before the input")
    max_output_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    stream: bool = Field(default=False, description="send the answer as it is written")
    stream_options: ResponseStreamOptions = Field(default=ResponseStreamOptions(), description="nothing to choose")
    temperature: Temperature = Field(default=1.0, description="0 (greedy) to 2")
    top_p: Share = Field(default=1.0, description="share of the probability to draw from")
    frequency_penalty: Penalty = Field(default=0.0, description="against tokens by how often they occurred, -2 to 2")
    presence_penalty: Penalty = Field(default=0.0, description="against tokens that occurred, -2 to 2")
    text: TextOptions = Field(
        default=TextOptions(),
        description="`format`: `text`, `json_object` or `json_schema`, to which the answer is held token by token",
    )

    tools: ResponseTools = Field(default=[], description="functions that the model may call; other types are ignored")
    tool_choice: ResponseChoice = Field(default="auto", description="`auto`, `none`, `required`, or one function")
    parallel_tool_calls: bool = Field(default=True, description="several calls in one answer")
    metadata: Annotated[dict[Short, Short], Field(max_length=16)] = Field(
        default={}, description="comes back with the response, as do the next three; none of them changes it"
    )
    prompt_cache_key: Short | None = Field(default=None, description="see `metadata`")
    safety_identifier: Short | None = Field(default=None, description="see `metadata`")
    user: Short | None = Field(default=None, description="see `metadata`")

    def messages(self) -> tuple[Message, ...]:
        first = (Message("system", self.instructions),) if self.instructions else ()
        return (*first, *together(item.message() for item in self.input))

    def tools_asked(self) -> dict[str, Any]:
        """Raises ApiError: the choice is none of the tools."""
        choice = self.tool_choice if isinstance(self.tool_choice, str) else self.tool_choice.choice
        return asked(tuple(one.tool() for one in self.tools), choice, self.parallel_tool_calls)

    def config(self, n_ctx: int, max_tokens: int) -> ModelConfig:
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=max_tokens,
            top_p=self.top_p,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            top_k=0,
            repeat_penalty=1.0,
            n_ctx=n_ctx,
        )
