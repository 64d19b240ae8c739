from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.least_squares import not_negative, seconds_fitted

FIGURES = st.tuples(st.floats(0.1, 10), st.floats(0, 5), st.floats(0, 5))
ROWS = [(1.0, float(a), float(b)) for a in range(4) for b in range(0, 9, 2)]


@given(FIGURES)
def test_figures_that_made_the_observations_are_found_again(figures):
    facts = np.array(ROWS)
    found = not_negative(facts, facts @ np.array(figures), np.ones(len(ROWS)))
    assert found == pytest.approx(figures, abs=1e-6)


@given(st.lists(st.floats(0.01, 1000), min_size=len(ROWS), max_size=len(ROWS)))
def test_no_figure_is_ever_below_zero_and_something_is_always_predicted(observed):
    facts = np.array(ROWS)
    found = seconds_fitted(facts, np.array(observed), np.ones(len(ROWS)))
    assert (found >= 0).all()
    assert (facts @ found > 0).any()


def test_what_would_come_out_negative_is_left_out_and_the_rest_fits_without_it():
    facts = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    fixed, slope = not_negative(facts, np.array([3.0, 2.0, 1.0]), np.ones(3))
    assert slope == 0
    assert 1.0 <= fixed <= 3.0


def test_an_observation_counts_by_its_weight():
    facts = np.ones((2, 1))
    (light,) = not_negative(facts, np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    assert light == pytest.approx(1.0)


def test_errors_may_be_relative_to_something_else():
    facts = np.ones((2, 1))
    (figure,) = not_negative(facts, np.array([1.0, 3.0]), np.ones(2), np.array([1.0, 1e6]))
    assert figure == pytest.approx(1.0)


def test_where_no_figure_helps_none_is_given():
    assert not_negative(np.ones((2, 1)), np.array([-1.0, -2.0]), np.ones(2), np.ones(2)).tolist() == [0.0]
