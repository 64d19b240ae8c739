"""What Anthropic's clients send for messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.server.api.forms import (
    MAX_MESSAGES,
    MAX_PARTS,
    Content,
    Count,
    Form,
    ImageAddress,
    JsonSchema,
    Name,
    Several,
    Share,
    Stops,
    Text,
    TextPart,
    as_parts,
    example,
    joined,
)
from multi_llm_comparator.server.api.tool_forms import (
    AnthropicChoice,
    AnthropicTools,
    CallId,
    ToolName,
    asked,
)


def _said_only(value: Any) -> Any:
    """The blocks without thoughts that only their maker can read."""
    parts = as_parts(value)
    if not isinstance(parts, list):
        return parts
    return [part for part in parts if not (isinstance(part, dict) and part.get("type") == "redacted_thinking")]


class ImageSource(Form):
    type: Literal["base64", "url"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"] | None = None
    data: Text | None = None
    url: ImageAddress | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> ImageSource:
        if (self.type == "url") != (self.url is not None) or (self.type == "base64") != bool(
            self.data and self.media_type
        ):
            raise ValueError(
                "a source of the type 'base64' has 'media_type' and 'data', one of the type 'url' has 'url'"
            )
        return self

    @property
    def address(self) -> str:
        return self.url or f"data:{self.media_type};base64,{self.data}"


class ImageBlock(Form):
    ignored = frozenset({"cache_control"})

    type: Literal["image"]
    source: ImageSource


Shown = Annotated[TextPart | ImageBlock, Field(discriminator="type")]


class ToolUse(Form):
    """A call that the model wrote."""

    ignored = frozenset({"cache_control", "caller"})

    type: Literal["tool_use"]
    id: CallId
    name: ToolName
    input: dict[str, Any] = Field(default={})

    def call(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.name, arguments=json.dumps(self.input, ensure_ascii=False))


class ToolResult(Form):
    """What came of a call."""

    ignored = frozenset({"cache_control"})

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: Annotated[list[Shown], BeforeValidator(as_parts), Field(max_length=MAX_PARTS)] = Field(
        default=[], description="text and images; those are shown with what the user says next"
    )
    is_error: bool = False

    @property
    def images(self) -> list[str]:
        return [part.source.address for part in self.content if isinstance(part, ImageBlock)]

    def message(self) -> Message:
        said = joined([part for part in self.content if isinstance(part, TextPart)])
        return Message("tool", f"Error: {said}" if self.is_error else said, tool_call_id=self.tool_use_id)


class Thinking(Form):
    """What the model thought before; it goes to models whose chat template takes it. Its signature is nobody's here."""

    ignored = frozenset({"signature"})

    type: Literal["thinking"]
    thinking: Text


class ThinkingSwitch(Form):
    """Whether the model thinks, where its chat template has a switch, and with how many tokens at most."""

    ignored = frozenset({"display"})

    type: Literal["enabled", "disabled", "adaptive"] = "adaptive"
    budget_tokens: Count | None = None

    def config(self) -> dict[str, Any]:
        """Under ModelConfig's names."""
        return {
            "enable_thinking": {"enabled": True, "disabled": False, "adaptive": None}[self.type],
            "thinking_budget": self.budget_tokens,
        }


Block = Annotated[TextPart | ImageBlock | ToolUse | ToolResult | Thinking, Field(discriminator="type")]


class AnthropicTurn(Form):
    role: Literal["user", "assistant", "system"]
    content: Annotated[Several[Block], BeforeValidator(_said_only), Field(max_length=MAX_PARTS)]

    def messages(self) -> Iterator[Message]:
        """The turn as messages: each result of a call is one of its own, before what else is said."""
        text, thought, calls, images, places = "", "", [], [], []
        for block in self.content:
            match block:
                case TextPart():
                    text += block.text
                case ImageBlock():
                    images.append(block.source.address)
                    places.append(len(text))
                case ToolUse():
                    calls.append(block.call())
                case Thinking():
                    thought += block.thinking
                case ToolResult():
                    yield block.message()
                    images += block.images
                    places += [len(text)] * len(block.images)
        has_results = any(isinstance(block, ToolResult) for block in self.content)
        if text or calls or images or not has_results:
            thought = thought if self.role == "assistant" else ""
            yield Message(
                self.role,
                text,
                tuple(images),
                thought,
                tool_calls=tuple(calls),
                image_places=tuple(places) if images else (),
            )


class OutputFormat(Form):
    type: Literal["json_schema"]
    described: JsonSchema = Field(alias="schema")


class OutputConfig(Form):
    neutral: ClassVar = {"effort": ("medium",), "task_budget": ()}

    format: OutputFormat | None = None


class Asked(Form):
    """What both paths read. A last turn of the assistant's is continued."""

    model_config = example({"model": "demo-small", "messages": [{"role": "user", "content": "What is 12 + 30?"}]})
    ignored = frozenset(
        {
            "betas",
            "cache_control",
            "diagnostics",
            "inference_geo",
            "metadata",
            "service_tier",
            "speed",
            "user_profile_id",
            "workspace_id",
        }
    )
    neutral: ClassVar = {
        "container": (),
        "context_management": (),
        "mcp_servers": ([],),
    }

    model: Name | None = Field(default=None, description="a local model, an endpoint, a group, a pool or a node")
    messages: Annotated[Several[AnthropicTurn], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
        description="roles user, assistant; text, or a list of blocks: text, images, calls of tools and what came of "
        "them; a last one of the assistant is continued"
    )
    system: Content = Field(default=[], description="text, or a list of text blocks")
    thinking: ThinkingSwitch = Field(
        default=ThinkingSwitch(),
        description="`enabled` (with `budget_tokens`) or `disabled`, where the model's chat template has a switch",
    )
    tools: AnthropicTools = Field(default=[], description="functions that the model may call")
    tool_choice: AnthropicChoice = Field(default=AnthropicChoice(), description="`auto`, `any`, `none`, or one `tool`")
    output_config: OutputConfig = Field(
        default=OutputConfig(), description="`format`: a `json_schema`, to which the answer is held token by token"
    )
    output_format: OutputFormat | None = Field(default=None, description="the same, as older clients say it")

    @property
    def constraint(self) -> Constraint | None:
        wanted = self.output_config.format or self.output_format
        return Constraint.of_schema(wanted.described) if wanted else None

    @property
    def continues(self) -> bool:
        return self.messages[-1].role == "assistant"

    def asked(self) -> tuple[Message, ...]:
        system = (Message("system", joined(self.system)),) if self.system else ()
        return (*system, *(message for turn in self.messages for message in turn.messages()))

    def tools_asked(self) -> dict[str, Any]:
        """Raises ApiError: the choice is none of the tools."""
        choice = self.tool_choice
        return asked(tuple(one.tool() for one in self.tools), choice.choice, not choice.disable_parallel_tool_use)


class MessagesForm(Asked):
    """``POST /v1/messages``."""

    model_config = example(
        {"model": "demo-small", "max_tokens": 64, "messages": [{"role": "user", "content": "What is 12 + 30?"}]}
    )
    max_tokens: Count = Field(description="tokens of the answer at most")
    stream: bool = Field(default=False, description="send the answer as it is written")
    stop_sequences: Stops = Field(default=[], description="at most 16 texts that end the answer")
    temperature: Share = Field(default=1.0, description="0 (greedy) to 1")
    top_p: Share = Field(default=1.0, description="share of the probability to draw from")
    top_k: int = Field(default=0, ge=0, le=1_000_000, description="tokens to draw from; 0 for all")

    def config(self, n_ctx: int) -> ModelConfig:
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            top_p=self.top_p,
            top_k=self.top_k,
            repeat_penalty=1.0,
            stop=tuple(self.stop_sequences),
            n_ctx=n_ctx,
            **self.thinking.config(),
        )
