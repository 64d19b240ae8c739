from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from multi_llm_comparator.core.readable import NOTHING
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.materials import ItemFacts
from multi_llm_comparator.evaluation.measuring.report import result_table
from multi_llm_comparator.evaluation.measuring.results import (
    SubjectCost,
    SubjectResult,
    pareto_front,
    results_of,
)
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import speed_words
from multi_llm_comparator.evaluation.statistics.intervals import Interval
from tests.evaluation.measuring.making import evaluation, prompt_set


def taken(columns: Mapping[str, Sequence[float | None]], **items: Any) -> EvaluationSnapshot:
    """A finished evaluation in which each subject has these scores; None is a failure."""
    rows = len(next(iter(columns.values())))
    prompts = prompt_set(*((f"{n}?", "1") for n in range(rows)))
    facts = tuple(ItemFacts(id=str(n), source="prompts", task="prompts", title="", target="") for n in range(rows))
    cells = {
        CellKey(n, letter): Cell(
            state="failed" if value is None else "done",
            score=value,
            tokens_per_s=10.0 * (1 + index),
            is_alone=n < 4,
            memory_bytes=100 * (1 + index),
        )
        for index, (letter, values) in enumerate(columns.items())
        for n, value in enumerate(values)
    }
    return EvaluationSnapshot(
        id="r",
        title="",
        state="done",
        phase="",
        version=1,
        created_at=0.0,
        ended_at=1.0,
        error=None,
        spec=evaluation(prompts, *columns),
        items=tuple(dataclasses.replace(item, **items) for item in facts),
        cells=cells,
        duels={},
        running={},
        progress=(),
    )


def flips(n: int, first_only: int, second_only: int) -> tuple[list[float | None], list[float | None]]:
    alike = n - first_only - second_only
    one: list[float | None] = [*[1.0] * first_only, *[0.0] * second_only, *[1.0] * alike]
    other: list[float | None] = [*[0.0] * first_only, *[1.0] * second_only, *[1.0] * alike]
    return one, other


def test_a_clear_difference_is_named_with_its_flips_and_interval() -> None:
    one, other = flips(120, 20, 4)
    results = results_of(taken({"a": one, "b": other}))
    (verdict,) = results.verdicts
    assert (verdict.outcome, verdict.paired.first_only, verdict.paired.second_only) == ("better", 20, 4)
    assert verdict.paired.low > 0
    assert results.of("prompts")[0].right == 116


def test_a_difference_that_does_not_show_says_how_many_items_it_would_take() -> None:
    one, other = flips(120, 8, 4)
    (verdict,) = results_of(taken({"a": one, "b": other})).verdicts
    assert verdict.outcome == "not_separable"
    assert 600 < (verdict.needed or 0) < 800
    assert verdict.visible == pytest.approx(0.08, abs=0.01)


def test_two_that_never_differ_are_alike_and_need_no_number() -> None:
    (verdict,) = results_of(taken({"a": [1.0, 0.0] * 30, "b": [1.0, 0.0] * 30})).verdicts
    assert (verdict.outcome, verdict.needed, verdict.p) == ("alike", None, 1.0)


def test_failures_are_left_out_of_the_pairs_and_counted() -> None:
    one, other = flips(60, 10, 0)
    other[0] = None
    results = results_of(taken({"a": one, "b": other}))
    assert results.verdicts[0].paired.n == 59
    failing = results.of("prompts")[1]
    assert failing.interval is not None and (failing.failed, failing.interval.n) == (1, 59)


def test_more_subjects_make_each_difference_harder_to_show() -> None:
    one, other = flips(60, 8, 1)
    alone = results_of(taken({"a": one, "b": other})).verdicts[0]
    among = results_of(taken({"a": one, "b": other, "c": one})).verdicts[0]
    assert alone.paired.p == among.paired.p < 0.05
    assert (alone.outcome, among.outcome) == ("better", "not_separable")
    assert among.p == pytest.approx(3 * alone.p)


def test_items_of_one_passage_count_together() -> None:
    one, other = flips(40, 12, 2)
    apart = results_of(taken({"a": one, "b": other})).verdicts[0]
    together = results_of(taken({"a": one, "b": other}, cluster="passage")).verdicts[0]
    assert (apart.paired.method, together.paired.method) == ("mcnemar", "clustered")
    assert together.outcome == "not_separable"


def test_nothing_in_common_is_said_as_such() -> None:
    (verdict,) = results_of(taken({"a": [None, None], "b": [1.0, 1.0]})).verdicts
    assert (verdict.outcome, verdict.paired.n) == ("nothing", 0)


def test_the_front_holds_what_nothing_beats_in_quality_speed_and_memory() -> None:
    def result(subject: str, mean: float) -> SubjectResult:
        return SubjectResult(
            subject=subject, source="prompts", interval=Interval(mean, 0, 1, 9), right=0, failed=0, open=0
        )

    def cost(subject: str, speed: float | None, memory: int) -> SubjectCost:
        return SubjectCost(
            subject=subject, tokens_per_s=speed, asked_alone=4, memory_bytes=memory, load_s=None, answer_s=None
        )

    results = [result("a", 0.9), result("b", 0.8), result("c", 0.8), result("d", 0.99)]
    costs = [cost("a", 10, 400), cost("b", 30, 100), cost("c", 20, 100), cost("d", None, 50)]
    assert pareto_front(results, costs, ["prompts"]) == {"a", "b"}


def test_what_answers_cost_is_added_up_and_told_where_anything_did() -> None:
    snapshot = taken({"a": [1.0] * 3, "b": [1.0] * 3})
    assert "cost" not in " ".join(result_table(snapshot, results_of(snapshot), "en")[0]).lower()
    cells = {
        key: dataclasses.replace(cell, cost_usd=0.002 if key.subject == "b" else None)
        for key, cell in snapshot.cells.items()
    }
    paid = dataclasses.replace(snapshot, cells=cells)
    assert [cost.cost_usd for cost in results_of(paid).costs] == [None, pytest.approx(0.006)]
    heading, rows = result_table(paid, results_of(paid), "en")
    assert (heading[-1], [row[-1] for row in rows]) == ("Cost", [NOTHING, "$0.0060"])


def test_speed_is_taken_from_answers_beside_which_nothing_else_was_written() -> None:
    (cost, other) = results_of(taken({"a": [1.0] * 9, "b": [1.0] * 9})).costs
    assert (cost.tokens_per_s, cost.asked_alone, cost.memory_bytes) == (10.0, 4, 100)
    assert other.tokens_per_s == 20.0
    # Four are too few for an interval of their median.
    assert (cost.speed_low, speed_words(cost)) == (None, "10.0 tok/s")


def test_speed_has_an_interval_from_six_answers_on() -> None:
    snapshot = taken({"a": [1.0] * 9})
    speeds = {key: 10.0 + key.item for key in snapshot.cells}
    cells = {
        # The first one loaded the model.
        key: dataclasses.replace(
            cell, tokens_per_s=speeds[key], is_alone=key.item < 7, load_s=None if key.item else 2.0
        )
        for key, cell in snapshot.cells.items()
    }
    snapshot = dataclasses.replace(snapshot, cells=cells)
    (cost,) = results_of(snapshot).costs
    assert (cost.asked_alone, cost.tokens_per_s, cost.speed_low, cost.speed_high) == (6, 13.5, 11.0, 16.0)
    _, ((*_, speed, _, _),) = result_table(snapshot, results_of(snapshot), "en")
    assert speed == "13.5 tok/s (11.0–16.0)"
