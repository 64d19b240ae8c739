"""GGUF models with a vision part: another picture, another answer, and none is taken for another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, Finished, Tokenized
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from tests.support.requests import answer
from tests.support.seeing import PARTS_TEMPLATE, ask_about, log_probabilities, picture, write_mmproj
from tests.support.tiny_gguf import write_random

WORDS = "hello world one two three"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("gguf")
    return str(write_random(folder / "model.gguf")), str(write_mmproj(folder / "mmproj-model.gguf"))


@pytest.fixture(scope="module")
def options(files: tuple[str, str]) -> LoadOptions:
    return LoadOptions(n_ctx=256, n_threads=1, parallel=4, projector=files[1])


@pytest.fixture
def engine(files: tuple[str, str], options: LoadOptions) -> Iterator[GgufEngine]:
    engine = GgufEngine(files[0], options)
    yield engine
    engine.close()


ask = partial(ask_about, text=WORDS)


def first(engine: GgufEngine, request: GenerationRequest) -> dict[int, float]:
    return log_probabilities(answer(engine, request)[0])


def test_another_picture_gives_another_answer_and_the_same_one_the_same(engine: GgufEngine) -> None:
    one, other, again = (first(engine, ask(picture(seed), top_logprobs=10)) for seed in (1, 2, 1))

    assert one == pytest.approx(again, abs=1e-2)
    assert one != pytest.approx(other, abs=1e-2)


def test_without_a_picture_it_answers_as_it_does_without_its_vision_part(
    engine: GgufEngine, files: tuple[str, str], options: LoadOptions
) -> None:
    blind = GgufEngine(files[0], replace(options, projector=""))
    try:
        assert first(engine, ask(top_logprobs=10)) == pytest.approx(first(blind, ask(top_logprobs=10)), abs=1e-3)
        assert not blind.info["sees_images"]
        (refused,) = answer(blind, ask(picture(1)))
        assert isinstance(refused.end, Failed)
        assert refused.end.error_type == "RequestRefusedError"
    finally:
        blind.close()


def test_what_was_read_of_one_picture_is_never_used_for_another(
    engine: GgufEngine, files: tuple[str, str], options: LoadOptions
) -> None:
    answer(engine, ask(picture(1)))
    after = answer(engine, ask(picture(2), top_logprobs=10))[0]
    again = answer(engine, ask(picture(2), top_logprobs=10))[0]

    fresh = GgufEngine(files[0], options)
    try:
        expected = first(fresh, ask(picture(2), top_logprobs=10))
    finally:
        fresh.close()
    assert log_probabilities(after) == pytest.approx(expected, abs=1e-2)
    assert log_probabilities(again) == pytest.approx(expected, abs=1e-2)
    # The words before the picture are the same; the picture is known when it comes again.
    assert after.started.cached_tokens < again.started.cached_tokens == again.started.prompt_tokens - 1


def test_pictures_are_answered_together_as_each_alone(engine: GgufEngine) -> None:
    asked = [ask(picture(1)), ask(text="one two"), ask(picture(2)), ask(picture(1), picture(2), text="three")]

    together = answer(engine, *asked)
    alone = [answer(engine, replace(one, id=f"alone {i}"))[0] for i, one in enumerate(asked)]

    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert all(isinstance(reply.end, Finished) for reply in together)


def test_a_reproducible_answer_sees_and_comes_again_to_the_last_bit(engine: GgufEngine) -> None:
    asked = ask(picture(1), reproducible=True, top_logprobs=5)
    before = first(engine, asked)
    first(engine, ask(picture(2), reproducible=True, top_logprobs=5, text=WORDS * 3))

    assert first(engine, replace(asked, id="again")) == before


def test_a_picture_stands_where_it_was_put(engine: GgufEngine) -> None:
    begin, end = (first(engine, ask(picture(1), place=place, top_logprobs=10)) for place in (0, len(WORDS)))

    assert begin != pytest.approx(end, abs=1e-2)


def test_a_picture_that_ends_a_plain_prompt_is_answered(engine: GgufEngine) -> None:
    (reply,) = answer(engine, replace(ask(picture(1), place=len(WORDS)), raw=True))

    assert isinstance(reply.end, Finished)


def test_a_template_that_knows_lists_of_parts_only_is_used(tmp_path: Path, files: tuple[str, str]) -> None:
    model = write_random(tmp_path / "parts.gguf", chat_template=PARTS_TEMPLATE.replace("<image>", ""))
    engine = GgufEngine(str(model), LoadOptions(n_ctx=256, n_threads=1, projector=files[1]))
    try:
        seen, text = answer(engine, ask(picture(1)), ask())
        assert engine.info["chat_template"]
    finally:
        engine.close()

    assert "<|im_start|>user: " in seen.started.prompt
    assert all(isinstance(reply.end, Finished) for reply in (seen, text))


def test_pictures_that_leave_no_room_are_too_long(engine: GgufEngine) -> None:
    (reply,) = answer(engine, ask(picture(1), text="hello " * 260))

    assert isinstance(reply.end, Failed)
    assert reply.end.error_type == "ContextOverflowError"


def test_a_vision_part_of_another_model_is_left_out_and_said(tmp_path: Path, files: tuple[str, str]) -> None:
    other = write_mmproj(tmp_path / "mmproj-other.gguf", width=96)
    engine = GgufEngine(files[0], LoadOptions(n_ctx=256, n_threads=1, projector=str(other)))
    try:
        (reply,) = answer(engine, ask())
        assert not engine.info["sees_images"]
        assert any("sees no images here" in note for note in engine.info["notes"])
    finally:
        engine.close()

    assert isinstance(reply.end, Finished)


def test_tokens_are_counted_with_those_of_pictures(engine: GgufEngine) -> None:
    def count(*images: str) -> int:
        event = engine.tokens(TokenRequest(messages=(Message("user", WORDS, images),), config=ModelConfig()))
        assert isinstance(event, Tokenized), event
        return len(event.result["tokens"]) + int(event.result["image_tokens"])

    assert count(picture(1)) - count() >= 4


def test_many_pictures_share_a_small_memory(files: tuple[str, str]) -> None:
    engine = GgufEngine(files[0], LoadOptions(n_ctx=128, n_threads=1, parallel=2, projector=files[1]))
    try:
        replies = answer(engine, *(ask(picture(seed), max_tokens=40) for seed in range(8)))
    finally:
        engine.close()

    assert all(isinstance(reply.end, Finished) for reply in replies)
