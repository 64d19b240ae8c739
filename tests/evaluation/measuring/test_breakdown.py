from __future__ import annotations

import dataclasses

from multi_llm_comparator.evaluation.measuring.breakdown import results_by_tag
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.report import tag_table
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from tests.evaluation.measuring.test_results import flips, taken

TAGS = ("algebra", "law", "music")


def tagged(first: list[float | None], second: list[float | None]) -> EvaluationSnapshot:
    """Equally many items of each tag, one tag after the other."""
    snapshot = taken({"a": first, "b": second})
    each = len(first) // len(TAGS)
    items = [dataclasses.replace(item, tags=(TAGS[n // each],)) for n, item in enumerate(snapshot.items)]
    return dataclasses.replace(snapshot, items=tuple(items))


def test_who_is_better_where_is_held_to_all_that_is_tested() -> None:
    clear, slight, even = flips(30, 14, 0), flips(30, 7, 0), flips(30, 3, 3)
    snapshot = tagged([*clear[0], *slight[0], *even[0]], [*clear[1], *slight[1], *even[1]])
    algebra, law, music = results_by_tag(snapshot)
    assert [one.tag for one in (algebra, law, music)] == list(TAGS)
    assert [one.items for one in (algebra, law, music)] == [30, 30, 30]
    (difference,) = algebra.differences
    assert (difference.better, difference.worse) == ("a", "b")
    # Seven flips of seven: 0.016 alone, twice that as the second of three.
    assert [round(one.p, 3) for one in law.differences] == [0.031]
    assert music.differences == ()
    # Six of six are 0.031 alone, which is too much for the second of three.
    fewer = flips(30, 6, 0)
    snapshot = tagged([*clear[0], *fewer[0], *even[0]], [*clear[1], *fewer[1], *even[1]])
    assert results_by_tag(snapshot)[1].differences == ()


def test_failures_are_no_scores_and_one_tag_alone_is_no_part() -> None:
    snapshot = tagged([None, None, 1.0, 0.0, 1.0, 1.0], [1.0] * 6)
    algebra, law, _ = results_by_tag(snapshot)
    assert algebra.scores["a"] is None
    assert law.scores["a"] is not None and law.scores["a"].n == 2
    alone = dataclasses.replace(snapshot, items=tuple(dataclasses.replace(i, tags=("x",)) for i in snapshot.items))
    assert results_by_tag(alone) == ()
    assert tag_table(alone, "en") is None


def test_reports_have_a_row_for_each_tag() -> None:
    clear = flips(30, 14, 0)
    snapshot = tagged(clear[0] * 3, clear[1] * 3)
    for format in ("html", "markdown"):
        text = export_evaluation(snapshot, format).decode()
        assert text.count("a better than b") == 3
        assert all(tag in text for tag in TAGS)
        # No number without its interval.
        assert text.count("100.0% (88.6–100.0%)") >= 3
