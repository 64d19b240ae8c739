"""A stored run as a file."""

from __future__ import annotations

import sys
from pathlib import Path

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.wiring import Services

LANGUAGES: tuple[Language, ...] = ("en", "zh")
STANDARD_OUTPUT = "-"
# The ending of its files is how a format is known best.
SHORT = {"md": "markdown"}


def language_of(name: str) -> Language:
    """Raises ConfigurationError: there are no words in it."""
    known = [one for one in LANGUAGES if one == name]
    if not known:
        raise ConfigurationError(f"no language {name!r}; there are {', '.join(LANGUAGES)}")
    return known[0]


async def export(work: Services, run_id: str, format: str, language: str, to: str | None, as_json: bool) -> None:
    """Write the run to ``to``: a file or a folder, ``-`` for standard output, None for a file here, named after it."""
    if as_json and to == STANDARD_OUTPUT:
        raise ConfigurationError("--json and --output - both want standard output; give one of them")
    file = await RunFiles(work.runs).export(run_id, SHORT.get(format, format), language_of(language))
    if to == STANDARD_OUTPUT and sys.stdout.isatty():
        try:
            text = file.data.decode()
        except UnicodeDecodeError as exc:
            raise ConfigurationError(
                f"{format!r} is no text and is not written to a terminal: give --output FILE, or a pipe"
            ) from exc
        output.print(text)
        return
    if to == STANDARD_OUTPUT:
        # Byte for byte: on no terminal can the text of others do harm.
        sys.stdout.buffer.write(file.data)
        sys.stdout.buffer.flush()
        return
    path = Path(to or ".").expanduser()
    path = path / file.name if path.is_dir() else path
    write_atomically(path, file.data)
    messages.print(f"written: {path}")
    if as_json:
        about = {"run_id": run_id, "written": str(path), "size_bytes": len(file.data), "media_type": file.media_type}
        print_json(about)
