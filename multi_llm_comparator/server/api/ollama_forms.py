"""What Ollama's clients send."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from multi_llm_comparator.core.config import MAX_CONTEXT, MIN_CONTEXT, ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.server.api.forms import (
    MAX_MESSAGES,
    Factor,
    Form,
    JsonSchema,
    Name,
    Penalty,
    Several,
    Share,
    Stops,
    Temperature,
    Text,
    example,
)
from multi_llm_comparator.server.api.tool_forms import MAX_CALLS, CallId, ToolForms, ToolName, tools_asked
from multi_llm_comparator.services.model_manager import ModelManager

MAX_IMAGES = 16
LATEST = ":latest"


def plain_name(models: ModelManager, target: str) -> str:
    """Ollama's clients add ``:latest`` to a name without a tag."""
    if target.endswith(LATEST) and models.find(target) is None:
        return target.removesuffix(LATEST)
    return target


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
        "mirostat": (0,),
        "repeat_last_n": (64,),
        "tfs_z": (1,),
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
    frequency_penalty: Penalty = Field(default=0.0, description="against tokens by how often they occurred, -2 to 2")
    min_p: Share = Field(default=0.0, description="least share of the likeliest token's probability; 0 for all")
    typical_p: Share = Field(default=1.0, description="locally typical sampling: its share; 1 for all")
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
            frequency_penalty=self.frequency_penalty,
            min_p=self.min_p,
            typical_p=self.typical_p,
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
        "logprobs": (False,),
        "top_logprobs": (0,),
    }

    model: Name | None = Field(default=None, description="a name of `/v1/models`, with or without `:latest`")
    stream: bool = Field(default=True, description="send the answer as it is written, one JSON object a line")
    format: Annotated[JsonSchema, BeforeValidator(_as_schema)] = Field(
        default={}, description="`json`, or a JSON schema, to which the answer is held token by token"
    )
    think: bool | None = Field(
        default=None, description="whether the model thinks, where its chat template has a switch for that"
    )
    options: Options = Field(default=Options(), description="see below")

    @property
    def constraint(self) -> Constraint | None:
        return Constraint.of_schema(self.format) if self.format else None


class OllamaFunction(Form):
    ignored = frozenset({"index"})

    name: ToolName
    arguments: dict[str, Any] = Field(default={})


class OllamaCall(Form):
    """A call that the model wrote. Older clients give it no id."""

    ignored = frozenset({"type"})

    id: CallId = ""
    function: OllamaFunction


class OllamaMessage(Form):
    thinking: Text = Field(default="", description="what an assistant thought before it answered")
    role: Literal["system", "user", "assistant", "tool"]
    content: Text = ""
    images: Annotated[Several[Text], Field(max_length=MAX_IMAGES)] = Field(default=[], description="in base64")
    tool_calls: Annotated[Several[OllamaCall], Field(max_length=MAX_CALLS)] = Field(default=[])
    tool_name: str = Field(default="", max_length=128, description="of the role tool: the function that was called")
    tool_call_id: CallId = Field(default="", description="of the role tool: the call, where it has an id")


class OllamaChatForm(OllamaForm):
    """``POST /api/chat``. Without messages it only loads the model."""

    model_config = example({"model": "demo-small", "messages": [{"role": "user", "content": "What is 12 + 30?"}]})
    neutral: ClassVar = {**OllamaForm.neutral}

    messages: Annotated[Several[OllamaMessage], Field(max_length=MAX_MESSAGES)] = Field(
        default=[], description="roles system, user, assistant, tool; none of them loads the model"
    )
    tools: ToolForms = Field(default=[], description="functions that the model may call, where its template has tools")

    def asked(self) -> tuple[Message, ...]:
        """The conversation. What came of a call belongs to the first call of that function without a result."""
        messages, open_calls = [], OpenCalls()
        for number, one in enumerate(self.messages):
            calls = tuple(_call(call, f"{number}_{place}") for place, call in enumerate(one.tool_calls))
            open_calls.add(calls)
            told = ""
            if one.role == "tool":
                told = one.tool_call_id or open_calls.first(one.tool_name)
                open_calls.end(told)
            images = tuple(map(_as_address, one.images))
            thought = one.thinking if one.role == "assistant" else ""
            messages.append(Message(one.role, one.content, images, thought, tool_calls=calls, tool_call_id=told))
        return tuple(messages)

    def tools_asked(self) -> dict[str, Any]:
        return tools_asked(self.tools, "auto", several=True)


class OpenCalls:
    """Calls without a result, in their order. Each is looked at a few times, however many there are."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        # By the name of the function, "" for all: their ids.
        self._waiting: dict[str, deque[str]] = {}

    def add(self, calls: Sequence[ToolCall]) -> None:
        for call in calls:
            self._open.add(call.id)
            for name in ("", call.name):
                self._waiting.setdefault(name, deque()).append(call.id)

    def first(self, name: str) -> str:
        """The id of the first that is open, of any function where ``name`` is empty; "" for none."""
        waiting = self._waiting.get(name, deque())
        while waiting and waiting[0] not in self._open:
            waiting.popleft()
        return waiting[0] if waiting else ""

    def end(self, call_id: str) -> None:
        self._open.discard(call_id)


def _call(call: OllamaCall, number: str) -> ToolCall:
    arguments = json.dumps(call.function.arguments, ensure_ascii=False)
    return ToolCall(id=call.id or f"call_{number}", name=call.function.name, arguments=arguments)


def _as_address(data: str) -> str:
    """An image as a data URL; what it is shows its beginning."""
    kinds = {"/9j/": "jpeg", "iVBO": "png", "R0lG": "gif", "UklG": "webp"}
    return f"data:image/{kinds.get(data[:4], 'png')};base64,{data}"


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
    images: Annotated[Several[Text], Field(max_length=MAX_IMAGES)] = Field(default=[], description="in base64")
    system: Text = Field(default="", description="the system prompt")
    raw: bool = Field(default=False, description="give the prompt to the model as it is, without a chat template")

    def asked(self) -> tuple[Message, ...]:
        system = (Message("system", self.system),) if self.system and not self.raw else ()
        images = tuple(map(_as_address, self.images))
        return (*system, Message("user", self.prompt, images)) if self.prompt else ()


class ShowForm(Form):
    """``POST /api/show``; older clients say ``name``."""

    model_config = example({"model": "demo-small"})
    ignored = frozenset({"verbose"})

    model: Name | None = None
    name: Name | None = None
