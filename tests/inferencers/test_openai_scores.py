"""Scores of an endpoint that echoes, and what becomes of one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import KeyRefusedError, RequestRefusedError, UnsupportedModelError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.openai_api import OpenAIEndpoint
from tests.support.scripted_openai_server import Act, ScriptedServer

ASKED = ScoreRequest(prefix="2 + 2 = ", continuations=("4", "22"))


def completion(text: str, tokens: list[str], logprobs: list[float | None], has_figures: bool = True) -> Act:
    """A completion that echoes: its text, and figures of its tokens."""
    offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]
    top = [None if value is None else {"x": min(0.0, value + (0.5 if value < -1 else 0))} for value in logprobs]
    figures = {"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets, "top_logprobs": top}
    choice: dict[str, Any] = {
        "text": text,
        "index": 0,
        "finish_reason": "length",
        "logprobs": figures if has_figures else None,
    }
    body = {"id": "x", "object": "text_completion", "created": 0, "model": "m", "choices": [choice]}
    return Act("raw", status=200, headers={"Content-Type": "application/json"}, payload=json.dumps(body).encode())


async def test_the_tokens_of_each_continuation_are_summed(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script(
        "m",
        completion("2 + 2 = 4!", ["2 +", " 2 =", " 4", "!"], [None, -1.0, -0.25, -3.0]),
        completion("2 + 2 = 22!", ["2 +", " 2 =", " 2", "2", "!"], [None, -1.0, -2.0, -0.5, -3.0]),
    )
    result = await endpoint.score(ASKED)
    assert result.logprobs == (-0.25, -2.5)
    assert [one.is_greedy for one in result.continuations] == [True, False]
    assert result.how == "scored" and result.notes
    sent = server.received[0].body
    assert (sent["prompt"], sent["echo"], sent["logprobs"]) == ("2 + 2 = 4", True, 1)


@pytest.mark.parametrize(
    "act",
    [
        completion("!", ["!"], [-0.1]),
        completion("2 + 2 = 4", [], [], has_figures=False),
        Act("status", status=404),
        Act("status", status=400),
    ],
)
async def test_an_endpoint_that_does_not_echo_only_writes(
    server: ScriptedServer, endpoint: OpenAIEndpoint, act: Act
) -> None:
    server.script("m", act)
    with pytest.raises(UnsupportedModelError):
        await endpoint.score(ASKED)


async def test_figures_that_do_not_fit_are_an_error_and_no_score(
    server: ScriptedServer, endpoint: OpenAIEndpoint
) -> None:
    server.script("m", completion("2 + 2 = 4", ["2 + 2 = 4"], [None]), Act("status", status=401))
    with pytest.raises(RequestRefusedError):
        await endpoint.score(ASKED)
    with pytest.raises(KeyRefusedError):
        await endpoint.score(ASKED)


async def test_a_conversation_is_not_scored_over_there(endpoint: OpenAIEndpoint) -> None:
    with pytest.raises(UnsupportedModelError, match="template"):
        await endpoint.score(ScoreRequest(prefix=(Message("user", "hello"),), continuations=("a",)))
