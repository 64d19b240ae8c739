"""A stored run as a file."""

from __future__ import annotations

import sys
from pathlib import Path

from multi_llm_comparator.cli.display import messages, output
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.wiring import Services

LANGUAGES: tuple[Language, ...] = ("en", "zh")
STANDARD_OUTPUT = "-"
# The ending of its files is how a format is known best.
_SHORT = {"md": "markdown"}


async def export(work: Services, run_id: str, format: str, language: str, to: str | None) -> bool:
    """Write the run to ``to``: a file or a folder, ``-`` for standard output, None for a file here, named after it."""
    known = [one for one in LANGUAGES if one == language]
    if not known:
        raise ConfigurationError(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    file = await RunFiles(work.runs).export(run_id, _SHORT.get(format, format), known[0])
    if to == STANDARD_OUTPUT and sys.stdout.isatty():
        output.print(file.data.decode())
        return True
    if to == STANDARD_OUTPUT:
        # Byte for byte: on no terminal can the text of others do harm.
        sys.stdout.buffer.write(file.data)
        return True
    path = Path(to or ".").expanduser()
    path = path / file.name if path.is_dir() else path
    write_atomically(path, file.data)
    messages.print(f"written: {path}")
    return True
