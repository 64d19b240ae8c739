"""Log-probabilities, token ids, echo and tokenizers over HTTP, of a real small model; also by lm-eval's own client."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.served_api import ServedApi, frames, served_api

# One loaded model for all tests: its event loop is theirs.
pytestmark = pytest.mark.asyncio(loop_scope="module")
MODELS = Path(__file__).parents[3] / "models"
MODEL, GGUF = "demo-small", "demo-small-F16"
PAIRS = [("12 + 7 =", " 19"), ("12 + 7 =", " 20"), ("What is 3 + 4?", " It is 7"), ("abc", "def")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[ServedApi, InferenceEngine]]:
    models = ModelManager(MODELS)
    models.scan_models()
    engine = InferenceEngine(models=models)
    folder = tmp_path_factory.mktemp("api")
    async with served_api(folder, models=models, engine=engine, local=engine, default_model=MODEL) as api:
        yield api, engine


@pytest.fixture
def api(served: tuple[ServedApi, InferenceEngine]) -> ServedApi:
    return served[0]


async def complete(api: ServedApi, **body: Any) -> Any:
    answer = await api.post("/v1/completions", **{"model": MODEL, "temperature": 0, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def tokens_of(api: ServedApi, text: str) -> list[int]:
    found: list[int] = (await api.post("/tokenize", prompt=text, add_special_tokens=False)).json()["tokens"]
    return found


async def test_a_chat_answer_comes_with_its_log_probabilities(api: ServedApi) -> None:
    body = {"model": MODEL, "temperature": 0, "max_tokens": 8, "logprobs": True, "top_logprobs": 3}
    messages = [{"role": "user", "content": "What is 12 + 7?"}]
    choice = (await api.post("/v1/chat/completions", **body, messages=messages)).json()["choices"][0]
    content = choice["logprobs"]["content"]
    assert b"".join(bytes(one["bytes"]) for one in content).decode() == choice["message"]["content"]
    assert all(len(one["top_logprobs"]) == 3 and one["logprob"] <= 1e-6 for one in content)
    assert all(one["top_logprobs"][0]["token"] == one["token"] for one in content), "greedy takes the likeliest"
    streamed = await api.post("/v1/chat/completions", **body, messages=messages, stream=True)
    chunks = [json.loads(frame) for frame in frames(streamed.text)[:-1]]
    told = [one for chunk in chunks if (given := chunk["choices"][0]["logprobs"]) for one in given["content"]]
    assert [one["token"] for one in told] == [one["token"] for one in content]


async def test_a_bias_reaches_the_model(api: ServedApi) -> None:
    (token,) = await tokens_of(api, "7")
    answer = await complete(api, prompt="12 + 7 =", max_tokens=3, logit_bias={str(token): 100})
    assert answer["choices"][0]["text"] == "777"
    refused = await api.post("/v1/completions", model=MODEL, prompt="a", logit_bias={"x": 1})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "logit_bias")


async def test_prompts_may_be_ids(api: ServedApi) -> None:
    ids = await tokens_of(api, "12 + 7 =")
    by_text = await complete(api, prompt=["12 + 7 =", "3 + 4 ="], max_tokens=4)
    by_ids = await complete(api, prompt=[ids, await tokens_of(api, "3 + 4 =")], max_tokens=4)
    assert [one["text"] for one in by_ids["choices"]] == [one["text"] for one in by_text["choices"]]
    assert (await complete(api, prompt=ids, max_tokens=4))["choices"][0]["text"] == by_text["choices"][0]["text"]
    refused = await api.post("/v1/completions", model=MODEL, prompt=[2**30])
    assert refused.status_code == 400 and "another tokenizer" in refused.json()["error"]["message"]


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_tokens_and_text_come_back_from_each_other(api: ServedApi, prefix: str) -> None:
    told = (await api.post(f"{prefix}/tokenize", model=MODEL, prompt="12 + 7 = 19", return_token_strs=True)).json()
    assert told["count"] == len(told["tokens"]) == len(told["token_strs"])
    back = (await api.post(f"{prefix}/detokenize", model=MODEL, tokens=told["tokens"])).json()
    assert back["prompt"].endswith("12 + 7 = 19")
    chat = (await api.post(f"{prefix}/tokenize", messages=[{"role": "user", "content": "hi"}])).json()
    assert chat["count"] > 1
    info = (await api.http.get(f"{prefix}/tokenizer_info")).json()
    assert info["chat_template"] and info["eos_token"]


async def test_llama_cpps_names_are_understood_too(api: ServedApi) -> None:
    text = "12 + 7 媽"
    plain = (await api.post("/tokenize", content=text)).json()["tokens"]
    assert plain == await tokens_of(api, text)
    assert (await api.post("/detokenize", tokens=plain)).json()["content"] == text
    begun = (await api.post("/tokenize", content=text, add_special=True)).json()["tokens"]
    assert begun == (await api.post("/tokenize", prompt=text)).json()["tokens"]
    pieces = (await api.post("/tokenize", content=text, with_pieces=True)).json()["tokens"]
    assert [one["id"] for one in pieces] == plain
    raw = b"".join(piece.encode() if isinstance(piece := one["piece"], str) else bytes(piece) for one in pieces)
    assert raw.decode() == text


@pytest.mark.parametrize("model", [MODEL, GGUF])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_stop_text_that_ended_an_answer_is_told(api: ServedApi, model: str, stream: bool) -> None:
    asked = {"model": model, "max_tokens": 12, "temperature": 0, "messages": [{"role": "user", "content": "12 + 7"}]}
    text = (await api.post("/v1/messages", **asked)).json()["content"][0]["text"]
    assert len(text) > 1
    stops = ["no such text", text[1:3]]
    answer = await api.post("/v1/messages", **asked, stop_sequences=stops, stream=stream)
    end = json.loads(frames(answer.text)[-2])["delta"] if stream else answer.json()
    assert (end["stop_reason"], end["stop_sequence"]) == ("stop_sequence", text[1:3])


async def test_who_has_no_tokens_here_says_so(api: ServedApi) -> None:
    missing = await api.post("/tokenize", model="nobody", prompt="a")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    both = await api.post("/tokenize", prompt="a", messages=[{"role": "user", "content": "a"}])
    assert both.status_code == 400


@pytest.mark.parametrize("max_tokens", [0, 1, 3])
async def test_echo_gives_the_prompt_back_with_what_the_model_thinks_of_it(api: ServedApi, max_tokens: int) -> None:
    plain = await complete(api, prompt="12 + 7 =", max_tokens=max(1, max_tokens))
    (choice,) = (await complete(api, prompt="12 + 7 =", max_tokens=max_tokens, echo=True, logprobs=2))["choices"]
    written = plain["choices"][0]["text"] if max_tokens else ""
    assert choice["text"] == "12 + 7 =" + written
    told = choice["logprobs"]
    assert len({len(values) for values in told.values()}) == 1
    assert told["token_logprobs"][0] is None and told["top_logprobs"][0] is None
    assert all(value < 0.001 for value in told["token_logprobs"][1:])
    assert all(len(top) >= 2 for top in told["top_logprobs"][1:])
    n_prompt = len((await api.post("/tokenize", prompt="12 + 7 =")).json()["tokens"])
    assert len(told["tokens"]) == n_prompt + max_tokens
    places = [
        choice["text"][at : at + len(token)] for token, at in zip(told["tokens"], told["text_offset"], strict=True)
    ]
    assert places[1:] == told["tokens"][1:]


async def test_echo_without_log_probabilities_is_text_alone(api: ServedApi) -> None:
    (choice,) = (await complete(api, prompt="12 + 7 =", max_tokens=2, echo=True))["choices"]
    assert choice["logprobs"] is None and choice["text"].startswith("12 + 7 =")
    refused = await api.post("/v1/completions", model=MODEL, prompt="a", echo=True, stream=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "echo")


async def test_lm_evals_own_client_scores_as_the_engine_does(served: tuple[ServedApi, InferenceEngine]) -> None:
    api, engine = served
    found = await asyncio.to_thread(_scored_by_lm_eval, api.url)
    config = ModelConfig(n_ctx=2048)
    for (prefix, continuation), (logprob, is_greedy) in zip(PAIRS, found, strict=True):
        asked = ScoreRequest(prefix=prefix, continuations=(continuation,), config=config)
        own = (await engine.score(MODEL, asked)).continuations[0]
        assert math.isclose(logprob, own.logprob, abs_tol=0.02), (prefix, continuation)
        assert is_greedy == own.is_greedy


def _scored_by_lm_eval(url: str) -> list[tuple[float, bool]]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    model = LocalCompletionsAPI(
        base_url=f"{url}/v1/completions", model=MODEL, tokenizer_backend="remote", batch_size=2, max_retries=1
    )
    asked = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(PAIRS)]
    found: list[tuple[float, bool]] = model.loglikelihood(asked, disable_tqdm=True)
    return found
