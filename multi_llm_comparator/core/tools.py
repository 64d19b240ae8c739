"""Functions that a model may ask its caller to run, and the calls that it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import InvalidParameterError

MAX_TOOLS = 128
# Of all schemas together: they go into every prompt and into one grammar.
MAX_SCHEMA_CHARS = 128 * 1024
# What a choice of tools may be besides the name of one of them.
AUTO, REQUIRED, NONE = "auto", "required", "none"
NO_PARAMETERS = '{"type": "object", "properties": {}, "additionalProperties": false}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One function. ``parameters`` is the text of the JSON schema of the object that it takes."""

    name: str
    description: str = ""
    parameters: str = NO_PARAMETERS

    def as_template_sees_it(self) -> dict[str, Any]:
        """As chat templates expect it, which is as OpenAI's clients send it."""
        function = {"name": self.name, "description": self.description, "parameters": json.loads(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that an assistant wrote. ``arguments`` is the text of one JSON object."""

    id: str
    name: str
    arguments: str = "{}"


def check_tools(tools: tuple[Tool, ...], choice: str) -> None:
    """See that tools and the choice among them go together.

    Raises:
        InvalidParameterError: too many or too large ones, two of one name, or a choice that is none of them.
    """
    names = [tool.name for tool in tools]
    if len(names) > MAX_TOOLS or sum(len(tool.parameters) for tool in tools) > MAX_SCHEMA_CHARS:
        raise InvalidParameterError(
            f"a request has at most {MAX_TOOLS} tools, whose schemas have at most {MAX_SCHEMA_CHARS} characters in all"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidParameterError(f"two tools are named {twice!r}; give each a name of its own")
    if choice not in (AUTO, REQUIRED, NONE, *names):
        raise InvalidParameterError(f"the tool {choice!r} that is to be called is not among the tools; add it")
    if choice == REQUIRED and not names:
        raise InvalidParameterError("a tool is to be called, and there are none; give tools")
