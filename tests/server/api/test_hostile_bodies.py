"""Whatever stands in a body, the server answers it: with an answer, or with a refusal that is no fault of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from multi_llm_comparator.core.events import ToolCallDelta
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.server.api.answers import ServedAnswer
from multi_llm_comparator.server.api.anthropic_forms import Asked, MessagesForm
from multi_llm_comparator.server.api.application import make_api
from multi_llm_comparator.server.api.embeddings import EmbeddingsForm
from multi_llm_comparator.server.api.forms import Form
from multi_llm_comparator.server.api.ollama_forms import (
    OllamaChatForm,
    OllamaGenerateForm,
    OpenCalls,
    Options,
    ShowForm,
)
from multi_llm_comparator.server.api.openai_forms import ChatForm, CompletionForm
from multi_llm_comparator.server.api.queries import Preferences, QueryForm
from multi_llm_comparator.server.api.responses_form import ResponsesForm
from multi_llm_comparator.server.api.tokenizers import DetokenizeForm
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.gateways import ActingSource, Given
from tests.support.growth import grows_evenly

PATHS: dict[str, type[Form]] = {
    "/v1/chat/completions": ChatForm,
    "/v1/completions": CompletionForm,
    "/v1/responses": ResponsesForm,
    "/query": QueryForm,
    "/v1/messages": MessagesForm,
    "/v1/messages/count_tokens": Asked,
    "/api/chat": OllamaChatForm,
    "/api/generate": OllamaGenerateForm,
    "/api/show": ShowForm,
}
NUMBERS = st.one_of(st.integers(), st.integers(-3, 3), st.floats(), st.floats(0, 2))
WORDS = st.one_of(
    st.text(max_size=5), st.sampled_from(["m", "user", "assistant", "system", "text", "auto", "none", ""])
)
SIMPLE = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
ANY = st.recursive(
    SIMPLE, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3))
)
TURN = st.fixed_dictionaries({"role": WORDS, "content": st.one_of(WORDS, ANY)})
LIKELY = {
    "model": st.just("m"),
    "messages": st.lists(TURN, min_size=1, max_size=3),
    "input": st.one_of(WORDS, st.lists(TURN, min_size=1, max_size=3)),
    "query": WORDS,
    "preferences": st.dictionaries(st.sampled_from(sorted(Preferences.model_fields)), SIMPLE, max_size=3),
    "prompt": st.one_of(WORDS, st.lists(WORDS, max_size=3)),
    "max_tokens": st.integers(-1, 100),
    "options": st.dictionaries(
        st.sampled_from(sorted(Options.model_fields.keys() | Options.neutral)), SIMPLE, max_size=4
    ),
}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path, and a body that is often nearly right."""
    path = draw(st.sampled_from(sorted(PATHS)))
    form = PATHS[path]
    names = sorted(form.model_fields.keys() | form.neutral.keys() | form.ignored)
    body = {name: draw(LIKELY[name]) for name in LIKELY if name in form.model_fields}
    for name in draw(st.lists(st.sampled_from(names), max_size=4, unique=True)):
        body[name] = draw(st.one_of(LIKELY.get(name, SIMPLE), ANY))
    return path, body


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[[str, object], httpx2.Response]]:
    """Asks the application without a socket, on a loop of its own."""
    with asyncio.Runner() as runner:
        models = ModelManager(tmp_path)
        models.scan_models()
        gateway = Gateway(TaskGroupManager(Given({})), ActingSource(), folder=tmp_path / "gateway")
        served = Served(models=models, engine=InferenceEngine(models=models), gateway=gateway, loop=runner.get_loop())
        http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(make_api(lambda: served), raise_app_exceptions=False), base_url="http://api"
        )
        yield lambda path, body: runner.run(
            http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
        )
        runner.run(gateway.aclose())


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(bodies())
def test_no_body_is_a_fault_of_the_server(
    client: Callable[[str, object], httpx2.Response], asked: tuple[str, dict[str, Any]]
) -> None:
    path, body = asked
    answer = client(path, body)
    assert answer.status_code in (200, 400, 404), (answer.status_code, answer.text)
    if answer.status_code != 200:
        assert answer.json()["error"]
    elif "json" in answer.headers["content-type"]:
        assert all(json.loads(line) for line in answer.text.splitlines())


MISTAKES: list[tuple[type[Form], dict[str, Any]]] = [
    (EmbeddingsForm, {"input": [[-1] * 20_000] * 3}),
    (CompletionForm, {"prompt": [[-1] * 20_000] * 3}),
    (DetokenizeForm, {"tokens": [-1] * 20_000}),
    (ChatForm, {"messages": [{}] * 2000}),
    (ChatForm, {"messages": [{"role": "user", "content": [{}] * 200}] * 50}),
    (ChatForm, {"messages": [], "logit_bias": {str(n): "x" for n in range(20_000)}}),
    (MessagesForm, {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text"}] * 200}] * 50}),
    (ResponsesForm, {"input": [{"role": "user"}] * 2000}),
    (OllamaChatForm, {"messages": [{"role": "user", "tool_calls": [{}] * 100}] * 50}),
    (ChatForm, {"messages": [], **{f"field {n}": 0 for n in range(20_000)}}),
]


@pytest.mark.parametrize(("form", "body"), MISTAKES)
def test_of_many_mistakes_no_more_than_a_few_are_looked_for(form: type[Form], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        form.model_validate(body)
    assert refused.value.error_count() < 10


def test_too_many_fields_are_said_to_be_too_many(client: Callable[[str, object], httpx2.Response]) -> None:
    answer = client("/v1/chat/completions", {f"field {n}": 0 for n in range(300)})
    assert answer.status_code == 400 and "more than 200 fields" in answer.json()["error"]["message"]


def test_results_of_calls_find_their_calls_in_time_that_grows_as_the_conversation_does() -> None:
    def told(text: str) -> None:
        calls, number = OpenCalls(), len(text) // 8
        calls.add([ToolCall(id=str(n), name="f", arguments="") for n in range(number)])
        for n in range(number):
            assert calls.first("g") == "" and calls.first("f") == calls.first("") == str(n)
            calls.end(str(n))

    assert grows_evenly(told, "x" * 8)


def test_a_call_that_comes_in_pieces_is_not_copied_with_each() -> None:
    def told(text: str) -> None:
        answer = ServedAnswer()
        for n in range(0, len(text), 4):
            answer.apply(ToolCallDelta(request_id="r", text="", tokens=n, index=1, arguments=text[n : n + 4]))
        assert [len(call.arguments) for call in answer.calls] == [0, len(text)]

    assert grows_evenly(told, "xxxx")
