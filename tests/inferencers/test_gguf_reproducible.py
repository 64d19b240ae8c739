"""A reproducible request: the very same values, bit for bit, in whatever situation it is answered."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import llama_cpp
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Failed
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers import base
from multi_llm_comparator.inferencers import prefill_chunk as reading
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.constraints import Matcher
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.inferencers.gguf_sampling import Sampler
from tests.support import tiny_gguf
from tests.support.requests import Reply, answer, collect, greedy

OPTIONS = LoadOptions(n_ctx=2048, n_threads=1, parallel=4)
WORDS = ("hello", "world", "one", "two", "three", "世界")
LONG = "one two three hello world " * 60
WORD = Constraint(regex="[a-z]+")
Q4_0, Q8_0 = 2, 7


def prompts() -> list[str]:
    """Fifty, from a few tokens to more than the 512 from which on a cache is divided among threads."""
    lengths = [140 if i % 16 == 9 else 2 + (i * 17) % 40 for i in range(50)]
    return [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, n)) for i, n in enumerate(lengths)]


def repeatable(text: str, **config: Any) -> GenerationRequest:
    return greedy(text, reproducible=True, **config)


def sampled(text: str) -> GenerationRequest:
    return repeatable(text, temperature=1.5, top_k=0, top_p=1.0, repeat_penalty=1.1, seed=42, max_tokens=10)


@pytest.fixture(scope="module", params=[Q4_0, Q8_0], ids=["Q4_0", "Q8_0"])
def model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    folder = tmp_path_factory.mktemp("gguf")
    whole = tiny_gguf.write_random(folder / "whole.gguf", n_ctx_train=2048)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = request.param
    path = str(folder / "quantized.gguf")
    assert llama_cpp.llama_model_quantize(str(whole).encode(), path.encode(), ctypes.byref(params)) == 0
    return path


@pytest.fixture(scope="module", autouse=True)
def values() -> Iterator[dict[int, list[bytes]]]:
    """By sampler, a hash of all that the model computed for each token: seen where it is sampled."""
    seen: dict[int, list[bytes]] = {}
    pick = Sampler.pick

    def look(sampler: Sampler, context: Any, row: int, matcher: Matcher | None = None) -> int:
        pointer = ctypes.cast(llama_cpp.llama_get_logits_ith(context, row), ctypes.POINTER(ctypes.c_float))
        logits = bytes((ctypes.c_float * tiny_gguf.VOCABULARY_SIZE).from_address(ctypes.addressof(pointer.contents)))
        seen.setdefault(id(sampler), []).append(hashlib.sha256(logits).digest())
        return pick(sampler, context, row, matcher)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sampler, "pick", look)
        yield seen


class Observed(GgufEngine):
    """An engine that keeps, by request, what the model computed."""

    def __init__(self, path: str, options: LoadOptions, values: dict[int, list[bytes]]) -> None:
        super().__init__(path, options)
        self._values = values
        self.computed: dict[str, list[bytes]] = {}

    def _admit(self, request: GenerationRequest) -> None:
        super()._admit(request)
        for begun in self._answers:
            if begun.request is request:
                # Another sampler may have had the same place in memory before.
                self._values.pop(id(begun.sampler), None)
                self.computed[request.id] = self._values.setdefault(id(begun.sampler), [])


Open = Callable[..., Observed]


@pytest.fixture
def open_engine(model: str, values: dict[int, list[bytes]]) -> Iterator[Open]:
    opened: list[Observed] = []

    def open_one(**options: Any) -> Observed:
        opened.append(Observed(model, replace(OPTIONS, **options), values))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.close()


def outcome(engine: Observed, request: GenerationRequest, reply: Reply) -> tuple[str, list[bytes]]:
    assert reply.reason in ("stop", "length")
    return reply.text, engine.computed[request.id]


def ask(engine: Observed, *requests: GenerationRequest) -> list[tuple[str, list[bytes]]]:
    replies = answer(engine, *requests)
    return [outcome(engine, request, reply) for request, reply in zip(requests, replies, strict=True)]


@pytest.fixture(scope="module")
def alone(model: str, values: dict[int, list[bytes]]) -> dict[str, tuple[str, list[bytes]]]:
    """Each prompt's answer with nobody else there."""
    engine = Observed(model, OPTIONS, values)
    outcomes = {text: ask(engine, sampled(text))[0] for text in prompts()}
    engine.close()
    assert len({text for text, _ in outcomes.values()}) > 25
    return outcomes


def in_order(engine: Observed) -> list[GenerationRequest]:
    requests = [sampled(text) for text in prompts()]
    for request in requests:
        engine.submit(request)
    return requests


def after_others(engine: Observed) -> list[GenerationRequest]:
    answer(engine, *(greedy(text) for text in prompts()[::5]), repeatable(LONG[:700]), repeatable(LONG[:90]))
    return in_order(engine)


def twice(engine: Observed) -> list[GenerationRequest]:
    answer(engine, *(sampled(text) for text in prompts()))
    return in_order(engine)


def beside_ordinary_ones(engine: Observed) -> list[GenerationRequest]:
    requests = [sampled(text) for text in prompts()]
    for request in requests:
        engine.submit(greedy(request.messages[0].content + " two", max_tokens=30))
        engine.submit(request)
    return requests


def beside_a_long_prompt(engine: Observed) -> list[GenerationRequest]:
    engine.submit(greedy(LONG, max_tokens=200))
    engine.submit(repeatable(LONG[:1500], max_tokens=200))
    return in_order(engine)


def after_cancelling(engine: Observed) -> list[GenerationRequest]:
    for text, steps in ((LONG[:900], 2), (prompts()[7], 4), (prompts()[8], 9)):
        given_up = sampled(text)
        engine.submit(given_up)
        for _ in range(steps):
            engine.step()
        engine.cancel(given_up.id)
    return in_order(engine)


SITUATIONS = [
    in_order,
    after_others,
    twice,
    beside_ordinary_ones,
    beside_a_long_prompt,
    after_cancelling,
]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_fifty_answers_come_out_as_each_alone(
    open_engine: Open, alone: dict[str, tuple[str, list[bytes]]], situation: Callable[[Observed], list[Any]]
) -> None:
    engine = open_engine()
    requests = situation(engine)
    replies: dict[str, Reply] = {}
    collect(engine, replies)
    for request in requests:
        text = request.messages[0].content
        assert outcome(engine, request, replies[request.id]) == alone[text], text


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_may_change_in_the_middle(
    open_engine: Open, alone: dict[str, tuple[str, list[bytes]]], threads: int
) -> None:
    engine = open_engine(n_threads=3)
    longest = max(prompts(), key=len)
    request = sampled(longest)
    engine.submit(request)
    replies = {request.id: Reply()}
    for step in range(12):
        engine.set_threads(1 + (threads + step) % 3)
        replies[request.id].events += engine.step()
    collect(engine, replies)
    assert outcome(engine, request, replies[request.id]) == alone[longest]


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_the_number_of_slots_plays_no_part(
    open_engine: Open, alone: dict[str, tuple[str, list[bytes]]], parallel: int
) -> None:
    engine = open_engine(parallel=parallel)
    some = prompts()[::5]
    assert ask(engine, *(sampled(text) for text in some)) == [alone[text] for text in some]


def test_a_cold_start_gives_what_a_warm_engine_gives(
    open_engine: Open, alone: dict[str, tuple[str, list[bytes]]]
) -> None:
    for text in prompts()[::17]:
        assert ask(open_engine(), sampled(text)) == [alone[text]]


def test_the_next_turn_reads_only_what_is_new_and_comes_out_as_if_all_were_read(open_engine: Open) -> None:
    first, longer = LONG[:900], LONG[:1100]
    fresh = ask(open_engine(), repeatable(longer))
    engine = open_engine()
    answer(engine, repeatable(first))
    request = repeatable(longer)
    (reply,) = answer(engine, request)
    assert reply.started.cached_tokens > 0
    assert reply.started.cached_tokens % engine._own_contexts.stretch == 0
    assert [outcome(engine, request, reply)] == fresh


def test_a_constraint_is_kept_to_and_repeats(open_engine: Open) -> None:
    engine = open_engine()
    asked = [replace(sampled(f"hello {word}"), constraint=WORD) for word in WORDS]
    texts = [reply.text for reply in answer(engine, *asked)]
    assert all(text.isalpha() and text.islower() for text in texts)
    again = [replace(sampled(f"hello {word}"), constraint=WORD) for word in WORDS]
    assert [answer(engine, request)[0].text for request in again] == texts


def test_stop_texts_length_and_the_end_of_the_context_end_it(open_engine: Open) -> None:
    engine = open_engine(n_ctx=256)
    (whole,) = answer(engine, repeatable("hello", max_tokens=2000))
    assert whole.reason == "length"
    assert whole.finished.prompt_tokens + whole.finished.completion_tokens == 256
    (cut,) = answer(engine, repeatable("hello", stop=(whole.text[5:7],), max_tokens=50))
    assert cut.reason == "stop"
    assert whole.text.startswith(cut.text)
    (failed,) = answer(engine, repeatable(LONG))
    assert isinstance(failed.end, Failed)
    assert failed.end.error_type == "ContextOverflowError"


def test_all_take_turns(open_engine: Open) -> None:
    engine = open_engine()
    requests = [greedy("hello", max_tokens=30), *(repeatable(f"{word} one", max_tokens=30) for word in WORDS[:3])]
    replies = answer(engine, *requests)
    ends = [reply.end.at for reply in replies]
    firsts = [reply.events[1].at for reply in replies]
    assert max(firsts) < min(ends)


def test_those_beyond_the_bound_wait_while_others_go_on(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_CACHE_TOKENS", 512)
    engine = GgufEngine(model, LoadOptions(n_ctx=512, n_threads=1, parallel=4))
    first, second = repeatable("hello", max_tokens=30), repeatable("world", max_tokens=3)
    ordinary = greedy("one", max_tokens=3)
    replies = answer(engine, first, second, ordinary)
    assert replies[1].started.at >= replies[0].end.at
    assert replies[2].end.at < replies[0].end.at
    engine.close()


def test_without_memory_for_a_context_the_request_fails_alone(
    open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    make = llama_cpp.llama_init_from_model
    monkeypatch.setattr(llama_cpp, "llama_init_from_model", lambda *_: None)
    failed, fine = answer(engine, repeatable("hello"), greedy("hello"))
    assert isinstance(failed.end, Failed)
    assert "Reproducible" in failed.end.message
    assert fine.reason in ("stop", "length")
    monkeypatch.setattr(llama_cpp, "llama_init_from_model", make)
    assert answer(engine, repeatable("hello"))[0].reason == "length"


def test_values_that_are_no_numbers_spoil_no_later_answer(
    open_engine: Open, alone: dict[str, tuple[str, list[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    text = prompts()[9]
    with monkeypatch.context() as patch:
        patch.setattr("multi_llm_comparator.inferencers.gguf_sampling.math.isfinite", lambda _: False)
        assert isinstance(answer(engine, sampled(text))[0].end, Failed)
    request = sampled(text)
    (reply,) = answer(engine, request)
    assert reply.started.cached_tokens == 0
    assert outcome(engine, request, reply) == alone[text]


def test_prompts_of_a_large_model_are_read_in_smaller_stretches(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STEP_WORK", 1.0)
    engine = GgufEngine(model, OPTIONS)
    writer, reader = greedy("hello", max_tokens=200), repeatable(LONG[:600], max_tokens=2)
    engine.submit(writer)
    engine.step()
    engine.submit(reader)
    told = [event.request_id for _ in range(8) for event in engine.step()]
    assert told.count(writer.id) == 8
    engine.close()


def test_memory_is_taken_when_the_first_one_comes(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    open_own = LlamaRuntime.open_own

    def counted(*args: Any) -> Any:
        opened.append(1)
        return open_own(*args)

    monkeypatch.setattr(LlamaRuntime, "open_own", counted)
    engine = GgufEngine(model, OPTIONS)
    answer(engine, greedy("hello"), greedy("world"))
    assert not opened
    answer(engine, repeatable("hello"))
    answer(engine, repeatable("world"))
    assert len(opened) == 1
    answer(engine, *(repeatable(word) for word in WORDS))
    assert len(opened) == OPTIONS.parallel
    engine.close()
