"""What requests of all forms share: a field is honoured, ignored as a harmless hint, or refused. None is dropped in
silence, so that an answer is never other than it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import InvalidParameterError

# No form of any standard has half as many.
MAX_FIELDS = 200
MAX_MESSAGES = 2048
MAX_PARTS = 256
MAX_CHOICES = 16
MAX_PROMPTS = 128
Name = Annotated[str, Field(min_length=1, max_length=300)]
Text = Annotated[str, Field(max_length=8 * 2**20)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Factor = Annotated[float, Field(ge=0.1, le=2)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


# Nobody here fetches it: a model's endpoint does, and its server decides what it fetches.
ImageAddress = Annotated[
    str, Field(pattern=r"^(https://|data:image/(png|jpeg|gif|webp);base64,)", max_length=8 * 2**20)
]


def as_list(value: Any) -> Any:
    """One text where a list of texts may stand."""
    return [value] if isinstance(value, str) else value


T = TypeVar("T")
# The first mistake is told, so no others are looked for: a body can hold millions.
Several = Annotated[list[T], FailFast()]
Stops = Annotated[Several[Stop], BeforeValidator(as_list), Field(max_length=16)]


class Form(BaseModel):
    """Null means absent. ``ignored`` are hints that change no answer; of ``neutral`` fields, which cannot be honoured,
    the values given here ask for nothing and are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    ignored: ClassVar[frozenset[str]] = frozenset()
    neutral: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if len(data) > MAX_FIELDS:
            raise ValueError(f"more than {MAX_FIELDS} fields are in one object; no form here has so many")
        return {name: value for name, value in data.items() if not cls._asks_for_nothing(name, value)}

    @classmethod
    def _asks_for_nothing(cls, name: str, value: Any) -> bool:
        return value is None or name in cls.ignored or value in cls.neutral.get(name, ())


def example(body: dict[str, Any]) -> ConfigDict:
    """What the OpenAPI document shows for a form."""
    return ConfigDict(json_schema_extra={"examples": [body]})


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError: too large, or no plain JSON."""
    try:
        Constraint.of_schema(schema)
    except InvalidParameterError as exc:
        raise ValueError(str(exc)) from exc
    return schema


# Whether a model can be held to all of it shows when it is asked.
JsonSchema = Annotated[dict[str, Any], AfterValidator(_checked_schema)]
ANY_JSON_OBJECT = Constraint.of_schema({"type": "object"})


class TextPart(Form):
    """A part of a message. Where the text should be cached is the server's own business here."""

    ignored = frozenset({"cache_control", "citations", "annotations"})

    type: Literal["text"] = Field(description="only text is read")
    text: Text


class ImageUrl(Form):
    ignored = frozenset({"detail"})

    url: ImageAddress


class SeenPart(Form):
    """A part of a message, for models that may see: text, or an image as OpenAI's clients send it."""

    ignored = TextPart.ignored

    type: Literal["text", "image_url"] = Field(description="text, or an image")
    text: Text | None = None
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _is_what_it_says(self) -> SeenPart:
        if (self.text is not None) != (self.type == "text") or (self.image_url is not None) != (self.type != "text"):
            raise ValueError("a part has the field that its type names: 'text' or 'image_url', and not the other")
        return self


def as_parts(value: Any) -> Any:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


Content = Annotated[Several[TextPart], BeforeValidator(as_parts), Field(max_length=MAX_PARTS)]
SeenContent = Annotated[Several[SeenPart], BeforeValidator(as_parts), Field(max_length=MAX_PARTS)]


def joined(parts: Sequence[TextPart | SeenPart]) -> str:
    return "".join(part.text or "" for part in parts)


def placed(parts: Iterable[tuple[str | None, str | None]]) -> dict[str, Any]:
    """The images of a message, and behind how many characters of its text each stands.

    Args:
        parts: of each its text, or the address of its image.
    """
    images, places, at = [], [], 0
    for text, image in parts:
        at += len(text or "")
        if image is not None:
            images.append(image)
            places.append(at)
    return {"images": tuple(images), "image_places": tuple(places)} if images else {}


_TOOLS = "is not served: tools are functions of the client, given as 'tools'"
_LOGPROBS = "is not served in this form: ask /v1/chat/completions or /v1/completions for log-probabilities"
_SAMPLER = "is not among the samplers here"
_IMAGES = "is not served yet: only text is read"
_DRAWING = "is not served: no model draws here"
_EFFORT = "is not served yet: a model thinks as its template has it"
# Why a field of one of the standards is refused, whatever form it comes in.
REFUSED: dict[str, str] = {
    "access_programs": _TOOLS,
    "audio": _IMAGES,
    "background": "is not served: an answer comes with its request",
    "background_options": "is not served: an answer comes with its request",
    "best_of": "is not served: ask for 'n' answers and choose",
    "container": _TOOLS,
    "context": "is not served: send the conversation as messages",
    "conversation": "is not served: nothing is stored; send the conversation as 'input'",
    "context_management": "is not served: send the conversation that counts",
    "dimensions": "is not served: vectors have the width of their model",
    "embedding_only": "is not served: models write here",
    "function_call": _TOOLS,
    "functions": _TOOLS,
    "height": _DRAWING,
    "image": _DRAWING,
    "images": _IMAGES,
    "logprobs": _LOGPROBS,
    "include": "is not served: there is nothing more to include",
    "max_tool_calls": _TOOLS,
    "mcp_servers": _TOOLS,
    "mirostat": _SAMPLER,
    "modalities": _IMAGES,
    "moderation": "is not served: nothing here judges answers",
    "effort": _EFFORT,
    "task_budget": "is not served: bound the answer by 'max_tokens'",
    "parallel_tool_calls": _TOOLS,
    "previous_response_id": "is not served: nothing is stored; send the conversation as 'input'",
    "prompt": "is not served: no prompts are kept here; send 'input'",
    "reasoning": _EFFORT,
    "reasoning_effort": _EFFORT,
    "repeat_last_n": "is not served: penalties look at the last 64 tokens",
    "steps": _DRAWING,
    "suffix": "is not served: models write on from the prompt only",
    "template": "is not served: the model's own template is used; send 'raw' for none",
    "tfs_z": _SAMPLER,
    "think": _EFFORT,
    "thinking": _EFFORT,
    "tool_calls": _TOOLS,
    "tool_choice": _TOOLS,
    "tools": _TOOLS,
    "top_logprobs": _LOGPROBS,
    "truncation": "is not served: send the conversation that counts",
    "truncate": "is not served: a text that is too long is refused",
    "verbosity": _EFFORT,
    "web_search_options": _TOOLS,
    "width": _DRAWING,
}
