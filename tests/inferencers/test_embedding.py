"""Vectors of texts: the same from both engines, whatever else is in the batch, and as an encoder's makers pool them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from multi_llm_comparator.core.embeddings import EmbedRequest, EmbedResult, packed, unpacked, vector
from multi_llm_comparator.core.events import Embedded, Event, Failed, Finished
from multi_llm_comparator.core.exceptions import InvalidParameterError, ModelLoadError
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.embedder import Embedder
from multi_llm_comparator.inferencers.encoder_engine import EncoderEngine
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer
from tests.support.tiny_gguf import write_random

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, use_gpu=False)
TEXTS = ("What is three plus four?", "a", "The quick brown fox jumps over the lazy dog. " * 3, "你好")
DEMO = Path(__file__).parents[2] / "models"


def until_over(embedder: Embedder) -> list[Event]:
    events: list[Event] = []
    while embedder.is_busy:
        events += embedder.step()
    return events


def result(embedder: Embedder, *texts: str | tuple[int, ...]) -> EmbedResult:
    embedder.submit(EmbedRequest(texts=texts))
    (event,) = until_over(embedder)
    assert isinstance(event, Embedded), event
    return EmbedResult.from_dict(event.result)


def failure(embedder: Embedder, *texts: str | tuple[int, ...]) -> Failed:
    embedder.submit(EmbedRequest(texts=texts))
    (event,) = until_over(embedder)
    assert isinstance(event, Failed)
    return event


@pytest.fixture(scope="module", params=["pytorch", "gguf", "encoder"])
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    folder = tmp_path_factory.mktemp("model")
    if request.param == "pytorch":
        engine: PyTorchEngine | GgufEngine | EncoderEngine = PyTorchEngine(str(make_checkpoint(folder)), OPTIONS)
    elif request.param == "gguf":
        engine = GgufEngine(str(write_random(folder / "m.gguf")), OPTIONS)
    else:
        engine = EncoderEngine(str(make_encoder(folder)), OPTIONS)
    opened = engine.open_embedder()
    yield opened
    opened.close()
    engine.close()


def make_encoder(folder: Path, **pooling: bool) -> Path:
    tokenizer = make_tokenizer(None)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if pooling:
        (folder / "1_Pooling").mkdir()
        modes = {f"pooling_mode_{name}": on for name, on in pooling.items()}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    return folder


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(embedder: Embedder) -> None:
    together = result(embedder, *TEXTS)
    assert len(together.tokens) == len(TEXTS) and all(together.tokens)
    for text, found in zip(TEXTS, together.vectors, strict=True):
        (alone,) = result(embedder, text).vectors
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
        assert np.dot(alone, found) == pytest.approx(1, abs=1e-3)
    assert np.dot(together.vectors[0], together.vectors[1]) < 0.999


def test_many_texts_take_several_steps_and_a_request_that_is_left_ends(embedder: Embedder) -> None:
    requests = [EmbedRequest(texts=("some words " * n,) * 20) for n in (1, 5, 9)]
    for request in requests:
        embedder.submit(request)
    embedder.cancel(requests[1].id)
    events = until_over(embedder)
    assert {type(event) for event in events if event.request_id == requests[1].id} == {Finished}
    assert sum(isinstance(event, Embedded) for event in events) == 2


def test_a_text_that_is_too_long_is_refused(embedder: Embedder) -> None:
    assert failure(embedder, "word " * 2000).error_type == "ContextOverflowError"


def test_ids_are_those_of_the_models_own_tokenizer(embedder: Embedder) -> None:
    ids = tuple(embedder._backend.tokens_of(TEXTS[0]))
    assert result(embedder, ids).vectors == result(embedder, TEXTS[0]).vectors
    foreign = failure(embedder, (301, 299, 288, 290, 305, 302, 271, 266))
    assert foreign.error_type == "RequestRefusedError" and "LangChain" in foreign.message
    assert failure(embedder, (10**6,)).error_type == "RequestRefusedError"


@pytest.mark.parametrize("texts", [(), ("",), ("a",) * 65, ("x" * 5_000_000,)])
def test_what_cannot_be_embedded_is_no_request(texts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameterError):
        EmbedRequest(texts=texts)


def test_vectors_travel_without_loss() -> None:
    values = vector([1.5, -0.1, 3e-20])
    assert unpacked(packed(values)) == values


def test_both_engines_agree_on_the_same_weights() -> None:
    pytorch = PyTorchEngine(str(DEMO / "pytorch" / "demo-small"), OPTIONS)
    gguf = GgufEngine(str(DEMO / "gguf" / "demo-small-F16.gguf"), OPTIONS)
    try:
        texts = ("12 + 30", "what is 7 times 8", "hello")
        both = [result(engine.open_embedder(), *texts) for engine in (pytorch, gguf)]
        assert both[0].tokens == both[1].tokens
        for one, other in zip(both[0].vectors, both[1].vectors, strict=True):
            assert np.dot(one, other) > 0.999
    finally:
        pytorch.close()
        gguf.close()


@pytest.mark.parametrize("mode", ["mean_tokens", "cls_token"])
def test_an_encoder_pools_as_its_makers_say(tmp_path: Path, mode: str) -> None:
    folder = make_encoder(tmp_path, **{"mean_tokens": False, "cls_token": False, mode: True})
    engine = EncoderEngine(str(folder), OPTIONS)
    (found,) = result(engine.open_embedder(), TEXTS[0]).vectors
    tokenizer, model = make_tokenizer(None), AutoModel.from_pretrained(folder)
    with torch.inference_mode():
        states = model(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0]
    wanted = states[0] if mode == "cls_token" else states.mean(dim=0)
    assert np.dot(found, (wanted / wanted.norm()).numpy()) == pytest.approx(1, abs=1e-4)
    engine.close()


def test_a_pooling_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="max_tokens"):
        EncoderEngine(str(make_encoder(tmp_path, max_tokens=True)), OPTIONS)
