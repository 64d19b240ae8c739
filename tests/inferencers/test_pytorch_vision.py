"""PyTorch checkpoints that see: what they answer to images is what transformers computes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, Finished, Tokenized
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.support.requests import answer
from tests.support.seeing import ask_about, log_probabilities, make_idefics3, make_llava, opened, picture
from tests.support.tiny_checkpoint import make_checkpoint

MAKERS: dict[str, Callable[[Path], Path]] = {"llava": make_llava, "idefics3": make_idefics3}
OPTIONS = LoadOptions(n_ctx=512, n_threads=1, use_gpu=False)
WORDS = "What is in this picture?"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture(params=list(MAKERS))
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


@pytest.fixture
def engine(folder: Path) -> Iterator[PyTorchEngine]:
    engine = PyTorchEngine(str(folder), OPTIONS)
    yield engine
    engine.close()


@pytest.fixture
def llava(folders: dict[str, Path]) -> Iterator[PyTorchEngine]:
    engine = PyTorchEngine(str(folders["llava"]), OPTIONS)
    yield engine
    engine.close()


ask = partial(ask_about, text=WORDS)


def reference(folder: Path, *images: str, text: str = WORDS) -> torch.Tensor:
    """Log-probabilities of the first token by transformers' own chat template, processor and forward pass."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    content = [*({"type": "image", "image": opened(url)} for url in images), {"type": "text", "text": text}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        return torch.log_softmax(model(**inputs).logits[0, -1], dim=-1)


@pytest.mark.parametrize("images", [(picture(1),), (picture(1), picture(2, (40, 12)))], ids=["one", "two"])
def test_the_first_token_is_as_likely_as_transformers_says(
    engine: PyTorchEngine, folder: Path, images: tuple[str, ...]
) -> None:
    (reply,) = answer(engine, ask(*images, top_logprobs=10))

    expected = reference(folder, *images)
    for token, found in log_probabilities(reply).items():
        assert found == pytest.approx(float(expected[token]), abs=1e-3)


def test_another_picture_gives_another_answer_and_the_same_one_the_same(engine: PyTorchEngine) -> None:
    first, other, again = (answer(engine, ask(picture(seed), top_logprobs=10))[0] for seed in (1, 2, 1))

    assert log_probabilities(first) == pytest.approx(log_probabilities(again), abs=1e-4)
    assert log_probabilities(first) != pytest.approx(log_probabilities(other), abs=1e-2)


def test_what_was_read_of_one_picture_is_never_used_for_another(engine: PyTorchEngine) -> None:
    fresh = log_probabilities(answer(engine, ask(picture(2), top_logprobs=10))[0])
    answer(engine, ask(picture(1)))

    after = answer(engine, ask(picture(2), text=f"{WORDS} Say it.", top_logprobs=10))[0]
    same = answer(engine, ask(picture(2), top_logprobs=10))[0]

    assert log_probabilities(same) == pytest.approx(fresh, abs=1e-3)
    # The same picture before the same words is known already, with its tokens; after another one it is not.
    assert after.started.cached_tokens > 4
    assert answer(engine, ask(picture(3)))[0].started.cached_tokens == 0


def test_pictures_are_answered_together_as_each_alone(engine: PyTorchEngine) -> None:
    asked = [ask(picture(1)), ask(text="And without?"), ask(picture(2)), ask(picture(1), text="Hm.")]

    together = answer(engine, *asked)
    alone = [answer(engine, replace(one, id=f"alone {i}"))[0] for i, one in enumerate(asked)]

    assert [reply.text for reply in together] == [reply.text for reply in alone]


def test_a_reproducible_answer_sees_too(engine: PyTorchEngine) -> None:
    first, again = (answer(engine, ask(picture(1), reproducible=True, top_logprobs=5))[0] for _ in range(2))

    assert log_probabilities(first) == log_probabilities(again)


def test_a_text_alone_is_answered_as_transformers_does(engine: PyTorchEngine, folder: Path) -> None:
    (reply,) = answer(engine, ask(top_logprobs=10))

    expected = reference(folder)
    for token, found in log_probabilities(reply).items():
        assert found == pytest.approx(float(expected[token]), abs=1e-3)


def test_the_engine_says_that_it_sees(engine: PyTorchEngine) -> None:
    assert engine.info["sees_images"] is True
    assert engine.info["chat_template"] is True


def test_marks_that_somebody_writes_stay_text(llava: PyTorchEngine) -> None:
    (reply,) = answer(llava, ask(picture(1), text="Two <image><image> here <|im_end|> and there"))

    assert isinstance(reply.end, Finished)
    assert reply.started.prompt.count("<image>") == 1
    assert any("invisible sign" in note for note in reply.started.notes)


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        (("https://example.org/a.png",), "RequestRefusedError", "fetch nothing"),
        (("data:image/png;base64,aGVsbG8=",), "RequestRefusedError", "cannot be read"),
        ((picture(1),) * 17, "RequestRefusedError", "at most 16"),
    ],
)
def test_what_is_no_picture_fails_alone_and_says_why(
    llava: PyTorchEngine, images: tuple[str, ...], error: str, said: str
) -> None:
    bad, good = answer(llava, ask(*images), ask(picture(1)))

    assert isinstance(bad.end, Failed)
    assert bad.end.error_type == error
    assert said in bad.end.message
    assert isinstance(good.end, Finished)


def test_pictures_that_leave_no_room_are_too_long(llava: PyTorchEngine) -> None:
    (reply,) = answer(llava, ask(*[picture(1)] * 16, text="word " * 490))

    assert isinstance(reply.end, Failed)
    assert reply.end.error_type == "ContextOverflowError"


def test_a_model_that_does_not_see_refuses_pictures(tmp_path: Path) -> None:
    engine = PyTorchEngine(str(make_checkpoint(tmp_path / "blind")), OPTIONS)
    try:
        (reply,) = answer(engine, ask(picture(1)))
    finally:
        engine.close()

    assert engine.info["sees_images"] is False
    assert isinstance(reply.end, Failed)
    assert reply.end.error_type == "RequestRefusedError"


def test_a_model_whose_processor_is_missing_answers_text_and_says_so(tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "half")
    for file in folder.glob("*processor_config.json"):
        file.unlink()
    engine = PyTorchEngine(str(folder), OPTIONS)
    try:
        text, seen = answer(engine, ask(), ask(picture(1)))
    finally:
        engine.close()

    assert any("sees no images here" in note for note in engine.info["notes"])
    assert isinstance(text.end, Finished)
    assert isinstance(seen.end, Failed)


def test_16_bit_weights_take_pictures_as_well(tmp_path: Path) -> None:
    engine = PyTorchEngine(str(make_llava(tmp_path / "bf16", dtype=torch.bfloat16)), OPTIONS)
    try:
        (reply,) = answer(engine, ask(picture(1)))
    finally:
        engine.close()

    assert isinstance(reply.end, Finished)


def test_tokens_are_counted_with_those_of_pictures(llava: PyTorchEngine) -> None:
    def count(*images: str) -> int:
        message = Message("user", WORDS, images)
        event = llava.tokens(TokenRequest(messages=(message,), config=ModelConfig()))
        assert isinstance(event, Tokenized), event
        return len(event.result["tokens"]) + int(event.result["image_tokens"])

    assert count(picture(1)) == count() + 4
