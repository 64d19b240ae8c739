"""The process of one conversion in the background.

Started by :mod:`conversion.jobs` with ``python -m``. One request comes as a line of JSON on standard input; lines of
JSON go back: ``progress`` a few times a second, then ``result`` or ``error``. SIGTERM ends it, cleanly.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.convert import convert
from multi_llm_comparator.conversion.report import Phase
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConversionError
from multi_llm_comparator.services.lines_to_app import TELL_EVERY_S, answer, requests, tell

# Behind the models that answer: nobody waits for a conversion as one waits for a word.
NICENESS = 10


class _Teller:
    """Passes progress on, now and then."""

    def __init__(self) -> None:
        self._told_at = -TELL_EVERY_S
        self._phase: Phase | None = None

    def __call__(self, phase: Phase, share: float) -> None:
        if phase != self._phase or now() - self._told_at >= TELL_EVERY_S:
            self._phase, self._told_at = phase, now()
            tell("progress", phase=phase, share=share)


def main() -> None:
    # As an exception it passes through everything that cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    request = next(requests(NICENESS))
    source, out = Path(request["source"]), Path(request["out"])
    adapter = Path(request["adapter"]) if request.get("adapter") else None

    def converted() -> dict[str, Any]:
        overwrite = request["overwrite"]
        report = convert(source, out, request["target"], adapter=adapter, overwrite=overwrite, progress=_Teller())
        return {"report": report.to_dict()}

    answer(converted, ConversionError, lambda exc: _explained(exc, source))


def _explained(exc: Exception, source: Path) -> str:
    match exc:
        case OSError():
            return f"{exc.filename or str(source)!r}: {exc.strerror or exc}; check the disk and the folder"
        case MemoryError():
            return f"{source.name!r} needs more memory than there is; unload models and try again"
        case _:
            return f"{source.name!r} could not be converted: {type(exc).__name__}: {str(exc)[:300]}"


if __name__ == "__main__":
    main()
