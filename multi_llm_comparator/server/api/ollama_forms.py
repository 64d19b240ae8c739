"""What Ollama's clients send."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from multi_llm_comparator.core.config import MAX_CONTEXT, MIN_CONTEXT, ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.forms import (
    MAX_MESSAGES,
    Factor,
    Form,
    JsonSchema,
    Name,
    Penalty,
    Share,
    Stops,
    Temperature,
    Text,
    example,
)


class Options(Form):
    """``options``. Defaults are Ollama's."""

    ignored = frozenset(
        {
            "f16_kv",
            "logits_all",
            "low_vram",
            "main_gpu",
            # Parts of mirostat, which is refused.
            "mirostat_eta",
            "mirostat_tau",
            "num_batch",
            "num_gpu",
            "num_keep",
            "numa",
            "penalize_newline",
            "use_mlock",
            "use_mmap",
            "vocab_only",
        }
    )
    neutral: ClassVar = {
        "embedding_only": (False,),
        "frequency_penalty": (0,),
        "min_p": (0,),
        "mirostat": (0,),
        "repeat_last_n": (64,),
        "tfs_z": (1,),
        "typical_p": (1,),
    }

    num_predict: int = Field(default=-1, ge=-2, le=10_000_000, description="tokens of the answer at most; -1 for all")
    num_ctx: int | None = Field(
        default=None, ge=MIN_CONTEXT, le=MAX_CONTEXT, description="context in tokens; another one loads the model again"
    )
    num_thread: int | None = Field(default=None, ge=1, le=1024, description="threads; another number loads again")
    temperature: Temperature = Field(default=0.8, description="0 (greedy) to 2")
    top_k: int = Field(default=40, ge=0, le=1_000_000, description="tokens to draw from; 0 for all")
    top_p: Share = Field(default=0.9, description="share of the probability to draw from")
    repeat_penalty: Factor = Field(default=1.1, description="divides the odds of tokens that occurred, 0.1 to 2")
    presence_penalty: Penalty = Field(default=0.0, description="against tokens that occurred, -2 to 2")
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**64, description="the same one, the same answer")
    stop: Stops = Field(default=[], description="at most 16 texts that end the answer")

    @property
    def wanted_tokens(self) -> int | None:
        return self.num_predict if self.num_predict > 0 else None

    def config(self, n_ctx: int, max_tokens: int) -> ModelConfig:
        return ModelConfig(
            temperature=self.temperature,
            max_tokens=max_tokens,
            top_p=self.top_p,
            top_k=self.top_k,
            repeat_penalty=self.repeat_penalty,
            presence_penalty=self.presence_penalty,
            seed=None if self.seed is None else self.seed % 2**32,
            stop=tuple(self.stop),
            n_ctx=self.num_ctx or n_ctx,
            n_threads=self.num_thread,
        )


def _as_schema(value: Any) -> Any:
    return {"": {}, "json": {"type": "object"}}.get(value, value) if isinstance(value, str) else value


class OllamaForm(Form):
    """What both paths read. How long a model stays loaded is decided here by what memory there is."""

    ignored = frozenset({"keep_alive"})
    neutral: ClassVar = {
        "images": ([],),
        "logprobs": (False,),
        "think": (False,),
        "top_logprobs": (0,),
    }

    model: Name | None = Field(default=None, description="a name of `/v1/models`, with or without `:latest`")
    stream: bool = Field(default=True, description="send the answer as it is written, one JSON object a line")
    format: Annotated[JsonSchema, BeforeValidator(_as_schema)] = Field(
        default={}, description="`json`, or a JSON schema, to which the answer is held token by token"
    )
    options: Options = Field(default=Options(), description="see below")

    @property
    def constraint(self) -> Constraint | None:
        return Constraint.of_schema(self.format) if self.format else None


class OllamaMessage(Form):
    ignored = frozenset({"thinking"})
    neutral: ClassVar = {"images": ([],), "tool_calls": ([],)}

    role: Literal["system", "user", "assistant"]
    content: Text = ""

    def message(self) -> Message:
        return Message(self.role, self.content)


class OllamaChatForm(OllamaForm):
    """``POST /api/chat``. Without messages it only loads the model."""

    model_config = example({"model": "demo-small", "messages": [{"role": "user", "content": "What is 12 + 30?"}]})
    neutral: ClassVar = {**OllamaForm.neutral, "tools": ([],)}

    messages: Annotated[list[OllamaMessage], Field(max_length=MAX_MESSAGES)] = Field(
        default=[], description="roles system, user, assistant; none of them loads the model"
    )

    def asked(self) -> tuple[Message, ...]:
        return tuple(message.message() for message in self.messages)


class OllamaGenerateForm(OllamaForm):
    """``POST /api/generate``. Without a prompt it only loads the model."""

    model_config = example({"model": "demo-small", "prompt": "What is 12 + 30?"})
    neutral: ClassVar = {
        **OllamaForm.neutral,
        "context": ([],),
        "height": (),
        "steps": (),
        "suffix": ("",),
        "template": ("",),
        "width": (),
    }

    prompt: Text = Field(default="", description="what to answer; none loads the model")
    system: Text = Field(default="", description="the system prompt")
    raw: bool = Field(default=False, description="give the prompt to the model as it is, without a chat template")

    def asked(self) -> tuple[Message, ...]:
        system = (Message("system", self.system),) if self.system and not self.raw else ()
        return (*system, Message("user", self.prompt)) if self.prompt else ()


class ShowForm(Form):
    """``POST /api/show``; older clients say ``name``."""

    ignored = frozenset({"verbose"})

    model: Name | None = None
    name: Name | None = None
