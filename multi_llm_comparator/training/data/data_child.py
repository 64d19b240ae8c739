"""The process that reads data and tokenizers for the pages: strangers' files, and libraries that the app must not load.

Started by :mod:`training.data.data_process` with ``python -m``. Requests come as lines of JSON on standard input; for
each, lines go back: ``progress``, then one ``result`` or ``error``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.services.lines_to_app import TELL_EVERY_S, answer, requests, tell
from multi_llm_comparator.training.data.chats import Example, PreferencePair, to_dict
from multi_llm_comparator.training.data.dataset import Dataset, Refused, excerpt, open_dataset
from multi_llm_comparator.training.data.prepare import prepare
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.tokens import ModelTokens

SHOWN_ROWS = 20
MAX_SHOWN_CHARS = 4_000
MAX_PIECES = 4_000
# Behind the models that answer.
NICENESS = 5


class _Child:
    """Answers requests; what was opened last is kept."""

    def __init__(self) -> None:
        self._told_at = -TELL_EVERY_S
        self._tokens: ModelTokens | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        spec = DataSpec.model_validate(request["spec"])
        match request["op"]:
            case "inspect":
                return inspected(open_dataset(spec))
            case "clean":
                tokens = self._model_tokens(request) if request["model_path"] else None
                report = prepare(spec, Path(request["folder"]), tokens=tokens, progress=self._tell_progress)
                return report.to_dict()
            case "preview":
                return self._preview(spec, request)
            case op:
                raise DocumentError(f"there is no operation {op!r}")

    def _preview(self, spec: DataSpec, request: dict[str, Any]) -> dict[str, Any]:
        dataset = open_dataset(spec)
        example = next(islice(usable(dataset), request["index"], None), None)
        if example is None:
            raise DocumentError(f"{dataset.name} has no example number {request['index'] + 1} that can be learnt from")
        tokens = self._model_tokens(request)
        chats = example.sides if isinstance(example, PreferencePair) else (example,)
        rows = [row for chat in chats for row in tokens.preview(chat)]
        problems = [problem for chat in chats for problem in tokens.measure(chat).problems]
        return {
            "where": example.where,
            "rows": [[[piece.text, piece.learnt] for piece in row[:MAX_PIECES]] for row in rows],
            "tokens": [len(row) for row in rows],
            "problems": problems,
        }

    def _model_tokens(self, request: dict[str, Any]) -> ModelTokens:
        path, most = request["model_path"], request["max_tokens"]
        if self._tokens is None or (self._tokens.model_path, self._tokens.max_tokens) != (path, most):
            self._tokens = ModelTokens(path, most)
        return self._tokens

    def _tell_progress(self, phase: str, rows: int, total: int | None) -> None:
        if now() - self._told_at >= TELL_EVERY_S:
            self._told_at = now()
            tell("progress", phase=phase, rows=rows, total=total)


def usable(dataset: Dataset) -> Iterator[Example]:
    """The examples of a data set without what cannot be used."""
    return (found for found in dataset if not isinstance(found, Refused))


def inspected(dataset: Dataset) -> dict[str, Any]:
    """What a page shows of a data set at first sight. Raises DocumentError: no row can be read, and why not."""
    detection = dataset.detection
    if not detection.looked_at:
        first = next(iter(dataset), None)
        if isinstance(first, Refused):
            raise DocumentError(f"no row can be read: {first.why} ({first.where}); correct it, or choose other data")
        raise DocumentError(f"{dataset.name} has no rows; choose other data")
    shown: list[dict[str, Any]] = []
    if not detection.needs_mapping:
        for found in islice(dataset, SHOWN_ROWS):
            if isinstance(found, Refused):
                shown.append({"where": found.where, "why": found.why})
            else:
                shown.append(_bounded(to_dict(found)))
    return {
        "detection": {**asdict(detection), "reason": detection.reason, "needs_mapping": detection.needs_mapping},
        "notes": list(dataset.notes),
        "files": len(dataset.files.files),
        "size_bytes": dataset.files.size_bytes,
        "about_rows": dataset.about_rows,
        "sample": [_row(row) for row in dataset.sample[:SHOWN_ROWS]],
        "examples": shown,
    }


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    return {str(name)[:200]: excerpt(value) for name, value in row.items()}


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_SHOWN_CHARS else f"{value[:MAX_SHOWN_CHARS]}…"
    if isinstance(value, list):
        return [_bounded(one) for one in value[:100]]
    return {name: _bounded(one) for name, one in value.items()} if isinstance(value, dict) else value


def main() -> None:
    child = _Child()
    for request in requests(NICENESS):
        answer(partial(child.answer, request), DocumentError, _explained)


def _explained(exc: Exception) -> str:
    return f"the data could not be read: {type(exc).__name__}: {str(exc)[:300]}; the log has the details"


if __name__ == "__main__":
    main()
