"""The PyTorch engine answers many requests at once as the model answers each alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from multi_llm_comparator.core.events import Event, Failed, Finished, Queued, Reading, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers import prefill_chunk as reading
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from tests.inferencers.pytorch_answers import LONG, MIDDLE, SHORT, ask, kept_by, of_kind, reference
from tests.support.requests import run, text_of

PLAIN = ("llama", "qwen2", "qwen3", "mistral", "gpt2", "gemma2", "gemma3_text", "phi3")
ODD = [("bloom", {}), ("mamba", {}), ("mistral", {"sliding_window": 8}), ("gemma3_text", {"sliding_window": 8})]


def check_joining_and_leaving(folder: Path, options: LoadOptions) -> None:
    """Requests of different lengths come while others are under way, and end at different times."""
    engine = PyTorchEngine(str(folder), options)
    requests = [
        ask(MIDDLE, max_tokens=9),
        ask(SHORT, max_tokens=30),
        ask(LONG, max_tokens=14),
        ask(LONG + " t5", max_tokens=8),
        ask(SHORT + " t1 t2 t3", max_tokens=20),
    ]
    events = []
    for request in requests:
        engine.submit(request)
        for _ in range(4):
            events += engine.step()
    events += run(engine)
    engine.close()
    assert [text_of(events, request) for request in requests] == [reference(folder, request) for request in requests]


@pytest.mark.parametrize("architecture", PLAIN)
def test_rows_of_a_batch_get_the_greedy_text_that_the_model_gives_alone(
    checkpoint: Callable[..., Path], architecture: str
) -> None:
    check_joining_and_leaving(checkpoint(architecture), LoadOptions(n_ctx=256, use_gpu=False))


def test_safe_settings_give_the_same_text(checkpoint: Callable[..., Path]) -> None:
    check_joining_and_leaving(checkpoint(), LoadOptions(n_ctx=256, safe=True))


@pytest.mark.parametrize(("architecture", "changes"), ODD)
def test_models_without_a_plain_cache_are_computed_one_by_one_with_a_note(
    checkpoint: Callable[..., Path], architecture: str, changes: dict[str, Any]
) -> None:
    folder = checkpoint(architecture, **changes)
    options = LoadOptions(n_ctx=256, use_gpu=False)
    engine = PyTorchEngine(str(folder), options)
    assert engine.info["decoder"] == "one by one"
    assert "One after another" in engine.info["notes"][0]
    engine.close()
    check_joining_and_leaving(folder, options)


@pytest.mark.parametrize(("architecture", "changes"), [("llama", {}), *ODD])
def test_a_large_model_reads_a_prompt_in_small_pieces_as_far_as_its_kind_allows(
    checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, architecture: str, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(reading, "STEP_WORK", 1.0)
    folder = checkpoint(architecture, **changes)
    engine = PyTorchEngine(str(folder), LoadOptions(n_ctx=256, use_gpu=False))
    request = ask(LONG)
    engine.submit(request)
    steps = [engine.step()]
    while not of_kind(steps[-1], TextDelta):
        steps.append(engine.step())
    # One tells that the prompt is being read, before it is.
    assert len(steps) == (2 if architecture == "mamba" else 5)
    events = [event for step in steps for event in step] + run(engine)
    assert text_of(events, request) == reference(folder, request)


def test_a_prompt_longer_than_a_chunk_is_read_while_others_go_on(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint("llama", max_position_embeddings=2048)
    engine = PyTorchEngine(str(folder), LoadOptions(n_ctx=2048, use_gpu=False))
    long, short = ask(" ".join([LONG] * 20), n_ctx=2048), ask(SHORT, max_tokens=40, n_ctx=2048)
    engine.submit(short)
    events = engine.step()
    engine.submit(long)
    events += run(engine)
    started = next(i for i, e in enumerate(events) if isinstance(e, Started) and e.request_id == long.id)
    first = next(i for i, e in enumerate(events) if isinstance(e, TextDelta) and e.request_id == long.id)
    assert any(isinstance(e, TextDelta) and e.request_id == short.id for e in events[started:first])
    assert text_of(events, long) == reference(folder, long)
    assert text_of(events, short) == reference(folder, short)


def test_equal_prompts_that_come_together_are_read_once(llama: PyTorchEngine) -> None:
    requests = [ask(LONG) for _ in range(4)]
    events = run(llama, *requests)
    assert [e.cached_tokens for e in of_kind(events, Started)] == [0, 59, 59, 59]
    assert len({text_of(events, request) for request in requests}) == 1


def test_the_next_turn_of_a_conversation_reads_only_what_is_new(
    llama: PyTorchEngine, checkpoint: Callable[..., Path]
) -> None:
    first = ask(LONG)
    answer = text_of(run(llama, first), first)
    second = ask(f"{LONG}{answer} t9 t8 t7")
    events = run(llama, second)
    started = of_kind(events, Started)[0]
    assert started.prompt_tokens == 60 + 12 + 3
    assert started.cached_tokens == 60 + 11  # the last token of an answer is never read
    assert text_of(events, second) == reference(checkpoint(), second)


def test_what_is_kept_of_past_conversations_is_bounded(llama: PyTorchEngine) -> None:
    for i in range(8):
        run(llama, ask(f"t{i} {LONG}", max_tokens=60))
    assert 256 < kept_by(llama) <= 2 * 256


def test_a_seed_gives_the_same_text_alone_and_beside_others(llama: PyTorchEngine) -> None:
    sampled = {"temperature": 1.0, "repeat_penalty": 1.2, "presence_penalty": 0.5, "top_k": 50, "max_tokens": 30}
    alone = ask(MIDDLE, seed=7, **sampled)
    expected = text_of(run(llama, alone), alone)
    again = ask(MIDDLE, seed=7, **sampled)
    other = ask(MIDDLE, seed=8, **sampled)
    events = run(llama, ask(LONG), other, again, ask(SHORT, seed=1, **sampled))
    assert text_of(events, again) == expected
    assert text_of(events, other) != expected


def test_without_a_seed_one_is_drawn_and_told(llama: PyTorchEngine) -> None:
    sampled = {"temperature": 1.0, "max_tokens": 20}
    first = ask(MIDDLE, **sampled)
    events = run(llama, first)
    seed = of_kind(events, Started)[0].seed
    again = ask(MIDDLE, seed=seed, **sampled)
    assert text_of(run(llama, again), again) == text_of(events, first)


def test_each_token_is_an_event_and_the_last_event_is_finished(llama: PyTorchEngine) -> None:
    request = ask(SHORT, max_tokens=5)
    events = run(llama, request)
    assert [e.tokens for e in of_kind(events, TextDelta)] == [1, 2, 3, 4, 5]
    assert events[-1] == Finished(
        request_id=request.id, at=events[-1].at, reason="length", prompt_tokens=3, completion_tokens=5
    )


def test_requests_beyond_the_parallel_ones_wait_in_line(checkpoint: Callable[..., Path]) -> None:
    engine = PyTorchEngine(str(checkpoint()), LoadOptions(n_ctx=256, parallel=1, use_gpu=False))
    requests = [ask(SHORT, max_tokens=3) for _ in range(3)]
    events = run(engine, *requests)
    assert [e.ahead for e in of_kind(events, Queued) if e.request_id == requests[2].id] == [1, 0]
    assert [e.request_id for e in of_kind(events, Finished)] == [request.id for request in requests]


def test_a_cancelled_request_ends_before_the_next_step_and_leaves_the_others_alone(
    llama: PyTorchEngine, checkpoint: Callable[..., Path]
) -> None:
    stopped, other = ask(LONG, max_tokens=100), ask(MIDDLE, max_tokens=20)
    llama.submit(stopped)
    llama.submit(other)
    events: list[Event] = []
    while len(of_kind(events, TextDelta)) < 10:
        events += llama.step()
    llama.cancel(stopped.id)
    llama.cancel("nobody")
    after: list[Any] = llama.step()
    assert after[0].reason == "cancelled"
    assert after[0].completion_tokens == len(
        [e for e in events if isinstance(e, TextDelta) and e.request_id == stopped.id]
    )
    rest = after[1:] + run(llama)
    assert {e.request_id for e in rest} == {other.id}
    assert text_of(events + rest, other) == reference(checkpoint(), other)


def test_a_waiting_request_can_be_cancelled(llama: PyTorchEngine) -> None:
    request = ask(SHORT)
    llama.submit(request)
    llama.cancel(request.id)
    events: list[Any] = run(llama)
    assert [type(e) for e in events] == [Finished]
    assert events[0].reason == "cancelled"


def test_a_prompt_that_leaves_no_room_fails_with_the_numbers(llama: PyTorchEngine) -> None:
    events: list[Any] = run(llama, ask(" ".join(["t1"] * 256)))
    assert [(e.error_type) for e in events] == ["ContextOverflowError"]
    assert "256 tokens" in events[0].message and "n_ctx" in events[0].message


def test_an_answer_ends_with_the_context(llama: PyTorchEngine) -> None:
    events: list[Any] = run(llama, ask(" ".join(["t1"] * 250), max_tokens=100))
    assert (events[-1].reason, events[-1].completion_tokens) == ("length", 6)
    assert "Room for 6 tokens of answer, not 100" in " ".join(of_kind(events, Started)[0].notes)


def test_a_context_larger_than_the_models_is_lowered_with_a_note(checkpoint: Callable[..., Path]) -> None:
    engine = PyTorchEngine(str(checkpoint()), LoadOptions(n_ctx=4096, use_gpu=False))
    assert engine.info["n_ctx"] == 512
    assert "512" in engine.info["notes"][0]


def test_a_stop_text_ends_the_answer_and_is_not_shown(llama: PyTorchEngine, checkpoint: Callable[..., Path]) -> None:
    whole = reference(checkpoint(), ask(MIDDLE))
    words = whole.split()
    events: list[Any] = run(llama, ask(MIDDLE, stop=(f"{words[3]} {words[4]}",)))
    assert "".join(e.text for e in of_kind(events, TextDelta)) == whole[: whole.index(f"{words[3]} {words[4]}")]
    assert events[-1].reason == "stop"


def test_the_requests_own_end_token_ends_the_answer(llama: PyTorchEngine, checkpoint: Callable[..., Path]) -> None:
    words = reference(checkpoint(), ask(MIDDLE)).split()
    last = words[5]
    events: list[Any] = run(llama, ask(MIDDLE, eos_token_id=int(last[1:])))
    assert "".join(e.text for e in of_kind(events, TextDelta)).split() == words[: words.index(last)]
    assert events[-1].reason == "stop"


def test_a_bad_request_fails_alone(llama: PyTorchEngine) -> None:
    good, bad = ask(SHORT), GenerationRequest(messages=())
    events = run(llama, bad, good)
    assert [e.request_id for e in of_kind(events, Failed)] == [bad.id]
    assert [e.request_id for e in of_kind(events, Finished)] == [good.id]


def test_a_prompt_that_the_tokenizer_cannot_read_fails_alone(llama: PyTorchEngine) -> None:
    good, bad = ask(SHORT), ask(f"{SHORT} \ud800")
    events = run(llama, bad, good)
    (failed,) = of_kind(events, Failed)
    assert (failed.request_id, failed.error_type) == (bad.id, "InferenceError")
    assert "odd characters" in failed.message
    assert [e.request_id for e in of_kind(events, Finished)] == [good.id]


def test_threads_can_be_changed_and_asked_for(checkpoint: Callable[..., Path]) -> None:
    engine = PyTorchEngine(str(checkpoint()), LoadOptions(n_ctx=256, n_threads=2, use_gpu=False))
    assert engine.info["n_threads"] == 2
    engine.set_threads(1)
    assert (engine.info["n_threads"], torch.get_num_threads()) == (1, 1)


def test_info_tells_what_is_loaded(llama: PyTorchEngine) -> None:
    info = llama.info
    assert (info["model_type"], info["device"], info["dtype"], info["quantization"]) == (
        "pytorch",
        "cpu",
        "float32",
        "none",
    )
    assert (info["vocab_size"], info["n_ctx"], info["n_ctx_train"], info["chat_template"]) == (300, 256, 512, False)
    assert (info["decoder"], info["attention"], info["notes"]) == ("batch", "sdpa", [])
    assert info["weights_bytes"] >= info["model_size"] * 4


def test_that_a_prompt_is_being_read_is_told_before_it_is_and_then_how_far(
    checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STEP_WORK", 1.0)
    engine = PyTorchEngine(str(checkpoint()), LoadOptions(n_ctx=256, use_gpu=False))
    engine.submit(ask(LONG))
    (started,) = engine.step()
    assert isinstance(started, Started)
    told = [event.tokens for event in of_kind(run(engine), Reading)]
    engine.close()
    assert told == sorted(set(told))
    assert 0 < told[0] < told[-1] < started.prompt_tokens
