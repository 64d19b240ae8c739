"""The matrix: prompts down, models across, narrowed to the rows that are worth looking at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.results import item_values
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.tracking.rows import fold

# "disagree": scores differ, or the texts where nothing is scored. "one_wrong", "one_right": all others are the other.
# "all_right", "all_wrong": of the subjects that are looked at.
Show = Literal["all", "disagree", "one_wrong", "one_right", "all_right", "all_wrong", "failed", "open"]
SHOWS: tuple[Show, ...] = ("all", "disagree", "one_wrong", "one_right", "all_right", "all_wrong", "failed", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which rows are shown. Empty and None do not count; scores are the mean over all subjects, or are those of
    ``subject``, where one is looked at alone."""

    show: Show = "all"
    subject: str = ""
    tag: str = ""
    source: str = ""
    text: str = ""
    lowest: float = 0.0
    highest: float = 1.0


def rows_of(snapshot: EvaluationSnapshot, wanted: Narrowing) -> list[int]:
    """The numbers of the items that are shown, in their order."""
    values, sought = item_values(snapshot), fold(wanted.text).strip()
    subjects = [one.id for one in snapshot.spec.subjects if wanted.subject in ("", one.id)]
    return [
        number
        for number, item in enumerate(snapshot.items)
        if (not wanted.source or item.source == wanted.source)
        and (not wanted.tag or wanted.tag in item.tags)
        and (not sought or sought in fold(f"{item.title}\n{item.task}\n{item.id}"))
        and _is_shown(snapshot, values, number, wanted.show, subjects)
        and _is_between(values, number, wanted.lowest, wanted.highest, subjects)
    ]


def _is_shown(
    snapshot: EvaluationSnapshot,
    values: Mapping[tuple[str, int], float],
    number: int,
    show: Show,
    subjects: Sequence[str],
) -> bool:
    known = [values[s, number] for s in subjects if (s, number) in values]
    wrong = sum(value < 0.5 for value in known)
    match show:
        case "all":
            return True
        case "disagree":
            return len(set(known)) > 1 if known else _texts_differ(snapshot, number, subjects)
        case "one_wrong":
            return len(known) > 1 and wrong == 1
        case "one_right":
            return len(known) > 1 and wrong == len(known) - 1
        case "all_right":
            return bool(known) and wrong == 0
        case "all_wrong":
            return bool(known) and wrong == len(known)
        case "failed":
            return any(cell.state == "failed" for cell in _cells(snapshot, number, subjects))
        case "open":
            return len(known) < len(subjects)


def _is_between(
    values: Mapping[tuple[str, int], float], number: int, lowest: float, highest: float, subjects: Sequence[str]
) -> bool:
    if lowest <= 0 and highest >= 1:
        return True
    known = [values[s, number] for s in subjects if (s, number) in values]
    return bool(known) and lowest <= sum(known) / len(known) <= highest


def _texts_differ(snapshot: EvaluationSnapshot, number: int, subjects: Sequence[str]) -> bool:
    cells = _cells(snapshot, number, subjects)
    return len({" ".join(fold(cell.text).split()) for cell in cells if cell.state == "done"}) > 1


def _cells(snapshot: EvaluationSnapshot, number: int, subjects: Sequence[str]) -> list[Cell]:
    keys = (CellKey(number, subject, repeat) for subject in subjects for repeat in range(snapshot.spec.repeats))
    return [snapshot.cells[key] for key in keys if key in snapshot.cells]
