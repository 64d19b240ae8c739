from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.events import (
    Attempted,
    Contended,
    Failed,
    Finished,
    Loaded,
    Loading,
    MemoryMeasured,
    Queued,
    Reading,
    Started,
    TextDelta,
    ThoughtDelta,
)
from multi_llm_comparator.core.timings import AnswerProgress

R = "r"


def fold(*events: Any, requested_at: Any = 100.0) -> Any:
    progress = AnswerProgress(requested_at=requested_at)
    for event in events:
        progress.apply(event)
    return progress


WHOLE = (
    Queued(request_id=R, at=100.0),
    Loading(request_id=R, at=101.0, model="m"),
    Loaded(request_id=R, at=103.0, model="m", seconds=2.0, memory_bytes=5),
    Started(request_id=R, at=103.5, prompt_tokens=10, cached_tokens=4, seed=1),
    TextDelta(request_id=R, at=104.0, text="a", tokens=1),
    TextDelta(request_id=R, at=105.0, text="b", tokens=5),
    Finished(request_id=R, at=106.0, reason="stop", prompt_tokens=10, completion_tokens=5),
)


def test_figures_come_from_the_time_stamps() -> None:
    progress = fold(*WHOLE)
    assert progress.text == "ab"
    assert progress.state == "done"
    assert progress.queued_s == pytest.approx(1.5)
    assert progress.load_s == 2.0
    assert progress.prefill_s == pytest.approx(0.5)
    assert progress.ttft_s == pytest.approx(4.0)
    assert progress.tokens_per_second == pytest.approx(4.0)
    assert progress.duration_s == pytest.approx(6.0)


def test_thought_and_answer_have_their_own_time_tokens_and_speed() -> None:
    progress = fold(
        *WHOLE[:4],
        ThoughtDelta(request_id=R, at=104.0, text="hm", tokens=1),
        ThoughtDelta(request_id=R, at=106.0, text=", yes", tokens=5),
        TextDelta(request_id=R, at=107.0, text="a", tokens=6),
        TextDelta(request_id=R, at=108.0, text="b", tokens=16),
        Finished(request_id=R, at=108.0, reason="stop", prompt_tokens=10, completion_tokens=16),
    )
    # The first token of the thought is not the first of the answer.
    assert progress.prefill_s == pytest.approx(0.5)
    assert progress.ttft_s == pytest.approx(7.0)
    assert (progress.thought, progress.text) == ("hm, yes", "ab")
    assert (progress.thought_tokens, progress.answer_tokens) == (5, 11)
    assert progress.thought_s == pytest.approx(3.0)
    assert progress.thought_tokens_per_second == pytest.approx(2.0)
    assert progress.tokens_per_second == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("count", "state"), [(0, "queued"), (1, "queued"), (2, "loading"), (4, "prefill"), (5, "running"), (7, "done")]
)
def test_the_state_follows_the_stream(count: int, state: str) -> None:
    assert fold(*WHOLE[:count]).state == state


def test_what_is_said_of_the_model_and_of_the_answer_stands_together_once() -> None:
    loaded = Loaded(request_id=R, model="m", seconds=0.0, notes=("on the CPU", "no template"))
    started = Started(request_id=R, prompt_tokens=1, notes=("no template", "shortened"))
    assert fold(loaded, started).notes == ("on the CPU", "no template", "shortened")


def test_what_was_said_of_a_model_that_failed_is_not_said_of_the_next() -> None:
    loaded = Loaded(request_id=R, model="m", seconds=0.0, notes=("on the CPU",))
    next_one = Attempted(request_id=R, model="n", target="n", number=2)
    assert fold(loaded, next_one, Started(request_id=R, prompt_tokens=1)).notes == ()


def test_a_cancelled_answer_is_stopped_and_keeps_its_text() -> None:
    progress = fold(*WHOLE[:6], Finished(request_id=R, reason="cancelled", prompt_tokens=10, completion_tokens=5))
    assert (progress.state, progress.text, progress.is_over) == ("stopped", "ab", True)


def test_a_failure_keeps_the_text_before_it_and_never_becomes_text() -> None:
    progress = fold(*WHOLE[:6], Failed(request_id=R, error_type="ModelProcessDied", message="gone"))
    assert (progress.state, progress.text, progress.error) == ("failed", "ab", "gone")


def test_the_memory_is_the_one_measured_last() -> None:
    assert fold(*WHOLE).memory_bytes == 5
    assert fold(*WHOLE[:6], MemoryMeasured(request_id=R, memory_bytes=9)).memory_bytes == 9


def test_one_token_has_no_decoding_speed() -> None:
    assert fold(*WHOLE[:5]).tokens_per_second is None


def test_contention_is_collected_without_repeats() -> None:
    progress = fold(Contended(request_id=R, others=("b",)), Contended(request_id=R, others=("a", "b")))
    assert progress.contended_by == ("a", "b")


def test_how_far_a_prompt_is_read_begins_with_what_was_known_before() -> None:
    progress = fold(Started(request_id=R, prompt_tokens=90, cached_tokens=40))
    assert progress.read_tokens == 40
    progress.apply(Reading(request_id=R, tokens=60))
    assert (progress.state, progress.read_tokens) == ("prefill", 60)


def test_the_most_requests_that_were_in_one_batch_are_kept() -> None:
    progress = fold(Contended(request_id=R, batched=3), Contended(request_id=R, batched=1, others=("b",)))
    assert (progress.batched_with, progress.contended_by) == (3, ("b",))
