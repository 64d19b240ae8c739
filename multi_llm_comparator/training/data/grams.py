"""Runs of 13 units as numbers, by which texts are found to have a passage in common.

The length is that of Brown et al. 2020 (GPT-3, appendix C, https://arxiv.org/abs/2005.14165): words of 13; where
words are not told apart, characters.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GRAM_UNITS = 13
# Of a very long text the beginning counts: 200,000 words.
MAX_UNITS = 200_000


def gram_hashes(units: Sequence[str]) -> NDArray[np.uint64]:
    """One number for each run of ``GRAM_UNITS`` units, in their order; none for a shorter text.

    Equal runs have equal numbers in every process and on every machine, so that they can be kept in files.
    """
    count = min(len(units), MAX_UNITS) - GRAM_UNITS + 1
    if count < 1:
        return np.empty(0, np.uint64)
    words = np.fromiter((zlib.crc32(unit.encode()) for unit in units[:MAX_UNITS]), np.uint64)
    # FNV-1a over the words' checksums, then mixed so that every bit depends on all of them (MurmurHash3's finish).
    result = np.full(count, 0xCBF29CE484222325, np.uint64)
    for start in range(GRAM_UNITS):
        result = (result ^ words[start : start + count]) * np.uint64(0x100000001B3)
    return _mixed(result)


def text_hash(units: Sequence[str]) -> int:
    """One number for a whole text."""
    text = " ".join(units[:MAX_UNITS]).encode()
    return zlib.crc32(text) << 32 | zlib.crc32(text, 0x9E3779B9)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(33))
