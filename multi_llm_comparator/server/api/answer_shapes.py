"""What a request may hold an answer to: JSON as OpenAI's clients ask for it, and vLLM's further ways."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from multi_llm_comparator.core.constraints import MAX_CHARACTERS, MAX_CHOICES, Constraint
from multi_llm_comparator.server.api.forms import ANY_JSON_OBJECT, Form, JsonSchema

Rule = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


def as_schema(value: Any) -> Any:
    """A schema that is sent as its text."""
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


class NamedSchema(Form):
    """A model is always held to the schema, whether that is asked for strictly or not."""

    ignored = frozenset({"name", "description", "strict"})

    described: JsonSchema = Field(alias="schema")


class ResponseFormat(Form):
    """llama.cpp's server takes a schema beside the type ``json_object`` too."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None
    described: JsonSchema | None = Field(default=None, alias="schema")

    @model_validator(mode="after")
    def _schema_is_there(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("'json_schema' belongs to the type 'json_schema', and to no other")
        if self.described is not None and self.type != "json_object":
            raise ValueError("'schema' stands in 'json_schema', or beside the type 'json_object'")
        return self

    @property
    def constraint(self) -> Constraint | None:
        if (schema := self.json_schema.described if self.json_schema else self.described) is not None:
            return Constraint.of_schema(schema)
        return ANY_JSON_OBJECT if self.type == "json_object" else None


class StructuredOutputs(Form):
    """What an answer is held to token by token, as vLLM names it."""

    regex: Rule | None = None
    choice: Annotated[list[Rule], Field(min_length=1, max_length=MAX_CHOICES)] | None = None
    described: Annotated[JsonSchema, BeforeValidator(as_schema)] | None = Field(default=None, alias="json")
    grammar: Rule | None = None
    json_object: bool = False

    @model_validator(mode="after")
    def _is_one_of_them(self) -> StructuredOutputs:
        given = (self.regex, self.choice, self.described, self.grammar, self.json_object or None)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of 'regex', 'choice', 'json', 'grammar' and 'json_object'")
        if self.grammar is not None and "::=" in self.grammar:
            raise ValueError("a grammar is written in Lark here, with 'start: ...', not with '::='")
        # What cannot be a constraint at all is said before anybody is asked.
        _ = self.constraint
        return self

    @property
    def constraint(self) -> Constraint:
        if self.described is not None:
            return Constraint.of_schema(self.described)
        if self.json_object:
            return ANY_JSON_OBJECT
        return Constraint(regex=self.regex, lark=self.grammar, choices=tuple(self.choice or ()))
