from __future__ import annotations

import pytest

from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.insight.compute import findings_of, modified_z
from multi_llm_comparator.applications.insight.data import data_of
from multi_llm_comparator.applications.insight.figures import Data, Series
from multi_llm_comparator.applications.insight.labels import are_times
from multi_llm_comparator.applications.insight.text_series import series_in
from multi_llm_comparator.applications.insight.wording import sentence
from multi_llm_comparator.applications.reading.read import read
from multi_llm_comparator.core.exceptions import DocumentError
from tests.applications.documents import xlsx


def data(name: str, content: str | bytes) -> Data:
    return data_of(read(name, content.encode() if isinstance(content, str) else content))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_has_its_four_series_with_all_their_values(language: str) -> None:
    found = data("", example_text("data_insight", "zh" if language == "zh" else "en"))
    assert [len(one.values) for one in found.series] == [9, 9, 9, 5] and found.data_points == 32
    assert [one.is_ordered for one in found.series] == [True, True, True, False]
    assert found.series[0].values[0] == 890 and found.series[0].values[-1] == 1520
    assert [one.is_percent for one in found.series] == [False, False, True, True]


def test_names_units_and_values_stand_in_many_ways() -> None:
    _, series = series_in("- 营业收入：1,250万元，同比增长28%\nSales: Jan: 5, Feb: 6\nQ1: 3; Q2: 4 ; Q3: -2.5")
    assert [(one.unit, one.values) for one in series[:2]] == [("万元", (1250.0,)), ("%", (28.0,))]
    assert ("Sales", ("Jan", "Feb"), (5.0, 6.0, 3.0, 4.0, -2.5)[:2]) == (
        series[2].name,
        series[2].labels[:2],
        series[2].values[:2],
    )
    assert series[2].values[-1] == -2.5


@pytest.mark.parametrize(
    "labels", [("1月", "2月"), ("2024-01", "2024-02"), ("Q1", "Q2"), ("Jan", "Feb"), ("周一", "周二")]
)
def test_times_are_known_as_such(labels: tuple[str, ...]) -> None:
    assert are_times(labels) and not are_times((*labels, "north"))


def test_text_without_numbers_is_refused() -> None:
    with pytest.raises(DocumentError, match="no data"):
        data("", "Nothing to count here.")


def test_the_change_its_share_and_the_extremes_are_those_of_the_values() -> None:
    series = Series(name="s", labels=("Jan", "Feb", "Mar", "Apr"), values=(100, 120, 90, 150), is_ordered=True)
    course, trend, rise, fall = [one for one in findings_of([series]) if "trends" in one.about]
    assert course.figures["change"] == 50 and course.percents["change_percent"] == 50
    assert course.labels["high"] == "Apr" and course.labels["low"] == "Mar" and course.figures["total"] == 460
    assert trend.code == "trend_up"
    assert (rise.figures["step"], fall.figures["step"]) == (60, -30)


def test_one_wild_value_is_out_of_line_and_a_steady_rise_is_not() -> None:
    values = [10.0 + n for n in range(12)]
    labels = tuple(f"Day {n}" for n in range(12))
    calm = findings_of([Series(name="s", labels=labels, values=tuple(values), is_ordered=True)])
    assert not any(one.code == "outlier" for one in calm)
    values[7] = 60.0
    wild = findings_of([Series(name="s", labels=labels, values=tuple(values), is_ordered=True)])
    assert [one.labels["at"] for one in wild if one.code == "outlier"] == ["Day 7"]


def test_values_that_are_all_the_same_have_no_score() -> None:
    assert modified_z([3.0] * 6) == [0.0] * 6


def test_workbooks_give_a_series_for_each_column_of_numbers() -> None:
    found = data("a.xlsx", xlsx({"Sales": [["Month", "Revenue", "Share"], ["Jan", 890, "23%"], ["Feb", 945, "25%"]]}))
    assert [(one.name, one.unit, one.values) for one in found.series] == [
        ("Revenue", "", (890.0, 945.0)),
        ("Share", "%", (23.0, 25.0)),
    ]
    assert found.data_points == 4


def test_tables_with_years_as_columns_give_a_series_for_each_row() -> None:
    found = data("a.csv", "product,2021,2022,2023\nA,1,2,3\nB,4,5,6\n")
    assert [(one.name, one.labels, one.values) for one in found.series] == [
        ("A", ("2021", "2022", "2023"), (1.0, 2.0, 3.0)),
        ("B", ("2021", "2022", "2023"), (4.0, 5.0, 6.0)),
    ]


def test_records_are_added_up_by_time_and_category_and_rates_are_averaged() -> None:
    rows = "".join(f"2024-0{1 + n % 3}-10,{'east' if n % 2 else 'west'},10,{50 + n % 2}%\n" for n in range(600))
    found = data("a.csv", f"date,region,amount,rate\n{rows}")
    by_name = {(one.name, one.is_ordered): one for one in found.series}
    assert by_name["amount", True].how == "sum" and sum(by_name["amount", True].values) == 6000
    assert by_name["rate", True].how == "mean"
    assert dict(zip(*(getattr(by_name["amount / region", False], f) for f in ("labels", "values")), strict=True)) == {
        "east": 3000.0,
        "west": 3000.0,
    }


def test_pasted_tables_are_read_like_files() -> None:
    found = data("", "| Month | Sales |\n|---|---|\n| Jan | 5 |\n| Feb | 7 |\n")
    assert found.series[0].values == (5.0, 7.0)


def test_every_finding_has_its_sentence_in_both_languages() -> None:
    values = (("Jan", 5), ("Feb", 9), ("Mar", 2), ("Apr", 8), ("May", 7), ("Jun", 90))
    ordered = [
        Series(name=n, labels=tuple(a for a, _ in values), values=tuple(b + k for _, b in values), is_ordered=True)
        for k, n in enumerate("ab")
    ]
    others = [Series(name="c", unit=u, labels=("x", "y", "z"), values=(50, 30, 20)) for u in ("%", "", "kg")]
    falling = Series(name="d", labels=("Q1", "Q2", "Q3"), values=(9, 6, 3), is_ordered=True)
    steady = Series(name="e", labels=("Q1", "Q2", "Q3"), values=(100, 100.1, 100), is_ordered=True)
    found = findings_of([*ordered, *others, falling, steady])
    assert len({one.code for one in found}) >= 9
    for finding in found:
        assert finding.series in sentence(finding, "en") and finding.series in sentence(finding, "zh")
