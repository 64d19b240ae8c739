"""What a pickle would import if it were loaded, read from its instructions without running any.

The format is described in CPython's ``Lib/pickletools.py``; torch's files are such a pickle, alone or as ``data.pkl``
in a zip archive.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

WEIGHT_FILES = ("*.bin", "*.pt", "*.pth")
MAX_FILES = 100
# Of the instructions; the numbers themselves lie elsewhere.
MAX_PICKLE_BYTES = 16 * 1024 * 1024
MAX_INSTRUCTIONS = 200_000
MAX_NAMES = 20
# An old file begins with a magic number, a version and a description, each a pickle of its own.
_PICKLES_IN_A_FILE = 5
_OF_WEIGHTS = re.compile(
    r"collections\.OrderedDict|_codecs\.encode|torch\._utils\._rebuild_\w+|torch\.(?:storage\.)?\w*Storage|torch\.Size"
    r"|torch\.(?:b?float|complex|q?u?int|bool)\w*|torch\.(?:nn\.parameter\.Parameter|Tensor|device|dtype)"
    r"|numpy\.(?:ndarray|dtype|dtypes\.\w+)|numpy\.(?:_core|core)\.multiarray\.(?:scalar|_reconstruct)"
)


def hostile_file(folder: Path) -> tuple[str, list[str]] | None:
    """The first file of weights in ``folder`` that imports what no weights need, and those imports; else None."""
    paths = sorted(path for pattern in WEIGHT_FILES for path in folder.glob(pattern))
    for path in paths[:MAX_FILES]:
        if names := imports_beyond_weights(path):
            return path.name, names
    return None


def imports_beyond_weights(path: Path) -> list[str]:
    """Names like ``posix.system`` that loading the file would import although no weights need them; a few at most."""
    names: dict[str, None] = {}
    try:
        with path.open("rb") as file:
            for pickle in _pickles(file):
                for name in _imports(pickle):
                    if _OF_WEIGHTS.fullmatch(name) is None:
                        names[name] = None
                    if len(names) >= MAX_NAMES:
                        return list(names)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        # Damaged, or packed in a way that torch does not write: nothing more can be told.
        pass
    return list(names)


def _pickles(file: IO[bytes]) -> Iterator[IO[bytes]]:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        yield io.BytesIO(file.read(MAX_PICKLE_BYTES))
        return
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist()[:1000]:
            if entry.filename.endswith(".pkl"):
                with archive.open(entry) as content:
                    yield io.BytesIO(content.read(MAX_PICKLE_BYTES))


def _imports(data: IO[bytes]) -> Iterator[str]:
    for _ in range(_PICKLES_IN_A_FILE):
        try:
            yield from _imports_of_one(pickletools.genops(data))
        except (ValueError, IndexError, UnicodeDecodeError):
            return


def _imports_of_one(instructions: Iterable[tuple[pickletools.OpcodeInfo, object, int | None]]) -> Iterator[str]:
    """Follow texts and their numbers in the memo as far as it takes to know what STACK_GLOBAL names."""
    texts: list[str] = []
    memo: dict[int, str] = {}
    memoized = 0
    for number, (opcode, argument, _) in enumerate(instructions):
        if number > MAX_INSTRUCTIONS:
            return
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL" and len(texts) >= 2:
            yield f"{texts[-2]}.{texts[-1]}"
        elif opcode.name == "MEMOIZE":
            memo[memoized] = texts[-1] if texts else ""
            memoized += 1
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT") and isinstance(argument, int):
            memo[argument] = texts[-1] if texts else ""
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and isinstance(argument, int):
            texts = [*texts[-1:], memo.get(argument, "")]
        elif isinstance(argument, str):
            texts = [*texts[-1:], argument]
