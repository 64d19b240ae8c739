"""What OpenAI's clients send for chat completions and completions, with vLLM's and llama-server's additions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.config import MAX_DRY, MAX_LOGIT_BIASES, MAX_TOP_LOGPROBS, ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.server.api.answer_shapes import ResponseFormat, StructuredOutputs
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import (
    MAX_CHOICES,
    MAX_MESSAGES,
    MAX_PROMPTS,
    Count,
    Factor,
    Form,
    Name,
    Penalty,
    SeenContent,
    Several,
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
MAX_PROMPT_TOKENS = 256 * 1024
Ids = Annotated[Several[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=MAX_PROMPT_TOKENS)]
# Of a standard seed only that the same one means the same matters.
_SEEDS = 2**32
DEFAULT_COMPLETION_TOKENS = 16


class StreamOptions(Form):
    ignored = frozenset({"include_obfuscation"})

    include_usage: bool = False
    continuous_usage_stats: bool = False


class ChatMessage(Form):
    """What an assistant thought comes under either name; it goes to models whose chat template takes it."""

    ignored = frozenset({"name", "refusal", "annotations"})
    neutral: ClassVar = {"audio": (), "function_call": ()}

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: SeenContent = Field(default=[])
    reasoning_content: Text = Field(default="", description="what an assistant thought before it answered")
    reasoning: Text = Field(default="", description="the same, as other servers call it")
    tool_calls: CallForms = Field(default=[], description="calls that the assistant wrote")
    tool_call_id: CallId = Field(default="", description="of the role tool: the call that this came of")

    @model_validator(mode="after")
    def _has_what_its_role_has(self) -> ChatMessage:
        if bool(self.tool_call_id) != (self.role == "tool"):
            raise ValueError("'tool_call_id' belongs to the role 'tool', and to no other")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("'tool_calls' belong to the role 'assistant', and to no other")
        if self.role != "assistant" and "content" not in self.model_fields_set:
            raise ValueError(f"a message of the role {self.role!r} has 'content', a text or a list of parts")
        return self

    def message(self) -> Message:
        role = "system" if self.role == "developer" else self.role
        return Message(
            role,
            joined(self.content),
            thought=(self.reasoning_content or self.reasoning) if role == "assistant" else "",
            tool_calls=tuple(one.call() for one in self.tool_calls),
            tool_call_id=self.tool_call_id,
            **placed((part.text, part.image_url.url if part.image_url else None) for part in self.content),
        )


def _few_biases(value: Any) -> Any:
    """Raises ValueError: too many, which would be looked at one by one first."""
    if isinstance(value, dict) and len(value) > MAX_LOGIT_BIASES:
        raise ValueError(f"at most {MAX_LOGIT_BIASES} tokens have a bias")
    return value


class Sampling(Form):
    """The fields that both kinds of completion have."""

    ignored = HINTS

    model: Name | None = Field(default=None, description="a local model, an endpoint, a group, a pool or a node")
    stream: bool = Field(default=False, description="send the answer as it is written")
    stream_options: StreamOptions = Field(
        default=StreamOptions(),
        description="with `stream` only: `include_usage`, at the end; with `continuous_usage_stats` in every chunk",
    )
    n: int = Field(default=1, ge=1, le=MAX_CHOICES, description=f"answers to each prompt, at most {MAX_CHOICES}")
    max_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    stop: Stops = Field(default=[], description="at most 16 texts that end the answer")
    temperature: Temperature = Field(default=1.0, description="0 (greedy) to 2")
    top_p: Share = Field(default=1.0, description="share of the probability to draw from")
    top_k: int = Field(default=0, ge=-1, le=1_000_000, description="tokens to draw from; 0 or -1 for all")
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**64, description="answer `i` of `n` uses `seed + i`")
    min_p: Share = Field(default=0.0, description="least share of the likeliest token's probability; 0 for all")
    typical_p: Share = Field(default=1.0, description="locally typical sampling: its share; 1 for all")
    logit_bias: Annotated[dict[str, Bias], BeforeValidator(_few_biases)] = Field(
        default={}, description="by token id, -100 (never) to 100 (always), added to its logit"
    )
    frequency_penalty: Penalty = Field(default=0.0, description="against tokens by how often they occurred, -2 to 2")
    presence_penalty: Penalty = Field(default=0.0, description="against tokens that occurred, -2 to 2")
    dry_multiplier: Annotated[float, Field(ge=0, le=MAX_DRY)] = Field(
        default=0.0, description="DRY: against going on with what was said before; 0 for none, 0.8 is usual"
    )
    structured_outputs: StructuredOutputs | None = Field(
        default=None,
        description="the answer is held to one of `regex`, `choice` (a list of texts), `json` (a schema) and `grammar` "
        "(Lark, as llguidance reads it); vLLM's field",
    )
    repetition_penalty: Factor = Field(default=1.0, description="divides the odds of tokens that occurred, 0.1 to 2")
    adapter_scale: float = Field(
        default=1.0,
        ge=-4,
        le=4,
        description="of a model `base:adapter`: how much of the adapter is added, 0 to 1 and beyond",
    )

    @model_validator(mode="after")
    def _options_of_a_stream_belong_to_one(self) -> Sampling:
        if "stream_options" in self.model_fields_set and not self.stream:
            raise ApiError("'stream_options' belong to 'stream': true", code="invalid_value", param="stream_options")
        return self

    @property
    def constraint(self) -> Constraint | None:
        """What the answer is held to."""
        return None if self.structured_outputs is None else self.structured_outputs.constraint

    @property
    def pieces_wanted(self) -> int | None:
        """How many of the likeliest tokens are wanted at each place; None where no log-probabilities are."""
        return None

    @property
    def thinking(self) -> dict[str, Any]:
        """Whether the model thinks, and how much, under ModelConfig's names."""
        return {}

    def config(self, n_ctx: int, max_tokens: int, choice: int) -> ModelConfig:
        """The parameters of one answer. Defaults are OpenAI's, not the pages'."""
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=max_tokens,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),
            repeat_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            min_p=self.min_p,
            typical_p=self.typical_p,
            dry_multiplier=self.dry_multiplier,
            logit_bias=bias_of(self.logit_bias),
            top_logprobs=self.pieces_wanted,
            **self.thinking,
            adapter_scale=self.adapter_scale,
            seed=None if self.seed is None else (self.seed + choice) % _SEEDS,
            stop=tuple(self.stop),
            n_ctx=n_ctx,
        )


Bias = Annotated[float, Field(ge=-100, le=100)]


def bias_of(given: dict[str, float]) -> dict[int, float] | None:
    """By token ids.

    Raises:
        ApiError: a name that is no id.
    """
    for name in given:
        if not (name.isascii() and name.isdecimal() and len(name) < 11):
            raise ApiError(f"'logit_bias' names {name[:40]!r}, which is no token id", param="logit_bias")
    return {int(name): bias for name, bias in given.items()} or None


class TemplateSwitches(Form):
    """What a chat template is told beside the messages, as vLLM has it."""

    enable_thinking: bool | None = None


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
        "verbosity": ("medium",),
        "web_search_options": (),
    }

    messages: Annotated[Several[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
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

    logprobs: bool = Field(default=False, description="tell the log-probability of each token of the answer")
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] = Field(
        default=0, description=f"with `logprobs`: so many of the likeliest beside each, at most {MAX_TOP_LOGPROBS}"
    )
    reasoning_effort: Literal["none"] | None = Field(
        default=None, description="`none`: the model does not think, where its chat template has a switch for that"
    )
    chat_template_kwargs: TemplateSwitches = Field(
        default=TemplateSwitches(), description="`enable_thinking`: whether the model thinks, as its template has it"
    )
    thinking_budget: Annotated[int, Field(ge=0, le=10_000_000)] | None = Field(
        default=None, description="tokens of thought at most; then the thought is ended, and the answer begins"
    )

    @model_validator(mode="after")
    def _logprobs_are_asked_for(self) -> ChatForm:
        if self.top_logprobs and not self.logprobs:
            raise ApiError("'top_logprobs' belongs to 'logprobs': true", code="invalid_value", param="top_logprobs")
        return self

    @model_validator(mode="after")
    def _is_held_to_one_thing(self) -> ChatForm:
        if self.structured_outputs and self.response_format.type != "text":
            said = "'structured_outputs' and 'response_format' both say what the answer is: give one of them"
            raise ApiError(said, code="invalid_value", param="structured_outputs")
        return self

    @property
    def constraint(self) -> Constraint | None:
        return self.response_format.constraint or super().constraint

    @property
    def pieces_wanted(self) -> int | None:
        return self.top_logprobs if self.logprobs else None

    @property
    def thinking(self) -> dict[str, Any]:
        wanted = False if self.reasoning_effort == "none" else self.chat_template_kwargs.enable_thinking
        return {"enable_thinking": wanted, "thinking_budget": self.thinking_budget}

    @property
    def wanted_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    def tools_asked(self) -> dict[str, Any]:
        """Raises ApiError: the choice is none of the tools."""
        return tools_asked(self.tools, self.tool_choice, self.parallel_tool_calls)


def as_prompts(value: Any) -> Any:
    """One prompt, of text or of token ids, where several may stand."""
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return [value]
    return as_list(value)


def raw_request(
    prompt: str | list[int], config: ModelConfig, constraint: Constraint | None = None
) -> GenerationRequest:
    """A request that gives a prompt to a model as it is."""
    said = (Message("user", prompt),) if isinstance(prompt, str) else ()
    ids = () if isinstance(prompt, str) else tuple(prompt)
    return GenerationRequest(messages=said, prompt_tokens=ids, config=config, constraint=constraint, raw=True)


class CompletionForm(Sampling):
    """``POST /v1/completions``: text goes to the model as it is, without a chat template."""

    model_config = example({"model": "demo-small", "prompt": "12 + 30 =", "max_tokens": 8})
    neutral: ClassVar = {
        **Sampling.neutral,
        "best_of": (1,),
        "suffix": ("",),
    }

    prompt: Annotated[Several[Text | Ids], BeforeValidator(as_prompts), Field(min_length=1, max_length=MAX_PROMPTS)] = (
        Field(description=f"a text, or its token ids; or a list of at most {MAX_PROMPTS} of either")
    )
    max_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = Field(
        default=DEFAULT_COMPLETION_TOKENS, description="tokens of the answer at most; 0 only with `echo`"
    )
    echo: bool = Field(default=False, description="give the prompt back before the answer; of local models only")
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = Field(
        default=None,
        description="tell the log-probability of each token and so many of the likeliest; with `echo` the prompt's too",
    )

    @model_validator(mode="after")
    def _echo_goes_with_it(self) -> CompletionForm:
        if self.max_tokens == 0 and not self.echo:
            raise ApiError("'max_tokens' 0 writes nothing; it is for 'echo'", code="invalid_value", param="max_tokens")
        if self.echo and (self.stream or self.n > 1 or self.structured_outputs):
            said = "'echo' comes whole, once, and held to nothing: leave out 'stream', 'n' and 'structured_outputs'"
            raise ApiError(said, code="invalid_value", param="echo")
        return self

    @property
    def pieces_wanted(self) -> int | None:
        return self.logprobs

    @property
    def wanted_tokens(self) -> int | None:
        return self.max_tokens
