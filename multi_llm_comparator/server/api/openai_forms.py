"""What OpenAI's clients send for chat completions and completions, with vLLM's and llama-server's additions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.forms import (
    ANY_JSON_OBJECT,
    MAX_CHOICES,
    MAX_MESSAGES,
    MAX_PROMPTS,
    Count,
    Factor,
    Form,
    JsonSchema,
    Name,
    Penalty,
    SeenContent,
    Share,
    Stops,
    Temperature,
    Text,
    as_list,
    example,
    joined,
    placed,
)
from multi_llm_comparator.server.api.tool_forms import CallForms, CallId, ToolChoice, ToolForms, tools_asked

HINTS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "cache_prompt",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
# Of a standard seed only that the same one means the same matters.
_SEEDS = 2**32
DEFAULT_COMPLETION_TOKENS = 16


class StreamOptions(Form):
    ignored = frozenset({"include_obfuscation"})

    include_usage: bool = False


class ChatMessage(Form):
    """What a model thought before is accepted and not given to it again, as its makers advise."""

    ignored = frozenset({"name", "reasoning", "reasoning_content", "refusal", "annotations"})
    neutral: ClassVar = {"audio": (), "function_call": ()}

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: SeenContent = Field(default=[])
    tool_calls: CallForms = Field(default=[], description="calls that the assistant wrote")
    tool_call_id: CallId = Field(default="", description="of the role tool: the call that this came of")

    @model_validator(mode="after")
    def _has_what_its_role_has(self) -> ChatMessage:
        if bool(self.tool_call_id) != (self.role == "tool"):
            raise ValueError("'tool_call_id' belongs to the role 'tool', and to no other")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("'tool_calls' belong to the role 'assistant', and to no other")
        return self

    def message(self) -> Message:
        return Message(
            "system" if self.role == "developer" else self.role,
            joined(self.content),
            tool_calls=tuple(one.call() for one in self.tool_calls),
            tool_call_id=self.tool_call_id,
            **placed((part.text, part.image_url.url if part.image_url else None) for part in self.content),
        )


class Sampling(Form):
    """The fields that both kinds of completion have."""

    ignored = HINTS
    neutral: ClassVar = {
        "frequency_penalty": (0,),
        "logit_bias": ({},),
        "min_p": (0,),
        "logprobs": (False,),
        "top_logprobs": (0,),
    }

    model: Name | None = Field(default=None, description="a local model, an endpoint, a group, a pool or a node")
    stream: bool = Field(default=False, description="send the answer as it is written")
    stream_options: StreamOptions = Field(default=StreamOptions(), description="`include_usage`")
    n: int = Field(default=1, ge=1, le=MAX_CHOICES, description=f"answers to each prompt, at most {MAX_CHOICES}")
    max_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    stop: Stops = Field(default=[], description="at most 16 texts that end the answer")
    temperature: Temperature = Field(default=1.0, description="0 (greedy) to 2")
    top_p: Share = Field(default=1.0, description="share of the probability to draw from")
    top_k: int = Field(default=0, ge=-1, le=1_000_000, description="tokens to draw from; 0 or -1 for all")
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**64, description="answer `i` of `n` uses `seed + i`")
    presence_penalty: Penalty = Field(default=0.0, description="against tokens that occurred, -2 to 2")
    repetition_penalty: Factor = Field(default=1.0, description="divides the odds of tokens that occurred, 0.1 to 2")
    adapter_scale: float = Field(
        default=1.0,
        ge=-4,
        le=4,
        description="of a model `base:adapter`: how much of the adapter is added, 0 to 1 and beyond",
    )

    def config(self, n_ctx: int, max_tokens: int, choice: int) -> ModelConfig:
        """The parameters of one answer. Defaults are OpenAI's, not the pages'."""
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=max_tokens,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),
            repeat_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            adapter_scale=self.adapter_scale,
            seed=None if self.seed is None else (self.seed + choice) % _SEEDS,
            stop=tuple(self.stop),
            n_ctx=n_ctx,
        )


class NamedSchema(Form):
    """A model is always held to the schema, whether that is asked for strictly or not."""

    ignored = frozenset({"name", "description", "strict"})

    described: JsonSchema = Field(alias="schema")


class ResponseFormat(Form):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _schema_is_there(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("'json_schema' belongs to the type 'json_schema', and to no other")
        return self

    @property
    def constraint(self) -> Constraint | None:
        if self.json_schema is not None:
            return Constraint.of_schema(self.json_schema.described)
        return ANY_JSON_OBJECT if self.type == "json_object" else None


class ChatForm(Sampling):
    """``POST /v1/chat/completions``."""

    model_config = example({"model": "demo-small", "messages": [{"role": "user", "content": "What is 12 + 30?"}]})
    neutral: ClassVar = {
        **Sampling.neutral,
        "audio": (),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "modalities": (["text"],),
        "moderation": (),
        "reasoning_effort": (),
        "verbosity": ("medium",),
        "web_search_options": (),
    }

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
        description="roles system, developer, user, assistant, tool; text, or a list of parts: text, and images for "
        "models that see"
    )
    max_completion_tokens: Count | None = Field(default=None, description="the same as `max_tokens`, and before it")
    response_format: ResponseFormat = Field(
        default=ResponseFormat(type="text"),
        description="`text`, `json_object`, or `json_schema`, to which the answer is held token by token",
    )
    tools: ToolForms = Field(default=[], description="functions that the model may call, where its template has tools")
    tool_choice: ToolChoice = Field(default="auto", description="`auto`, `none`, `required`, or one function")
    parallel_tool_calls: bool = Field(default=True, description="several calls in one answer")
    continue_final_message: bool = Field(default=False, description="continue the last message, the assistant's")
    add_generation_prompt: bool | None = Field(
        default=None, description="must be the opposite of `continue_final_message`, if given"
    )

    @property
    def wanted_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    def tools_asked(self) -> dict[str, Any]:
        """Raises ApiError: the choice is none of the tools."""
        return tools_asked(self.tools, self.tool_choice, self.parallel_tool_calls)


def as_prompts(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(one, int | list) for one in value):
        raise ValueError("token ids are not read yet; send text")
    return as_list(value)


class CompletionForm(Sampling):
    """``POST /v1/completions``: text goes to the model as it is, without a chat template."""

    model_config = example({"model": "demo-small", "prompt": "12 + 30 =", "max_tokens": 8})
    neutral: ClassVar = {
        **Sampling.neutral,
        "best_of": (1,),
        "echo": (False,),
        "logprobs": (),
        "suffix": ("",),
    }

    prompt: Annotated[list[Text], BeforeValidator(as_prompts), Field(min_length=1, max_length=MAX_PROMPTS)] = Field(
        description=f"a text, or a list of at most {MAX_PROMPTS}"
    )
    max_tokens: Count | None = Field(default=DEFAULT_COMPLETION_TOKENS, description="tokens of the answer at most")

    @property
    def wanted_tokens(self) -> int | None:
        return self.max_tokens
