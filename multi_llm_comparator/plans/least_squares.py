"""Least squares of relative errors, without negative figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def not_negative(facts: Floats, actual: Floats, weight: Floats) -> Floats:
    """The figures that bring ``facts @ figures`` nearest to what was, none of them below zero.

    What comes out negative is left out, the most negative first.

    Args:
        facts: one row for each observation, one column for each figure; the first column is of ones.
        actual: what was observed, all above zero.
        weight: how much each observation counts.
    """
    scale = np.sqrt(weight) / actual
    columns = list(range(facts.shape[1]))
    while True:
        solution = np.linalg.lstsq(facts[:, columns] * scale[:, None], actual * scale, rcond=None)[0]
        if len(columns) == 1 or (solution >= 0).all():
            break
        del columns[int(np.argmin(solution))]
    figures = np.zeros(facts.shape[1])
    figures[columns] = np.maximum(solution, 0.0)
    return figures if figures.any() else np.array([float(np.median(actual)), *[0.0] * (facts.shape[1] - 1)])
