"""Texts that are nearly the same, among up to a million: MinHash signatures, compared where bands of them collide.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman, Ullman, "Mining of massive
datasets", chapter 3. Signatures are datasketch's. Its LSH index keeps about 5 kB a text in memory; here signatures lie
in a file (512 bytes a text) and each band is sorted by itself, so that a million texts need some tens of megabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.training.data.units import units

PERMUTATIONS = 128
SHINGLE_UNITS = 3
# Two texts as alike as the threshold share a band with at least this probability.
RECALL = 0.98
# Of texts that collide, so many different ones are compared with each further one.
MAX_REPRESENTATIVES = 8
# Of a long text the beginning counts: 20,000 words.
MAX_UNITS = 20_000


def shingles(text: str) -> set[bytes]:
    """All triples of neighbouring units; of a shorter text, the text."""
    found = units(text)[:MAX_UNITS]
    triples = zip(*(found[start:] for start in range(SHINGLE_UNITS)), strict=False)
    return {" ".join(triple).encode() for triple in triples} or {" ".join(found).encode()}


@dataclass(frozen=True, slots=True)
class Alike:
    """Texts by their numbers from 0: ``first[i]`` is the text before ``i`` that ``i`` repeats, or -1.

    ``groups[i]`` is the same number for all texts that are alike, directly or by way of others.
    """

    first: NDArray[np.int32]
    groups: NDArray[np.int32]


class NearDuplicates:
    """Collects texts, then says which are alike.

    Args:
        path: the file for the signatures; overwritten.
        threshold: the least share of common triples (Jaccard), estimated within about 0.03.
    """

    def __init__(self, path: Path, threshold: float) -> None:
        from datasketch import MinHash

        self._path, self._threshold = path, threshold
        self._empty = MinHash(num_perm=PERMUTATIONS, hashfunc=zlib.crc32, scheme="affine32")
        self._file = path.open("wb")
        self._count = 0

    def add(self, text: str) -> None:
        signature = self._empty.copy()
        signature.update_batch(shingles(text))
        self._file.write(signature.hashvalues.astype(np.uint32).tobytes())
        self._count += 1

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def alike(self, same: Sequence[NDArray[np.uint64]] = (), is_stopped: Callable[[], bool] = lambda: False) -> Alike:
        """Which texts are alike, so far as bands were compared when it is stopped.

        Args:
            same: arrays of one number for each text; texts with equal ones belong to one group whatever they say.
            is_stopped: asked before each band.
        """
        self._file.flush()
        links = _Links(self._count)
        if self._count:
            signatures = np.memmap(self._path, np.uint32, "r", shape=(self._count, PERMUTATIONS))
            rows_of_band = _rows_of_band(self._threshold)
            for start in range(0, PERMUTATIONS, rows_of_band):
                if is_stopped():
                    break
                for bucket in _buckets(_hashed(np.asarray(signatures[:, start : start + rows_of_band]))):
                    self._compare(bucket, signatures, links)
        first = links.first_kept()
        for bucket in (bucket for numbers in same for bucket in _buckets(numbers)):
            for other in bucket[1:]:
                links.join(int(bucket[0]), int(other))
        return Alike(first, links.groups())

    def _compare(self, bucket: NDArray[np.int64], signatures: NDArray[np.uint32], links: _Links) -> None:
        """Link each text of a bucket with those before it that it resembles, in linear time."""
        held = np.empty((MAX_REPRESENTATIVES, PERMUTATIONS), np.uint32)
        numbers: list[int] = []
        for number in map(int, bucket):
            signature = signatures[number]
            agreeing = (held[: len(numbers)] == signature).mean(axis=1)
            found = [numbers[i] for i in np.flatnonzero(agreeing >= self._threshold)]
            for other in found:
                links.link(other, number)
            if not found and len(numbers) < MAX_REPRESENTATIVES:
                held[len(numbers)] = signature
                numbers.append(number)


class _Links:
    """Pairs that are alike, and the groups that they make (union-find with halved paths)."""

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count, dtype=np.int32)
        self._earlier: dict[int, set[int]] = {}

    def link(self, earlier: int, later: int) -> None:
        self._earlier.setdefault(later, set()).add(earlier)
        self.join(earlier, later)

    def join(self, one: int, other: int) -> None:
        a, b = self._root(one), self._root(other)
        self._parents[max(a, b)] = min(a, b)

    def first_kept(self) -> NDArray[np.int32]:
        """For each text the one before it that it repeats and that is not itself a repetition."""
        first = np.full(len(self._parents), -1, np.int32)
        for later in sorted(self._earlier):
            kept = [earlier for earlier in self._earlier[later] if first[earlier] < 0]
            if kept:
                first[later] = min(kept)
        return first

    def groups(self) -> NDArray[np.int32]:
        return np.fromiter((self._root(i) for i in range(len(self._parents))), np.int32, len(self._parents))

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = int(parents[number])
        return number


def _rows_of_band(threshold: float) -> int:
    """The longest bands with which texts at the threshold still collide as often as ``RECALL``."""
    lengths = [n for n in (16, 8, 4, 2) if 1 - (1 - threshold**n) ** (PERMUTATIONS // n) >= RECALL]
    return lengths[0] if lengths else 1


def _hashed(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for each row of a band (FNV-1a over its words)."""
    result = np.full(len(band), 0xCBF29CE484222325, np.uint64)
    for column in band.T:
        result = (result ^ column.astype(np.uint64)) * np.uint64(0x100000001B3)
    return result


def _buckets(keys: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """The indices that have the same key, of keys that occur more than once, each in ascending order."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
    lengths = np.diff(starts, append=len(keys))
    for start, length in zip(starts[lengths > 1], lengths[lengths > 1], strict=True):
        yield order[start : start + length]
