from __future__ import annotations

import pytest

from multi_llm_comparator.comparison.export_chart import WIDTH, bars_of
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ModelFacts
from multi_llm_comparator.comparison.turn_lanes import phase_lengths
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.ui.compare.turn_chart import chart, has_times
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, pane_tones


def answer(name: str, progress: AnswerProgress) -> AnswerSnapshot:
    return AnswerSnapshot(
        answer_id=name,
        pane_id=name,
        turn=0,
        attempt=1,
        attempts=1,
        target=name,
        model=ModelFacts(id=name, name=name),
        config=ModelConfig(),
        created_at=0.0,
        progress=progress,
        legs=(progress,),
    )


DONE = AnswerProgress(
    requested_at=10.0,
    state="done",
    load_s=2.0,
    started_at=13.0,
    first_token_at=13.5,
    last_token_at=15.5,
    ended_at=15.5,
    tokens=41,
)


def test_the_phases_of_a_finished_answer_are_its_figures() -> None:
    assert phase_lengths(answer("a", DONE)) == {"queued": 1.0, "load": 2.0, "prefill": 0.5, "decode": 2.0}


def test_a_phase_that_goes_on_counts_up_to_now() -> None:
    loading = AnswerProgress(requested_at=now() - 9, state="loading", loading_at=now() - 7)
    assert phase_lengths(answer("a", loading), now())["load"] == pytest.approx(7, abs=1)


@pytest.mark.parametrize("page", ["light", "dark"])
def test_the_chart_stacks_phases_and_shows_speeds_of_all_answers(page: str) -> None:
    waiting = AnswerProgress(requested_at=now())
    figure = chart([answer("a", DONE), answer("b", waiting)], MODEL_TONES[:2], ["", ""], page)
    bars = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    assert bars["writing"]["x"][0] == 2.0
    assert bars["loading"]["x"] == [2.0, None]
    speeds = figure["data"][-1]
    assert speeds["x"] == [20.0, None]
    assert speeds["y"] == ["A · a", "B · b"]
    assert bars["writing"]["marker"]["color"] == speeds["marker"]["color"] == [t.on(page) for t in MODEL_TONES[:2]]


@pytest.mark.parametrize("page", ["light", "dark"])
def test_four_panes_of_one_model_have_four_colours_and_what_tells_them_apart(page: str) -> None:
    told = ["temperature 0", "temperature 0.4", "temperature 0.8", "temperature 1.2"]
    figure = chart([answer("one", DONE) for _ in told], pane_tones(["one"] * 4), told, page)
    bars = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    speeds = figure["data"][-1]
    assert len(set(speeds["marker"]["color"])) == 4
    assert bars["writing"]["marker"]["color"] == speeds["marker"]["color"]
    assert speeds["y"] == [f"{letter} · {words}" for letter, words in zip("ABCD", told, strict=True)]


def test_numbers_stand_beside_their_bars_and_lie_on_no_side() -> None:
    figure = chart([answer("a", DONE)], MODEL_TONES[:1], [""], "light")
    speeds = figure["data"][-1]
    assert (speeds["textposition"], speeds["textangle"]) == ("outside", 0)
    assert figure["layout"]["xaxis2"]["range"][1] > 1.2 * speeds["x"][0]


def test_a_turn_whose_answers_all_failed_before_they_began_has_no_chart() -> None:
    failed = AnswerProgress(requested_at=0.0, state="failed", ended_at=1.0)
    cut_short = AnswerProgress(requested_at=0.0, state="failed", ended_at=1.0, tokens=3)
    assert not has_times([answer("a", failed), answer("b", failed)])
    assert has_times([answer("a", failed), answer("b", cut_short)])
    assert has_times([answer("a", failed), answer("b", DONE)])


def test_waiting_for_a_turn_after_loading_does_not_count_the_loading_again() -> None:
    waiting = AnswerProgress(requested_at=now() - 9, state="queued", load_s=7)
    assert phase_lengths(answer("a", waiting), now())["queued"] == pytest.approx(2, abs=1)


def test_the_exported_bars_are_the_same_phases_on_one_scale() -> None:
    quick = AnswerProgress(0.0, state="done", started_at=0.0, first_token_at=0.5, last_token_at=1.5, tokens=2)
    long, short = bars_of([answer("a", DONE), answer("b", quick)], ["a", "b"])
    assert [(s.phase, s.label) for s in long.segments] == [
        ("queued_s", "1.00 s"), ("load_s", "2.00 s"), ("prefill_s", "500 ms"), ("decode_s", "2.00 s"),
    ]  # fmt: skip
    assert sum(s.width for s in long.segments) == pytest.approx(WIDTH, abs=0.1)
    assert [s.phase for s in short.segments] == ["prefill_s", "decode_s"]
    assert short.segments[1].x == short.segments[0].width
