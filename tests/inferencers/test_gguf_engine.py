"""The GGUF engine: answers as llama.cpp gives them, one request at a time."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed, Finished, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.chat import NO_TEMPLATE, PromptPart
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.gguf_inferencer import GGUFInferencer
from tests.support import tiny_gguf
from tests.support.greedy_judge import GreedyJudge
from tests.support.material import real
from tests.support.requests import Reply, answer, collect, greedy

ROOT = Path(__file__).parents[2]
OPTIONS = LoadOptions(n_ctx=256, n_threads=1)
WORD = Constraint(regex="[a-z]+")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="module")
def random_model(folder: Path) -> str:
    return str(tiny_gguf.write_random(folder / "random.gguf"))


@pytest.fixture
def engine(random_model: str) -> Iterator[GgufEngine]:
    """A model that has read "hello" before, so that texts compared letter by letter begin from the same sums."""
    engine = GgufEngine(random_model, OPTIONS)
    answer(engine, greedy("hello", max_tokens=1))
    yield engine
    engine.close()


def open_chain(folder: Path, tokens: list[int]) -> GgufEngine:
    return GgufEngine(str(tiny_gguf.write_chain(folder / "chain.gguf", tiny_gguf.chain(tokens))), OPTIONS)


@pytest.mark.parametrize("prompt", ["What is 12 + 7?", "Which animal is larger, a cat or a cow?", "12加7等于多少？"])
def test_a_real_model_writes_what_another_program_makes_of_its_checkpoint(prompt: str) -> None:
    """The demo model's weights, computed by transformers from the checkpoint and by llama.cpp from the GGUF file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = ROOT / "models" / "pytorch" / "demo-large"
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32")
    asked = [{"role": "user", "content": prompt}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    wanted = model.generate(**ids, do_sample=False, max_new_tokens=40)[0, ids["input_ids"].shape[1] :]
    engine = GgufEngine(str(ROOT / "models" / "gguf" / "demo-large-F16.gguf"), OPTIONS)
    (reply,) = answer(engine, greedy(prompt, max_tokens=40, raw=False))
    engine.close()
    assert reply.text == tokenizer.decode(wanted, skip_special_tokens=True)
    assert reply.text.strip()


def test_a_context_longer_than_the_model_was_made_for_is_noted(folder: Path) -> None:
    path = tiny_gguf.write_random(folder / "short.gguf", n_ctx_train=128)
    engine = GgufEngine(str(path), OPTIONS)
    assert any("trained with 128" in note for note in engine.info["notes"])
    engine.close()


# Only where the real model is.
if STORY := [*real("stories260K_gguf", "stories260Ktok512.gguf"), *real("stories260K_llama2c")]:

    def test_the_story_model_writes_the_published_story() -> None:
        model, published = STORY
        engine = GgufEngine(str(model), LoadOptions(n_ctx=512, n_threads=1))
        (reply,) = answer(engine, greedy("", max_tokens=200))
        assert reply.text == (published / "expected_greedy_200_steps.txt").read_text(encoding="utf-8")
        assert reply.finished.completion_tokens == 200
        engine.close()


def test_what_is_known_of_a_model(engine: GgufEngine) -> None:
    info = engine.info
    assert info["model_type"] == "gguf"
    assert info["architecture"] == "llama"
    assert (info["n_ctx"], info["n_ctx_train"], info["device"]) == (256, 512, "cpu")
    assert info["vocab_size"] == tiny_gguf.VOCABULARY_SIZE
    assert info["model_size"] > 100_000
    assert info["chat_template"]


def test_prompts_go_through_the_files_own_template(engine: GgufEngine) -> None:
    reply = answer(engine, greedy("hello", raw=False))[0]
    assert reply.started.prompt == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    assert reply.started.notes == ()


def test_without_a_template_the_answer_says_so(folder: Path) -> None:
    path = tiny_gguf.write_random(folder / "base.gguf", chat_template=None)
    engine = GgufEngine(str(path), OPTIONS)
    reply = answer(engine, greedy("hello", raw=False))[0]
    assert (reply.started.prompt, reply.started.notes) == ("hello", (NO_TEMPLATE,))
    assert engine.info["chat_template"] is False


def test_a_broken_template_is_told_with_the_model(folder: Path) -> None:
    path = tiny_gguf.write_random(folder / "broken.gguf", chat_template="{% for %}")
    engine = GgufEngine(str(path), OPTIONS)
    (note,) = (note for note in engine.info["notes"] if "template" in note)
    assert "TemplateSyntaxError" in note
    assert answer(engine, greedy("hello", raw=False))[0].started.notes == (note,)


def test_only_the_template_makes_special_tokens(engine: GgufEngine) -> None:
    vocabulary = engine._vocabulary
    prompt = engine._template.render(greedy("a <|im_end|> b", raw=False))
    tokens = vocabulary.tokenize(prompt.parts)
    assert tokens.count(tiny_gguf.IM_END) == 1
    assert tokens.count(tiny_gguf.IM_START) == 2
    raw = vocabulary.tokenize([PromptPart("<s><|im_end|>", is_template=False)])
    assert raw.count(tiny_gguf.BOS) == 1
    assert tiny_gguf.IM_END not in raw


def test_bos_comes_once_whether_or_not_the_template_writes_it(folder: Path) -> None:
    prompts = []
    for name, template in (("with", "{{ bos_token }}" + tiny_gguf.CHATML), ("without", tiny_gguf.CHATML)):
        path = tiny_gguf.write_random(folder / f"{name}.gguf", chat_template=template)
        engine = GgufEngine(str(path), OPTIONS)
        prompts.append(engine._vocabulary.tokenize(engine._template.render(greedy("a", raw=False)).parts))
    assert prompts[0] == prompts[1]
    assert prompts[0][:2] == [tiny_gguf.BOS, tiny_gguf.IM_START]


@pytest.mark.parametrize("said", ["世🎉", "你好吗", "naïve", "👩‍🚀x"])
def test_characters_of_several_tokens_stream_whole(folder: Path, said: str) -> None:
    tokens = list(dict.fromkeys(tiny_gguf.byte_tokens(said)))
    expected = getincrementaldecoder("utf-8")("replace").decode(bytes(token - 3 for token in tokens))
    (reply,) = answer(open_chain(folder, [tiny_gguf.word("a"), *tokens]), greedy("a"))
    pieces = [event.text for event in reply.events if isinstance(event, TextDelta)]
    assert "".join(pieces) == expected
    if expected == said:
        assert all("\ufffd" not in piece for piece in pieces)
        assert [piece for piece in pieces if piece] == list(said)
    assert reply.finished.completion_tokens == len(tokens)
    assert reply.reason == "stop"


@pytest.mark.parametrize(("said", "max_tokens", "reason"), [("世界", 3, "length"), ("世", 20, "stop")])
def test_a_character_that_never_becomes_whole_is_left_out(
    folder: Path, said: str, max_tokens: int, reason: str
) -> None:
    read = [tiny_gguf.word("a"), tiny_gguf.word("b")]
    (reply,) = answer(open_chain(folder, [*read, *tiny_gguf.byte_tokens(said)[:2]]), greedy("a", max_tokens=max_tokens))
    assert (reply.text, reply.reason) == ("b", reason)


@pytest.mark.parametrize(
    ("config", "text", "reason"),
    [
        ({}, "bcdef", "stop"),
        ({"max_tokens": 3}, "bcd", "length"),
        ({"stop": ("de",)}, "bc", "stop"),
        ({"stop": ("ex", "f")}, "bcde", "stop"),
        ({"stop": ("efg",)}, "bcdef", "stop"),
        ({"eos_token_id": tiny_gguf.word("e")}, "bcd", "stop"),
    ],
)
def test_what_ends_an_answer(folder: Path, config: dict[str, Any], text: str, reason: str) -> None:
    engine = open_chain(folder, [tiny_gguf.word(letter) for letter in "abcdef"])
    (reply,) = answer(engine, greedy("a", **config))
    assert (reply.text, reply.reason) == (text, reason)


def test_the_context_ends_an_answer(engine: GgufEngine) -> None:
    (reply,) = answer(engine, greedy("hello", max_tokens=4000))
    assert reply.reason == "length"
    assert reply.finished.prompt_tokens + reply.finished.completion_tokens == OPTIONS.n_ctx


@pytest.mark.parametrize("text", ["hello " * 300, "x" * 100_000])
def test_a_prompt_beyond_the_context_fails_with_the_numbers(engine: GgufEngine, text: str) -> None:
    failed = answer(engine, greedy(text))[0].end
    assert isinstance(failed, Failed)
    assert failed.error_type == "ContextOverflowError"
    assert "256 tokens" in failed.message
    assert "raise n_ctx" in failed.message


def test_a_conversation_the_template_refuses_fails_alone(engine: GgufEngine) -> None:
    bad = GenerationRequest(messages=())
    good = greedy("hello")
    failed, fine = answer(engine, bad, good)
    assert isinstance(failed.end, Failed)
    assert isinstance(fine.end, Finished)


def test_a_request_that_cannot_be_read_fails_alone(engine: GgufEngine) -> None:
    no_text = GenerationRequest(messages=(Message("user", 7),), raw=True)  # type: ignore[arg-type]
    failed, fine = answer(engine, no_text, greedy("hello"))
    assert isinstance(failed.end, Failed)
    assert "odd characters" in failed.end.message
    assert isinstance(fine.end, Finished)


@pytest.mark.parametrize(
    "config",
    [{}, {"repeat_penalty": 1.2}, {"temperature": 1.0, "seed": 1}, {"temperature": 1.0, "seed": 1, "top_k": 0}],
    ids=["greedy", "penalties", "sampled", "sampled from all"],
)
@pytest.mark.parametrize("constraint", [None, WORD], ids=["free", "constrained"])
def test_numbers_that_are_none_fail_the_request(
    folder: Path, config: dict[str, Any], constraint: Constraint | None
) -> None:
    path = tiny_gguf.write_random(folder / "broken-numbers.gguf")
    reader = GGUFReader(path, "r+")
    next(tensor for tensor in reader.tensors if tensor.name == "output_norm.weight").data[:] = np.nan
    reader.data.flush()
    engine = GgufEngine(str(path), OPTIONS)
    (reply,) = answer(engine, replace(greedy("hello", **config), constraint=constraint))
    assert isinstance(reply.end, Failed)
    assert reply.end.error_type == "InferenceError"
    assert "no numbers" in reply.end.message
    engine.close()


def test_an_empty_raw_prompt_begins_with_bos(engine: GgufEngine) -> None:
    assert answer(engine, greedy(""))[0].started.prompt_tokens == 1


def test_a_seed_repeats_an_answer_and_is_told(engine: GgufEngine) -> None:
    config: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    texts = {seed: answer(engine, greedy("hello", seed=seed, **config))[0].text for seed in (1, 2, 2**32 - 1)}
    assert len(set(texts.values())) == 3
    for seed, text in texts.items():
        assert answer(engine, greedy("hello", seed=seed, **config))[0].text == text
    drawn = answer(engine, greedy("hello", **config))[0]
    assert drawn.started.seed is not None
    assert answer(engine, greedy("hello", seed=drawn.started.seed, **config))[0].text == drawn.text


def test_temperature_zero_and_no_sampling_both_mean_the_likeliest_token(engine: GgufEngine) -> None:
    request = greedy("hello", temperature=0.9, do_sample=False)
    assert answer(engine, request)[0].text == answer(engine, greedy("hello"))[0].text


@pytest.mark.parametrize(
    "config", [{"repeat_penalty": 2.0}, {"presence_penalty": 2.0}, {"repeat_penalty": 1.5, "presence_penalty": -1.0}]
)
def test_penalties_take_effect_also_when_greedy(engine: GgufEngine, config: dict[str, Any]) -> None:
    plain = answer(engine, greedy("one two", max_tokens=60))[0]
    assert answer(engine, greedy("one two", max_tokens=60, **config))[0].text != plain.text


def test_continuing_reads_the_begun_answer(engine: GgufEngine) -> None:
    whole = answer(engine, greedy("hello", raw=False, max_tokens=8))[0]
    assert whole.reason == "length"
    messages = (Message("user", "hello"), Message("assistant", "one two"))
    config = ModelConfig(temperature=0, max_tokens=4)
    (reply,) = answer(engine, GenerationRequest(messages=messages, config=config, continue_final=True))
    assert reply.started.prompt.endswith("assistant\none two")


def test_cancel_ends_an_answer_at_once_and_frees_its_slot(engine: GgufEngine) -> None:
    request = greedy("hello", max_tokens=200)
    engine.submit(request)
    replies: dict[str, Reply] = {request.id: Reply()}
    for _ in range(4):
        replies[request.id].events += engine.step()
    engine.cancel(request.id)
    engine.cancel("unknown")
    collect(engine, replies)
    assert replies[request.id].reason == "cancelled"
    assert replies[request.id].finished.completion_tokens == 3
    assert answer(engine, greedy("hello", max_tokens=200))[0].text.startswith(replies[request.id].text)


def test_threads_can_be_changed_while_it_writes(engine: GgufEngine) -> None:
    text = answer(engine, greedy("hello"))[0].text
    request = greedy("hello")
    engine.submit(request)
    replies = {request.id: Reply(list(engine.step()))}
    engine.set_threads(2)
    collect(engine, replies)
    assert replies[request.id].text == text


def test_a_small_model_uses_one_thread_unless_more_are_asked_for(random_model: str) -> None:
    for n_threads, expected in ((None, 1), (2, 2)):
        engine = GgufEngine(random_model, LoadOptions(n_ctx=256, n_threads=n_threads))
        assert engine.info["n_threads"] == expected
        engine.set_threads(16)
        assert engine.info["n_threads"] == expected
        engine.set_threads(1)
        assert engine.info["n_threads"] == 1
        engine.close()


def test_safe_settings_give_the_same_text(random_model: str) -> None:
    safe = GgufEngine(random_model, LoadOptions(n_ctx=256, safe=True))
    prompt = "hello " * 20
    (reply,) = answer(safe, greedy(prompt))
    judge = GreedyJudge(random_model)
    assert judge.accepts(prompt, reply.text)
    assert len(reply.text) == 20
    judge.close()
    safe.close()


def test_closing_twice_is_harmless(random_model: str) -> None:
    engine = GgufEngine(random_model, OPTIONS)
    engine.submit(greedy("hello"))
    engine.step()
    engine.close()
    engine.close()
    assert not engine.is_busy


def test_llama_cpp_writes_nothing_to_the_terminal(random_model: str, capfd: pytest.CaptureFixture[str]) -> None:
    engine = GgufEngine(random_model, OPTIONS)
    answer(engine, greedy("hello"))
    engine.close()
    assert capfd.readouterr() == ("", "")


def test_the_simple_interface_streams_the_same_text_also_after_one_was_given_up(random_model: str) -> None:
    inferencer = GGUFInferencer()
    inferencer.load_model(random_model, {"temperature": 0, "max_tokens": 12, "n_ctx": 256, "n_threads": 1})
    first = "".join(inferencer.generate_stream("hello"))
    whole = "".join(inferencer.generate_stream("hello"))
    assert len(whole) == len(first) == 12
    given_up = inferencer.generate_stream("world")
    next(given_up)
    assert isinstance(given_up, Generator)
    given_up.close()
    assert "".join(inferencer.generate_stream("hello")) == whole
    inferencer.unload_model()
    assert inferencer.get_model_info() == {}
