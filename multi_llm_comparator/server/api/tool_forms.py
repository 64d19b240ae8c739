"""Tools as clients of the different forms send them, and calls of them in a conversation."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.tools import (
    AUTO,
    MAX_TOOLS,
    NO_PARAMETERS,
    NONE,
    REQUIRED,
    Tool,
    ToolCall,
    check_tools,
)
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Form, JsonSchema, Several, Text

MAX_CALLS = 128
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
CallId = Annotated[str, Field(max_length=200)]
Description = Annotated[str, Field(max_length=64 * 1024)]


def tool(name: str, description: str | None, schema: dict[str, Any] | None) -> Tool:
    parameters = json.dumps(schema, ensure_ascii=False) if schema else NO_PARAMETERS
    return Tool(name=name, description=description or "", parameters=parameters)


class FunctionForm(Form):
    """A model is always held to the schema of the arguments, whether that is asked for strictly or not."""

    ignored = frozenset({"strict"})

    name: ToolName
    description: Description | None = None
    parameters: JsonSchema | None = None


class ToolForm(Form):
    """A tool as OpenAI's chat completions and Ollama's chat have it."""

    ignored = frozenset({"cache_control"})

    type: Literal["function"] = Field(description="functions only")
    function: FunctionForm

    def tool(self) -> Tool:
        return tool(self.function.name, self.function.description, self.function.parameters)


def _checked(tools: list[Any]) -> list[Any]:
    """Raises ValueError: too many, too large, or two of one name."""
    check_tools(tuple(one.tool() for one in tools), AUTO)
    return tools


ToolForms = Annotated[Several[ToolForm], Field(max_length=MAX_TOOLS), AfterValidator(_checked)]


class NamedFunction(Form):
    name: ToolName


class NamedTool(Form):
    type: Literal["function"]
    function: NamedFunction

    @property
    def choice(self) -> str:
        return self.function.name


ToolChoice = Literal["none", "auto", "required"] | NamedTool


def tools_asked(tools: list[ToolForm], choice: ToolChoice, several: bool) -> dict[str, Any]:
    """What of a request is about tools.

    Raises:
        ApiError: the choice is none of the tools.
    """
    return asked(tuple(one.tool() for one in tools), choice if isinstance(choice, str) else choice.choice, several)


def asked(tools: tuple[Tool, ...], choice: str, several: bool) -> dict[str, Any]:
    """See :func:`tools_asked`."""
    try:
        check_tools(tools, choice)
    except InvalidParameterError as exc:
        said = f"'tool_choice' is wrong: {exc}"
        raise ApiError(said, code="invalid_value", param="tool_choice") from exc
    if not tools:
        return {}
    return {"tools": tools, "tool_choice": choice, "parallel_tool_calls": several}


class CalledFunction(Form):
    name: ToolName
    arguments: Text = "{}"


class CallForm(Form):
    """A call in an assistant's message."""

    ignored = frozenset({"index", "extra_content"})

    id: CallId
    type: Literal["function"] = "function"
    function: CalledFunction

    def call(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.function.name, arguments=self.function.arguments or "{}")


CallForms = Annotated[Several[CallForm], Field(max_length=MAX_CALLS)]


# --- OpenAI's responses ---------------------------------------------------------------------------------------------


class ResponseTool(Form):
    ignored = frozenset({"strict", "defer_loading"})

    type: Literal["function"]
    name: ToolName
    description: Description | None = None
    parameters: JsonSchema | None = None

    def tool(self) -> Tool:
        return tool(self.name, self.description, self.parameters)


def _functions_only(value: Any) -> Any:
    """Tools of other types run at OpenAI's; clients send them along and do without."""
    if not isinstance(value, list):
        return value
    return [one for one in value if not (isinstance(one, dict) and one.get("type", "function") != "function")]


ResponseTools = Annotated[
    Several[ResponseTool], BeforeValidator(_functions_only), Field(max_length=MAX_TOOLS), AfterValidator(_checked)
]


class NamedResponseTool(Form):
    type: Literal["function"]
    name: ToolName

    @property
    def choice(self) -> str:
        return self.name


ResponseChoice = Literal["none", "auto", "required"] | NamedResponseTool


# --- Anthropic's messages -------------------------------------------------------------------------------------------


class AnthropicTool(Form):
    ignored = frozenset(
        {"cache_control", "strict", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"}
    )

    type: Literal["custom"] = Field(default="custom", description="tools of the client only")
    name: ToolName
    description: Description | None = None
    input_schema: JsonSchema

    def tool(self) -> Tool:
        return tool(self.name, self.description, self.input_schema)


AnthropicTools = Annotated[Several[AnthropicTool], Field(max_length=MAX_TOOLS), AfterValidator(_checked)]


class AnthropicChoice(Form):
    neutral: ClassVar = {}

    type: Literal["auto", "any", "tool", "none"] = "auto"
    name: ToolName | None = None
    disable_parallel_tool_use: bool = False

    @property
    def choice(self) -> str:
        if self.type == "tool":
            return self.name or ""
        return {"any": REQUIRED, "none": NONE}.get(self.type, AUTO)
