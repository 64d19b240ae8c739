"""What OpenAI's clients send to ``/v1/responses``, as far as it needs no state here."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.forms import (
    ANY_JSON_OBJECT,
    MAX_MESSAGES,
    MAX_PARTS,
    Count,
    Form,
    JsonSchema,
    Name,
    Share,
    Temperature,
    Text,
    example,
)
from multi_llm_comparator.server.api.openai_forms import HINTS


class ResponseText(Form):
    ignored = frozenset({"annotations", "logprobs"})

    type: Literal["input_text", "output_text", "text"] = Field(description="only text is read")
    text: Text


def _as_parts(value: Any) -> Any:
    return [{"type": "input_text", "text": value}] if isinstance(value, str) else value


class ResponseMessage(Form):
    """One turn. What a model thought before (items of the type ``reasoning``) is left out before it comes here."""

    ignored = frozenset({"id", "status", "phase"})

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[ResponseText], BeforeValidator(_as_parts), Field(max_length=MAX_PARTS)]

    def message(self) -> Message:
        role = "system" if self.role == "developer" else self.role
        return Message(role, "".join(part.text for part in self.content))


def _as_items(value: Any) -> Any:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list):
        return value
    return [item for item in value if not (isinstance(item, dict) and item.get("type") == "reasoning")]


class ResponseFormat(Form):
    ignored = frozenset({"name", "description", "strict"})

    type: Literal["text", "json_object", "json_schema"] = "text"
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


class ResponseStreamOptions(Form):
    ignored = frozenset({"include_obfuscation"})


class ResponsesForm(Form):
    """``POST /v1/responses``. Nothing is stored, so a conversation is sent whole each time."""

    model_config = example({"model": "demo-small", "input": "What is 12 + 30?", "max_output_tokens": 64})
    ignored = HINTS
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
        "parallel_tool_calls": (True, False),
        "previous_response_id": (),
        "prompt": (),
        "reasoning": ({},),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
    }

    model: Name | None = Field(
        default=None, description="a local model, an endpoint, a group, a pool, a node or a plan"
    )
    input: Annotated[
        list[ResponseMessage], BeforeValidator(_as_items), Field(min_length=1, max_length=MAX_MESSAGES)
    ] = Field(description="a text, or messages of system, developer, user and assistant; reasoning items are left out")
    instructions: Text | None = Field(default=None, description="a system message before the input")
    max_output_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    stream: bool = Field(default=False, description="send the answer as it is written")
    stream_options: ResponseStreamOptions = Field(default=ResponseStreamOptions(), description="nothing to choose")
    temperature: Temperature = Field(default=1.0, description="0 (greedy) to 2")
    top_p: Share = Field(default=1.0, description="share of the probability to draw from")
    text: TextOptions = Field(
        default=TextOptions(),
        description="`format`: `text`, `json_object` or `json_schema`, to which the answer is held token by token",
    )

    def messages(self) -> tuple[Message, ...]:
        first = (Message("system", self.instructions),) if self.instructions else ()
        return (*first, *(item.message() for item in self.input))

    def config(self, n_ctx: int, max_tokens: int) -> ModelConfig:
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=max_tokens,
            top_p=self.top_p,
            top_k=0,
            repeat_penalty=1.0,
            n_ctx=n_ctx,
        )
