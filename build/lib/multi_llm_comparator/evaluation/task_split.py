"""How steps were shared out between the small and the large model, by difficulty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome, Size, StepOutcome

MAX_RESULTS_BYTES = 512 * 2**20
_RESULTS = TypeAdapter(list[QuestionOutcome])


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Steps of one difficulty (None: of all) by who solved them. ``failed`` counts those without an answer."""

    difficulty: int | None
    small: int
    large: int
    small_tokens: int
    large_tokens: int
    failed: int

    @property
    def steps(self) -> int:
        return self.small + self.large

    @property
    def share_small(self) -> float:
        return self.small / self.steps if self.steps else 0.0


def read_results(path: str | Path) -> list[QuestionOutcome]:
    """Read a ``dataset_results.json``.

    Raises:
        DocumentError: it cannot be read, or is something else.
    """
    path = Path(path)
    try:
        return _RESULTS.validate_json(read_bytes(path, MAX_RESULTS_BYTES))
    except OSError as exc:
        raise DocumentError(f"cannot read {str(path)!r}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise DocumentError(f"{str(path)!r} is not a dataset_results.json: {exc.error_count()} problems") from exc


def split_by_difficulty(outcomes: Sequence[QuestionOutcome], threshold: int | None = None) -> list[SplitRow]:
    """One row for each difficulty that occurs, easiest first, and one for all.

    Args:
        outcomes: a data set's results.
        threshold: count steps as this threshold would have shared them out; None: as they really were.
    """
    steps = [step for outcome in outcomes for step in outcome.steps]
    found = sorted({step.metrics.difficulty for step in steps})
    rows = [_row(d, [s for s in steps if s.metrics.difficulty == d], threshold) for d in found]
    return [*rows, _row(None, steps, threshold)]


def _row(difficulty: int | None, steps: Sequence[StepOutcome], threshold: int | None) -> SplitRow:
    small = [s for s in steps if _size(s, threshold) == "small"]
    large = [s for s in steps if _size(s, threshold) == "large"]
    return SplitRow(
        difficulty=difficulty,
        small=len(small),
        large=len(large),
        small_tokens=sum(s.metrics.tokens for s in small),
        large_tokens=sum(s.metrics.tokens for s in large),
        failed=sum(s.metrics.state != "done" for s in steps),
    )


def _size(step: StepOutcome, threshold: int | None) -> Size:
    if threshold is None:
        return step.size
    return "large" if step.metrics.difficulty >= threshold else "small"
