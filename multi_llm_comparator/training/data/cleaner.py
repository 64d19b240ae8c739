"""Cleaning a data set: what cannot or should not be learnt is left out, counted and shown.

Two passes. The first reads rows, applies the rules that look at one row, and puts what stays into a file; the second
leaves out near duplicates, what is too long for the model and what is contaminated. A million rows need about half a
gigabyte of memory and as much disk as they have, besides 512 bytes a row.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.training.data.chats import Chat, Example, PreferencePair, messages_of
from multi_llm_comparator.training.data.contamination import EvaluationIndex
from multi_llm_comparator.training.data.dataset import Dataset, Refused, excerpt
from multi_llm_comparator.training.data.example_file import ExampleFile, write_line
from multi_llm_comparator.training.data.grams import text_hash
from multi_llm_comparator.training.data.near_duplicates import Alike, NearDuplicates
from multi_llm_comparator.training.data.report import CleanReport, Found, RuleCount
from multi_llm_comparator.training.data.rules import filled, troubles
from multi_llm_comparator.training.data.spec import Cleaning, Rule
from multi_llm_comparator.training.data.split import validation_lines
from multi_llm_comparator.training.data.statistics import Counting, DataStatistics
from multi_llm_comparator.training.data.tokens import TokenReader
from multi_llm_comparator.training.data.units import plain, units

RULES: tuple[Rule, ...] = (
    "invalid",
    "beyond_text",
    "empty",
    "encoding",
    "leftovers",
    "refusal",
    "exact_duplicate",
    "near_duplicate",
    "in_validation",
    "too_long",
    "contaminated",
)
REPORT_FILE = "cleaning.json"
# How often, in rows, progress is told.
TELL_EVERY = 200

Progress = Callable[[str, int, int | None], None]


def clean(
    dataset: Dataset,
    folder: Path,
    *,
    tokens: TokenReader | None = None,
    validation: Dataset | None = None,
    evaluation: EvaluationIndex | None = None,
    progress: Progress = lambda phase, rows, total: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> CleanReport:
    """Clean a data set by its own specification, and split it.

    Args:
        dataset: the data set.
        folder: made if absent; gets ``kept.jsonl`` and ``cleaning.json``, and what is needed meanwhile.
        tokens: how the model reads chats; None leaves lengths unknown.
        validation: what to measure with, where it is a data set of its own.
        evaluation: questions that the data must not have in it.
        progress: told the phase (``reading``, ``comparing``, ``tokenising``) and how many rows of it are done,
            and of how many, where that is known; of what is read it is an estimate.
        is_stopped: asked now and then; once it says so, the report counts what was found until then and is not
            complete: learn nothing from it.

    Raises:
        DocumentError: a file cannot be read, or nothing is left to learn from.
    """
    if dataset.detection.needs_mapping:
        columns = ", ".join(map(repr, dataset.detection.columns[:20]))
        raise DocumentError(f"{dataset.name}: {dataset.detection.reason}; say which columns are what: {columns}")
    folder.mkdir(parents=True, exist_ok=True)
    work = _Cleaning(dataset.spec.cleaning, folder, tokens, evaluation, progress, is_stopped)
    try:
        if validation is not None:
            work.read(validation, is_validation=True)
        work.read(dataset)
        kept = work.finish()
    finally:
        work.close()
    lines = work.validation_lines(kept) if validation is not None else validation_lines(kept.groups, dataset.spec.split)
    report = CleanReport(
        detection=dataset.detection,
        notes=dataset.notes,
        read=work.rows_read,
        counts=work.counts,
        shortened=work.shortened,
        kept=kept.file,
        train=kept.file.without(lines),
        validation=kept.file.only(lines),
        statistics=kept.statistics(lines) if tokens else None,
        contamination=evaluation.result() if evaluation else None,
        is_complete=work.is_complete,
        lineage={"files": len(dataset.files.files), "kept_sha256": kept.digest.hexdigest()},
    )
    write_atomically(folder / REPORT_FILE, json_text(report.to_dict()) + "\n")
    if not len(report.train) and report.is_complete:
        raise DocumentError(f"{dataset.name} has nothing to learn from: {_said(report)}")
    return report


def _said(report: CleanReport) -> str:
    said = [
        f"{count.left_out:,} left out: {count.examples[0].why} ({count.examples[0].where})"
        for count in report.counts.values()
        if count.left_out
    ]
    return "; ".join(said) or "it is empty"


@dataclass
class _Kept:
    """What is left: its file, for each line of it the group and side, and the rows of tokens with their lines."""

    file: ExampleFile
    groups: array[int]
    is_validation: bytearray
    lines: array[int]
    tokens: array[int]
    learnt: array[int]
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def statistics(self, validation: frozenset[int]) -> DataStatistics:
        """Of what is not kept aside."""
        counting = Counting()
        for line, tokens, learnt in zip(self.lines, self.tokens, self.learnt, strict=True):
            if line not in validation:
                counting.add(tokens, learnt)
        return counting.statistics()


class _Cleaning:
    def __init__(
        self,
        cleaning: Cleaning,
        folder: Path,
        tokens: TokenReader | None,
        evaluation: EvaluationIndex | None,
        progress: Progress,
        is_stopped: Callable[[], bool],
    ) -> None:
        self._cleaning, self._folder, self._tokens, self._evaluation = cleaning, folder, tokens, evaluation
        self._progress, self._is_stopped = progress, is_stopped
        self.counts: dict[Rule, RuleCount] = {rule: RuleCount(is_on=self._is_on(rule)) for rule in RULES}
        self.rows_read = self.shortened = 0
        self.is_complete = True
        self._spilled_path = folder / "spilled.jsonl"
        self._spilled = self._spilled_path.open("w", encoding="utf-8")
        self._near = NearDuplicates(folder / "signatures.bin", cleaning.near_threshold)
        # By the hash of all that an example says, whether it is one to validate with.
        self._seen: dict[int, bool] = {}
        self._questions, self._groups = array("Q"), array("Q")
        self._is_validation = bytearray()

    def close(self) -> None:
        self._spilled.close()
        self._spilled_path.unlink(missing_ok=True)
        self._near.close()

    def _is_on(self, rule: Rule) -> bool:
        cleaning = self._cleaning
        switches: dict[Rule, bool] = {
            "encoding": cleaning.encoding,
            "leftovers": cleaning.leftovers,
            "refusal": cleaning.refusals,
            "exact_duplicate": cleaning.exact_duplicates,
            "near_duplicate": cleaning.near_duplicates,
            "contaminated": cleaning.contaminated,
        }
        return switches.get(rule, True)

    # --- first pass: each row by itself -----------------------------------------------------------------------------

    def read(self, dataset: Dataset, *, is_validation: bool = False) -> None:
        for count, found in enumerate(dataset):
            if count % TELL_EVERY == 0:
                self._progress("reading", count, dataset.about_rows)
                if self._stops():
                    return
            self.rows_read = self.rows_read if is_validation else found.number
            if isinstance(found, Refused):
                where = Found(found.number, found.where, found.why, found.excerpt)
                self._count(found.rule, where, is_left_out=True)
            else:
                self._take(self._filled(found), is_validation)

    def _take(self, example: Example, is_validation: bool) -> None:
        for rule, why in troubles(example):
            if self._note(rule, example, why):
                return
        said = text_hash(units("\0".join(f"{m.role} {m.content}" for m in messages_of(example))))
        if said in self._seen:
            leaks = self._seen[said] and not is_validation
            if self._note("in_validation" if leaks else "exact_duplicate", example, "the same was there before"):
                return
        self._seen.setdefault(said, is_validation)
        self._spilled.write(write_line(example))
        self._near.add("\n".join(message.content for message in messages_of(example) if message.role != "system"))
        self._questions.append(text_hash([plain(example.question)]))
        own = f"row {len(self._groups)}"
        self._groups.append(text_hash(["group", example.group] if example.group else [own]))
        self._is_validation.append(is_validation)

    def _filled(self, example: Example) -> Example:
        values = self._cleaning.placeholders
        if not values:
            return example
        if isinstance(example, Chat):
            return replace(
                example, messages=tuple(replace(m, content=filled(m.content, values)) for m in example.messages)
            )
        prompt = tuple(replace(m, content=filled(m.content, values)) for m in example.prompt)
        chosen, rejected = (filled(answer, values) for answer in example.answers)
        return replace(example, prompt=prompt, chosen=chosen, rejected=rejected)

    # --- second pass: what is among the others, and what the model says -----------------------------------------------

    def finish(self) -> _Kept:
        """Write what stays."""
        self._spilled.flush()
        self._progress("comparing", 0, len(self._groups))
        same = [np.array(numbers, np.uint64) for numbers in (self._questions, self._groups)]
        alike = self._near.alike(same, self._stops)
        path = self._folder / "kept.jsonl"
        kept = _Kept(ExampleFile(path, 0), array("l"), bytearray(), array("L"), array("L"), array("L"))
        with path.open("w", encoding="utf-8") as file:
            for number, example in self._spilled_examples():
                if (shown := self._checked(number, example, alike)) is None:
                    continue
                stays, rows = shown
                line = len(kept.groups)
                for tokens, learnt in rows:
                    kept.lines.append(line)
                    kept.tokens.append(tokens)
                    kept.learnt.append(learnt)
                kept.groups.append(int(alike.groups[number]))
                kept.is_validation.append(self._is_validation[number])
                file.write(write_line(stays))
                # Wherever the files lie, the same rows have the same hash.
                kept.digest.update(write_line(replace(stays, where="")).encode())
        kept.file = ExampleFile(path, len(kept.groups))
        return kept

    def _spilled_examples(self) -> Iterator[tuple[int, Example]]:
        for number, example in enumerate(ExampleFile(self._spilled_path, len(self._groups))):
            if number % TELL_EVERY == 0:
                self._progress("tokenising" if self._tokens else "writing", number, len(self._groups))
                if self._stops():
                    return
            yield number, example

    def _checked(self, number: int, example: Example, alike: Alike) -> tuple[Example, list[tuple[int, int]]] | None:
        """What stays of an example, with the lengths of its rows; None if nothing does."""
        before = int(alike.first[number])
        if before >= 0:
            leaks = self._is_validation[before] and not self._is_validation[number]
            if self._note("in_validation" if leaks else "near_duplicate", example, "nearly the same was there before"):
                return None
        if self._evaluation is not None and not self._is_validation[number]:
            matches = self._evaluation.check(example)
            if matches and self._note("contaminated", example, f"{matches[0].set}, {matches[0].id}"):
                return None
        return self._measured(example)

    def _measured(self, example: Example) -> tuple[Example, list[tuple[int, int]]] | None:
        if self._tokens is None:
            return example, []
        sides = example.sides if isinstance(example, PreferencePair) else (example,)
        measured = [self._tokens.measure(side) for side in sides]
        rows = [(tokens, learnt) for one in measured for _, tokens, learnt in one.rows]
        problems = [problem for one in measured for problem in one.problems]
        if not problems:
            return example, rows
        answers = tuple(index for index, _, _ in measured[0].rows)
        is_shortened = isinstance(example, Chat) and bool(answers)
        rule: Rule = "invalid" if any(one.is_refused for one in measured) else "too_long"
        self._count(rule, _found(example, problems[0]), is_left_out=not is_shortened)
        if not isinstance(example, Chat) or not answers:
            return None
        self.shortened += 1
        return replace(example, learnt=answers), rows

    # ----------------------------------------------------------------------------------------------------------------

    def validation_lines(self, kept: _Kept) -> frozenset[int]:
        """The lines that came from a data set of their own."""
        return frozenset(line for line, is_validation in enumerate(kept.is_validation) if is_validation)

    def _note(self, rule: Rule, example: Example, why: str) -> bool:
        """Count what a rule found; whether the example is left out for it."""
        is_left_out = self.counts[rule].is_on
        self._count(rule, _found(example, why), is_left_out=is_left_out)
        return is_left_out

    def _count(self, rule: Rule, found: Found, *, is_left_out: bool) -> None:
        self.counts[rule] = self.counts[rule].plus(found, is_left_out=is_left_out)

    def _stops(self) -> bool:
        if self.is_complete and self._is_stopped():
            self.is_complete = False
        return not self.is_complete


def _found(example: Example, why: str) -> Found:
    texts: Iterable[str] = (example.question, *example.answers)
    return Found(example.number, example.where, why, excerpt(" → ".join(texts)))
