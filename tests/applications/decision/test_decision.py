from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.applications.charts import decision_charts
from multi_llm_comparator.applications.decision.amounts import money_in, months_in, same_terms
from multi_llm_comparator.applications.decision.parse import problem_in
from multi_llm_comparator.applications.decision.problem import Criterion, Decision, Option, Problem, Score
from multi_llm_comparator.applications.decision.scoring import decide, score_by_cost, score_by_words
from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.core.readable import Language
from tests.support.growth import grows_evenly

CHOICE = """Options:
A. Train: cost: 40 dollars a day
   - Advantages: reliable, safe
B. Car
   - Cost: $1,500 per month
   - Time: 9 months
   - Disadvantages: parking is difficult
Requirements:
- Budget: $1,300 per month
- Deadline: within 6 months
- Priorities: cost 30%, reliability 70%
"""


def decided(problem: Problem) -> Decision:
    scores: list[Score] = []
    for criterion in problem.criteria:
        known = {score.option: score for score in score_by_cost(problem, criterion.name)}
        scores += [known.get(o.name) or score_by_words(o, criterion.name) for o in problem.options]
    return decide(problem, scores)


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_the_example_has_four_options_of_which_two_are_beyond_the_budget(spoken: Language) -> None:
    problem = problem_in(example_text("decision_support", spoken), spoken)
    assert len(problem.options) == 4 and all(option.cost and option.pros and option.cons for option in problem.options)
    assert len(problem.criteria) == 3 and problem.weights_by == "order"
    assert [one.kind for one in problem.requirements] == ["budget", "time"]
    found = decided(problem)
    names = [option.name for option in problem.options]
    assert found.excluded == (names[1], names[3]) and found.winner == names[0]
    assert {check.state for check in found.checks if check.kind == "time"} == {"unknown"}


def test_letters_periods_times_and_weights_are_read() -> None:
    problem = problem_in(CHOICE, "en")
    train, car = problem.options
    assert (train.label, car.label) == ("Train", "Car")
    assert train.cost is not None and train.cost.per_month == pytest.approx(40 * 30.4375)
    assert car.months == 9 and train.pros == ("reliable", "safe")
    assert [(one.name, one.weight) for one in problem.criteria] == [("cost", 0.3), ("reliability", 0.7)]
    found = decided(problem)
    assert found.excluded == ("B",) and found.winner == "A"
    assert {c.kind: c.state for c in found.checks if c.option == "B"} == {"budget": "broken", "time": "broken"}


@pytest.mark.parametrize(
    ("text", "value", "per_month"),
    [
        ("每月4.5万元", 45_000, 45_000),
        ("$60k per year", 60_000, 5_000),
        ("3-4万元/月", 40_000, 40_000),
        ("一次性20万元", 200_000, None),
        ("€1,200 a quarter", 1_200, 400),
    ],
)
def test_money_is_read_with_its_period(text: str, value: float, per_month: float | None) -> None:
    found = money_in(text)
    assert found is not None and found.value == value
    assert found.per_month is None if per_month is None else found.per_month == pytest.approx(per_month)


def test_what_is_paid_once_is_not_compared_with_what_is_paid_monthly() -> None:
    once, monthly, euros = money_in("20万元"), money_in("每月4.5万元"), money_in("€500 a month")
    assert once and monthly and euros
    assert same_terms(once, monthly) is None and same_terms(euros, monthly) is None


@pytest.mark.parametrize(
    ("text", "months"), [("6个月内完成", 6), ("within 12 weeks", 2.76), ("半年", 6), ("in 2024", None)]
)
def test_times_are_read_in_months(text: str, months: float | None) -> None:
    found = months_in(text)
    assert found is None if months is None else found == pytest.approx(months, abs=0.01)


def test_given_weights_go_before_those_of_the_text() -> None:
    problem = problem_in(CHOICE, "en", {"speed": 1.0, "cost": 3.0})
    assert [(one.name, one.weight) for one in problem.criteria] == [("speed", 0.25), ("cost", 0.75)]
    assert problem.weights_by == "given"


def test_if_all_are_excluded_the_least_violated_is_named() -> None:
    text = "Option A: x\n- Cost: $200 a month\nOption B: y\n- Cost: $150 a month\nConditions:\n- Budget: $100 a month"
    found = decided(problem_in(text, "en"))
    assert found.winner is None and found.closest == "Option B"


def test_a_weight_moves_as_far_as_the_winner_stays() -> None:
    """Two options, two criteria: A is 5 and 1, B is 1 and 4; A is first while its criterion weighs more than 3/7."""
    problem = Problem(
        options=(Option(name="A"), Option(name="B")),
        criteria=(Criterion(name="p", weight=0.6), Criterion(name="q", weight=0.4)),
        weights_by="given",
    )
    values = {("A", "p"): 5, ("A", "q"): 1, ("B", "p"): 1, ("B", "q"): 4}
    scores = [Score(option=o, criterion=c, value=v, evidence="model") for (o, c), v in values.items()]
    found = decide(problem, scores)
    assert found.winner == "A" and found.movements[0].others == ("B",)
    assert found.movements[0].low == pytest.approx(3 / 7, abs=0.01) and found.movements[0].high == 1
    assert found.movements[1].high == pytest.approx(4 / 7, abs=0.01)


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_the_charts_show_totals_by_criterion_and_where_another_option_comes_first(spoken: Language) -> None:
    found = decided(problem_in(example_text("decision_support", spoken), spoken))
    totals, *moved = decision_charts(found, spoken)
    assert len(totals["data"]) == len(moved) == len(found.problem.criteria)
    stacked = [sum(bar["y"][at] for bar in totals["data"]) for at in range(len(found.problem.options))]
    assert stacked == pytest.approx(sorted(found.totals.values(), reverse=True))
    for chart, movement in zip(moved, found.movements, strict=True):
        assert movement.criterion in chart["layout"]["title"]["text"]
        assert chart["layout"]["shapes"][0]["x0"] == pytest.approx(100 * movement.weight)
        assert all(len(line["x"]) == len(line["y"]) > 2 for line in chart["data"])


@given(
    st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=2, max_size=5),
    st.lists(st.floats(0.05, 1), min_size=3, max_size=3),
)
def test_the_winner_has_the_highest_total_and_its_own_weight_is_in_its_range(
    table: list[list[int]], weights: list[float]
) -> None:
    total = sum(weights)
    criteria = tuple(Criterion(name=f"c{n}", weight=w / total) for n, w in enumerate(weights))
    options = tuple(Option(name=f"o{n}") for n in range(len(table)))
    scores = [
        Score(option=f"o{i}", criterion=f"c{j}", value=value, evidence="model")
        for i, row in enumerate(table)
        for j, value in enumerate(row)
    ]
    found = decide(Problem(options=options, criteria=criteria, weights_by="given"), scores)
    assert found.winner is not None
    assert math.isclose(found.totals[found.winner], max(found.totals.values()), abs_tol=1e-9)
    assert all(1 - 1e-9 <= value <= 5 + 1e-9 for value in found.totals.values())
    for one in found.movements:
        assert one.low - 0.011 <= one.weight <= one.high + 0.011


def test_lines_of_blanks_take_as_long_as_they_are() -> None:
    def read(blanks: str) -> Problem:
        return problem_in(f"Option A: x\nPros: a{blanks}b\nOption B: y\nPriorities: a{blanks}7, c 3{blanks}", "en")

    assert grows_evenly(read, " ", 1_200)
    assert [criterion.name for criterion in read(" " * 50).criteria] == ["a", "c"]


@pytest.mark.parametrize("piece", ["1 ", "1 month ", "$1, "])
def test_a_line_of_numbers_takes_as_long_as_it_is(piece: str) -> None:
    text = "Option A: x\nTime: {0}\nCost: {0}\nOption B: y\nWe need it within: {0}"
    assert grows_evenly(lambda numbers: problem_in(text.format(numbers), "en"), piece, 2_000)
