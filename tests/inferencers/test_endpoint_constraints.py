"""Constraints reach an endpoint in the form that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Started
from multi_llm_comparator.core.requests import UNCONSTRAINED
from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from tests.inferencers.constrained import DIGITS, YES_NO, under
from tests.support.scripted_openai_server import ScriptedServer

GBNF = Constraint(lark='start: "a"', gbnf='root ::= "a"')
BOOLEAN = Constraint.of_schema({"type": "boolean"})
AS_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "boolean"}}}


@pytest.mark.parametrize(
    ("takes", "constraint", "sent"),
    [
        ("none", GBNF, {}),
        ("none", BOOLEAN, {}),
        ("openai", BOOLEAN, {"response_format": AS_FORMAT}),
        ("openai", GBNF, {}),
        ("openai", YES_NO, {}),
        ("llama-server", GBNF, {"grammar": 'root ::= "a"'}),
        ("llama-server", BOOLEAN, {"response_format": AS_FORMAT}),
        ("llama-server", YES_NO, {"grammar": 'root ::= "yes" | "no"'}),
        ("llama-server", DIGITS, {}),
        ("llama-server", Constraint(lark='start: "a"'), {}),
        ("vllm", GBNF, {"structured_outputs": {"grammar": 'root ::= "a"'}}),
        ("vllm", BOOLEAN, {"response_format": AS_FORMAT}),
        ("vllm", YES_NO, {"structured_outputs": {"choice": ["yes", "no"]}}),
        ("vllm", DIGITS, {"structured_outputs": {"regex": DIGITS.regex}}),
        ("vllm", Constraint(lark='start: "a"'), {}),
    ],
)
async def test_an_endpoint_gets_a_constraint_as_it_takes_one_or_says_that_it_had_none(
    takes: Any, constraint: Constraint, sent: dict[str, Any]
) -> None:
    async with ScriptedServer() as server:
        endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m", grammar=takes))
        events = [event async for event in endpoint.stream(under(constraint, raw=False))]
        await endpoint.aclose()
    body = server.received[0].body
    names = ("grammar", "structured_outputs", "response_format")
    assert {name: body[name] for name in names if name in body} == sent
    (started,) = (event for event in events if isinstance(event, Started))
    assert started.notes == (() if sent else (UNCONSTRAINED,))
