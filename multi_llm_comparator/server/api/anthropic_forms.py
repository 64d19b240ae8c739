"""What Anthropic's clients send for messages."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.forms import (
    MAX_MESSAGES,
    MAX_PARTS,
    Content,
    Count,
    Form,
    JsonSchema,
    Name,
    Share,
    Stops,
    TextPart,
    as_parts,
    example,
    joined,
)


def _said_only(value: Any) -> Any:
    """The blocks without what the model thought before, which no model is given again."""
    parts = as_parts(value)
    if not isinstance(parts, list):
        return parts
    return [part for part in parts if not (isinstance(part, dict) and part.get("type") in _THOUGHTS)]


_THOUGHTS = ("thinking", "redacted_thinking")


class Turn(Form):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[TextPart], BeforeValidator(_said_only), Field(max_length=MAX_PARTS)]


class OutputFormat(Form):
    type: Literal["json_schema"]
    described: JsonSchema = Field(alias="schema")


class OutputConfig(Form):
    neutral: ClassVar = {"effort": ("medium",), "task_budget": ()}

    format: OutputFormat | None = None


class Asked(Form):
    """What both paths read. A last turn of the assistant's is continued."""

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
        "thinking": ({"type": "disabled"},),
        "tool_choice": ({"type": "none"}, {"type": "auto"}),
        "tools": ([],),
    }

    model: Name | None = Field(default=None, description="a local model, an endpoint, a group, a pool or a node")
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
        description="roles user, assistant; text, or a list of text blocks; a last one of the assistant is continued"
    )
    system: Content = Field(default=[], description="text, or a list of text blocks")
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
        return (*system, *(Message(turn.role, joined(turn.content)) for turn in self.messages))


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
        )
