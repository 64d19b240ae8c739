"""How many requests a model decodes together, decided from what was measured."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.events import Finished, Reading, TextDelta
from multi_llm_comparator.services.slot_tuning import MAX_MODELS, MIN_STEPS, PAYS, RUNGS, SpeedBook, Speeds
from multi_llm_comparator.services.step_meter import StepMeter

RATES = st.dictionaries(st.sampled_from(RUNGS), st.floats(1.0, 5000.0))


def measured(rates: dict[int, float], steps: int = MIN_STEPS) -> Speeds:
    speeds = Speeds()
    for rows, rate in rates.items():
        speeds.note(rows, steps, rows * steps / rate)
    return speeds


def test_more_are_tried_one_rung_at_a_time_as_long_as_all_together_are_no_slower() -> None:
    assert measured({}).best(4, 32) == 4
    assert measured({1: 165.0, 2: 190.0}).best(4, 32) == 4
    assert measured({4: 217.0}).best(4, 32) == 8
    assert measured({4: 217.0, 8: 275.0}).best(4, 32) == 16
    assert measured({4: 217.0, 8: 275.0, 16: 250.0}).best(4, 32) == 8
    assert measured({4: 217.0, 8: 275.0, 16: 270.0, 32: 200.0}).best(4, 32) == 16
    assert measured({4: 217.0, 8: 275.0}).best(4, 8) == 8


def test_fewer_are_decoded_where_that_is_faster() -> None:
    assert measured({1: 481.0, 4: 1019.0, 8: 704.0}).best(8, 32) == 4
    assert measured({2: 210.0, 4: 217.0, 8: 200.0}).best(4, 32) == 4


def test_a_number_counts_only_after_enough_steps() -> None:
    assert measured({4: 217.0}, steps=MIN_STEPS - 1).best(4, 32) == 4


def test_numbers_that_are_not_compared_and_times_that_cannot_be_are_left_out() -> None:
    speeds = Speeds()
    for rows, steps, seconds in ((3, 100, 1.0), (4, 0, 1.0), (4, 100, 0.0), (-1, 100, 1.0)):
        speeds.note(rows, steps, seconds)
    assert speeds.tokens_per_s == {}


@given(RATES, st.sampled_from(RUNGS), st.sampled_from(RUNGS))
def test_the_choice_is_within_bounds_and_at_most_one_rung_beyond_what_is_known(
    rates: dict[int, float], first: int, most: int
) -> None:
    most = max(first, most)
    best = measured(rates).best(first, most)
    assert best <= most
    assert best in rates or best == first or best // 2 in rates


@given(RATES, st.sampled_from(RUNGS))
def test_what_was_tried_is_kept_only_if_it_is_not_slower(rates: dict[int, float], first: int) -> None:
    known = measured(rates).known
    best = measured(rates).best(first, 32)
    if best in known and first in known:
        assert PAYS * known[best] >= known[first]


def test_a_busy_moment_does_not_undo_what_was_learnt() -> None:
    speeds = measured({4: 200.0, 8: 300.0}, steps=10 * MIN_STEPS)
    speeds.note(8, 10, 8 * 10 / 100.0)
    assert 250 < speeds.tokens_per_s[8] < 300


def test_speeds_outlive_the_app_on_the_same_machine_only(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    book = SpeedBook(path, "a machine")
    book.of("m").note(4, 100, 2.0)
    book.save()
    assert SpeedBook(path, "a machine").of("m").known == {4: 200.0}
    assert SpeedBook(path, "another").of("m").known == {}


def test_a_damaged_book_is_begun_anew_and_it_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    for text in ("{", "[]", '{"machine": "x", "models": 3}', '{"machine": "x", "models": {"m": {"4": ["fast", 2]}}}'):
        path.write_text(text, encoding="utf-8")
        book = SpeedBook(path, "x")
        assert book.of("m").known == {}
    for number in range(MAX_MODELS + 10):
        book.of(f"m{number}").note(1, 100, 1.0)
    book.save()
    assert SpeedBook(path, "x").of("m0").known == {}
    assert SpeedBook(path, "x").of(f"m{MAX_MODELS + 9}").known == {1: 100.0}


def test_only_steps_in_which_all_write_are_counted() -> None:
    def delta(tokens: int, of: str = "r") -> TextDelta:
        return TextDelta(request_id=of, text="a", tokens=tokens)

    meter = StepMeter(0.0)
    meter.note([delta(5), delta(9, "s")], 0.25)
    meter.note([delta(6), delta(10, "s")], 0.25)
    meter.note([delta(7), delta(1, "s")], 9.0)
    meter.note([delta(8), Reading(request_id="s", tokens=100)], 9.0)
    meter.note([], 9.0)
    meter.note([delta(8), delta(9), delta(11, "s"), delta(12, "s")], 0.5)
    ending = [delta(9), Finished(request_id="r", reason="stop", prompt_tokens=1, completion_tokens=9)]
    meter.note(ending, 0.5)
    assert meter.report(0.5) == {}
    assert meter.report(2.0) == {2: (4, 1.0), 1: (1, 0.5)}
    assert meter.report(4.0) == {}
