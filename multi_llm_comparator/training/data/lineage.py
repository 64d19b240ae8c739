"""What a tuned model has learnt from, kept beside it so small that it can be asked later: does it know this question?

A file of numbers: hashes of the runs of 13 units of all rows, and of all questions. Beyond five million runs only those
whose hash ends in zeros are kept, one in two, four, eight: a passage of some length is still found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.training.data.chats import Example, messages_of
from multi_llm_comparator.training.data.contamination import (
    MAX_EXAMPLES,
    MAX_SHARING,
    MAX_SHOWN,
    MAX_TEXTS,
    Contamination,
    EvaluationText,
    Kind,
    Match,
    SetContamination,
    exact_keys,
    grams_of,
)
from multi_llm_comparator.training.data.grams import gram_hashes, text_hash
from multi_llm_comparator.training.data.units import units

LINEAGE_FILE = "training_grams.npz"
MAX_KEPT = 5_000_000
MAX_FILE_BYTES = 256 * 2**20
VERSION = 1


@dataclass(frozen=True, slots=True)
class Lineage:
    """Sorted hashes: of ``texts`` all, of ``grams`` one in ``2**sparse``."""

    grams: NDArray[np.uint64]
    texts: NDArray[np.uint64]
    sparse: int

    @property
    def sampled(self) -> float:
        return 0.5**self.sparse


def lineage_of(examples: Iterable[Example]) -> Lineage:
    """What is remembered of training data."""
    grams, texts, sparse = np.empty(0, np.uint64), np.empty(0, np.uint64), 0
    pending: list[NDArray[np.uint64]] = []
    asked: list[int] = []
    waiting = 0
    for example in examples:
        words = [units(message.content) for message in messages_of(example)]
        asked += [text_hash(found) for found in (units(example.question), *words)]
        pending += [gram_hashes(found) for found in words]
        waiting += sum(len(found) for found in pending[-len(words) :])
        if waiting + len(asked) > MAX_KEPT:
            grams, sparse = _merged(grams, pending, sparse)
            texts, pending, asked, waiting = _with(texts, asked), [], [], 0
    grams, sparse = _merged(grams, pending, sparse)
    return Lineage(grams, _with(texts, asked)[:MAX_KEPT], sparse)


def _merged(
    grams: NDArray[np.uint64], pending: list[NDArray[np.uint64]], sparse: int
) -> tuple[NDArray[np.uint64], int]:
    found = np.unique(np.concatenate([grams, *pending]))
    found = found[_is_kept(found, sparse)]
    while len(found) > MAX_KEPT:
        sparse += 1
        found = found[_is_kept(found, sparse)]
    return found, sparse


def _is_kept(grams: NDArray[np.uint64], sparse: int) -> NDArray[np.bool_]:
    return np.asarray((grams & np.uint64(2**sparse - 1)) == 0)


def _with(texts: NDArray[np.uint64], more: list[int]) -> NDArray[np.uint64]:
    return np.unique(np.concatenate([texts, np.array(more, np.uint64)]))


def write_lineage(lineage: Lineage, path: Path) -> None:
    """Write it to a file: some megabytes, at most 80."""
    with path.open("wb") as file:
        np.savez_compressed(file, version=VERSION, grams=lineage.grams, texts=lineage.texts, sparse=lineage.sparse)


def read_lineage(path: Path) -> Lineage:
    """Read what :func:`write_lineage` wrote.

    Raises:
        DocumentError: it is missing, or is something else.
    """
    try:
        with open_regular(path) as file:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise DocumentError(f"{str(path)!r} is larger than {MAX_FILE_BYTES >> 20} MiB and is not read")
            with np.load(file, allow_pickle=False) as held:
                if any(info.file_size > MAX_FILE_BYTES for info in held.zip.infolist()):
                    raise DocumentError(f"{str(path)!r} is larger than it may be")
                grams, texts = (np.asarray(held[name], np.uint64) for name in ("grams", "texts"))
                version, sparse = int(held["version"]), int(held["sparse"])
    except OSError as exc:
        raise DocumentError(f"cannot read {str(path)!r}: {exc.strerror or exc}") from exc
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as exc:
        raise DocumentError(f"{str(path)!r} does not say what a model has learnt from: {exc}") from exc
    if version != VERSION or grams.ndim != 1 or texts.ndim != 1 or not 0 <= sparse < 64:
        raise DocumentError(f"{str(path)!r} is of another version; tune the model again to have it")
    return Lineage(np.unique(grams), np.unique(texts), sparse)


def contamination_of(lineage: Lineage, texts: Iterable[EvaluationText]) -> Contamination:
    """Which questions a model has learnt, by what is remembered of its data.

    Raises:
        DocumentError: there are more questions than are compared at once.
    """
    asked: list[EvaluationText] = []
    for text in texts:
        if len(asked) >= MAX_TEXTS:
            raise DocumentError(f"the evaluation sets have more than {MAX_TEXTS:,} questions; choose fewer of them")
        asked.append(text)
    known = [_known_grams(lineage, text) for text in asked]
    sharing = Counter(gram for grams in known for gram in grams)
    found: dict[int, Kind] = {}
    for number, (text, grams) in enumerate(zip(asked, known, strict=True)):
        if _is_in(np.array(sorted(exact_keys(text)), np.uint64), lineage.texts).any():
            found[number] = "exact"
        elif any(sharing[gram] <= MAX_SHARING for gram in grams):
            found[number] = "overlap"
    return Contamination(tuple(_of_set(name, asked, found) for name in dict.fromkeys(t.set for t in asked)),
                         None, lineage.sampled)  # fmt: skip


def _known_grams(lineage: Lineage, text: EvaluationText) -> set[int]:
    grams = np.unique(grams_of(text))
    return set(grams[_is_in(grams, lineage.grams)].tolist())


def _is_in(some: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of a few numbers are among many, which are sorted."""
    where = np.searchsorted(known, some)
    return np.asarray([at < len(known) and known[at] == one for at, one in zip(where, some, strict=True)], np.bool_)


def _of_set(name: str, asked: list[EvaluationText], found: dict[int, Kind]) -> SetContamination:
    numbers = [number for number, text in enumerate(asked) if text.set == name]
    kinds = Counter(found[number] for number in numbers if number in found)
    shown = [number for number in numbers if number in found][:MAX_EXAMPLES]
    examples = (Match(name, asked[n].id, found[n], cut_line(asked[n].text, MAX_SHOWN)) for n in shown)
    return SetContamination(name, len(numbers), kinds["exact"], kinds["overlap"], tuple(examples))
