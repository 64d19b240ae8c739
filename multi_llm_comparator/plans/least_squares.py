"""Least squares of relative errors without negative figures, and middles of what scatters around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Of the median.
SLOWEST_COUNTED = 1.2


def not_negative(facts: Floats, actual: Floats, weight: Floats, error_of: Floats | None = None) -> Floats:
    """The figures that bring ``facts @ figures`` nearest to what was, none of them below zero.

    What comes out negative is left out, the most negative first.

    Args:
        facts: one row for each observation, one column for each figure.
        actual: what was observed.
        weight: how much each observation counts.
        error_of: what errors are relative to, all above zero; None: the observations, which are above zero then.
    """
    scale = np.sqrt(weight) / (actual if error_of is None else error_of)
    columns = list(range(facts.shape[1]))
    figures = np.zeros(facts.shape[1])
    while columns:
        solution = np.linalg.lstsq(facts[:, columns] * scale[:, None], actual * scale, rcond=None)[0]
        if (solution >= 0).all():
            figures[columns] = solution
            break
        del columns[int(np.argmin(solution))]
    return figures


def seconds_fitted(facts: Floats, actual: Floats, weight: Floats) -> Floats:
    """As :func:`not_negative`, for what takes its time: the first column is of ones, and always predicts something."""
    figures = not_negative(facts, actual, weight)
    return figures if figures.any() else np.array([float(np.median(actual)), *[0.0] * (facts.shape[1] - 1)])


def weighted_median(values: Floats, weight: Floats) -> float:
    """The value that half of the weight lies below."""
    order = np.argsort(values)
    share = np.cumsum(weight[order])
    return float(values[order][int(np.searchsorted(share, share[-1] / 2))])


def mean_pace(longer: Floats, weight: Floats) -> float:
    """How many times as long as predicted things take, on average.

    A chain takes what its steps take on average, and slow moments belong to that; but one that is far slower than its
    likes was no step of this machine as it is, and counts as :data:`SLOWEST_COUNTED`.
    """
    limit = SLOWEST_COUNTED * weighted_median(longer, weight)
    return float(np.average(np.minimum(longer, limit), weights=weight))
