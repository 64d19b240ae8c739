from __future__ import annotations

import pytest

from multi_llm_comparator.comparison.figures import figures_of
from multi_llm_comparator.core.timings import AnswerProgress


def test_the_figures_of_one_request_are_its_own() -> None:
    leg = AnswerProgress(
        requested_at=10.0,
        started_at=13.0,
        first_token_at=13.5,
        last_token_at=15.5,
        ended_at=15.6,
        load_s=2.0,
        prompt_tokens=30,
        cached_tokens=12,
        tokens=21,
        memory_bytes=5,
    )
    figures = figures_of([leg])
    assert (figures.queued_s, figures.load_s, figures.prefill_s, figures.ttft_s) == (1.0, 2.0, 0.5, 3.5)
    assert (figures.decode_s, figures.tokens_per_second) == (2.0, 10.0)
    assert figures.duration_s == pytest.approx(5.6)
    assert (figures.prompt_tokens, figures.cached_tokens, figures.tokens, figures.memory_bytes) == (30, 12, 21, 5)


def test_the_pause_before_continuing_counts_for_nothing() -> None:
    first = AnswerProgress(requested_at=0, started_at=1, first_token_at=2, last_token_at=4, ended_at=4, tokens=11)
    second = AnswerProgress(
        requested_at=1000, started_at=1001, first_token_at=1002, last_token_at=1006, ended_at=1006, tokens=21
    )
    figures = figures_of([first, second])
    assert (figures.duration_s, figures.decode_s, figures.tokens) == (10, 6, 32)
    assert figures.tokens_per_second == pytest.approx(30 / 6)
    assert (figures.ttft_s, figures.legs) == (2, 2)


def test_nothing_is_made_up_before_it_is_known() -> None:
    figures = figures_of([AnswerProgress(requested_at=5)])
    unknown = (figures.queued_s, figures.ttft_s, figures.decode_s, figures.duration_s, figures.tokens_per_second)
    assert set(unknown) == {None}
    assert figures.tokens == 0


def test_a_clock_that_disagrees_gives_no_negative_speed() -> None:
    leg = AnswerProgress(requested_at=5, first_token_at=7, last_token_at=6, tokens=5)
    assert figures_of([leg]).tokens_per_second is None
