"""What cleaning found, counted by rule, with examples: what a person decides by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from multi_llm_comparator.training.data.contamination import Contamination
from multi_llm_comparator.training.data.detection import Detection
from multi_llm_comparator.training.data.example_file import ExampleFile
from multi_llm_comparator.training.data.spec import Rule
from multi_llm_comparator.training.data.statistics import DataStatistics

MAX_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Found:
    """One row that a rule found: ``why`` is what it found, ``excerpt`` how the row begins or where it was found."""

    number: int
    where: str
    why: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many rows a rule found, and how many of them are left out because of it.

    ``is_on`` False: they are only counted. A row counts for the first rule that leaves it out.
    """

    found: int = 0
    left_out: int = 0
    is_on: bool = True
    examples: tuple[Found, ...] = ()

    def plus(self, found: Found, *, is_left_out: bool) -> RuleCount:
        examples = self.examples if len(self.examples) >= MAX_EXAMPLES else (*self.examples, found)
        return replace(self, found=self.found + 1, left_out=self.left_out + is_left_out, examples=examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """What became of a data set.

    ``read`` rows were read, ``kept`` examples are left, of which ``validation`` are kept aside and ``train`` are learnt
    from. ``shortened`` chats lost answers that are too long and kept others. ``statistics`` is of ``train``, None where
    no model said how its tokenizer counts. ``is_complete`` False: it was stopped.
    ``lineage`` says what was read and what it came to: ``files``, and ``kept_sha256``, equal for equal kept examples.
    """

    detection: Detection
    notes: tuple[str, ...]
    read: int
    counts: Mapping[Rule, RuleCount]
    shortened: int
    kept: ExampleFile
    train: ExampleFile
    validation: ExampleFile
    statistics: DataStatistics | None = None
    contamination: Contamination | None = None
    is_complete: bool = True
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        return sum(count.left_out for count in self.counts.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON data: what the page shows and the job's folder keeps."""
        return {
            "format": self.detection.format,
            "reason": self.detection.reason,
            "notes": list(self.notes),
            "read": self.read,
            "kept": len(self.kept),
            "train": len(self.train),
            "validation": len(self.validation),
            "left_out": self.left_out,
            "shortened": self.shortened,
            "is_complete": self.is_complete,
            "rules": {rule: asdict(count) for rule, count in self.counts.items()},
            "statistics": self.statistics.to_dict() if self.statistics else None,
            "contamination": self.contamination.to_dict() if self.contamination else None,
        }
