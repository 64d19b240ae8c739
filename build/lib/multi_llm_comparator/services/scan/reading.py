"""Opening what may be hostile: regular files only, so many bytes and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from multi_llm_comparator.core import reading
from multi_llm_comparator.core.exceptions import ModelLoadError

MAX_JSON_BYTES = 16 * 2**20
# Lists and objects; 65,536 tensors take three each. Millions of them would take seconds and gigabytes.
MAX_JSON_CONTAINERS = 400_000
# Values, by the commas between them; 65,536 tensors take five or six each. What is refused would take over a second.
MAX_JSON_COMMAS = 450_000
# Of all files of one model. The largest mixtures of experts have some 140,000 tensors.
MAX_MODEL_TENSORS = 150_000
MAX_MODEL_HEADER_BYTES = 64 * 2**20


class HeaderRoom:
    """How much the headers of one model's files may still hold together; a thousand files may be links to one."""

    def __init__(self) -> None:
        self._tensors, self._bytes = MAX_MODEL_TENSORS, MAX_MODEL_HEADER_BYTES

    def take(self, *, tensors: int = 0, size_bytes: int = 0) -> None:
        """Count what a header holds.

        Raises:
            ModelLoadError: it is too much.
        """
        self._tensors -= tensors
        self._bytes -= size_bytes
        if self._tensors < 0:
            raise ModelLoadError(f"its files declare more than {MAX_MODEL_TENSORS} tensors together, which is refused")
        if self._bytes < 0:
            raise ModelLoadError(
                f"the headers of its files are larger than {MAX_MODEL_HEADER_BYTES >> 20} MiB together, "
                "which is refused"
            )


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading; a FIFO or a device is refused without waiting for it.

    Raises:
        ModelLoadError: not a regular file, or any error of the file system here or inside the ``with``.
    """
    try:
        with reading.open_regular(path) as file:
            yield file
    except OSError as exc:
        raise ModelLoadError(f"{path.name!r} cannot be read: {exc.strerror}; check it and its permissions") from exc


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of at most 16 MiB.

    Raises:
        ModelLoadError: unreadable, too large, or not a JSON object.
    """
    with open_regular(path) as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise ModelLoadError(f"{path.name!r} is larger than {MAX_JSON_BYTES >> 20} MiB; such files hold a few KiB")
    return parse_json(data, path.name)


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ModelLoadError: not UTF-8 JSON, nested or long beyond reason, or no object; ``what`` names it in the message.
    """
    if data.count(b"[") + data.count(b"{") > MAX_JSON_CONTAINERS:
        raise ModelLoadError(
            f"{what!r} holds more than {MAX_JSON_CONTAINERS} lists and objects; such files are refused"
        )
    if data.count(b",") > MAX_JSON_COMMAS:
        raise ModelLoadError(f"{what!r} holds more than {MAX_JSON_COMMAS} values; such files are refused")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ModelLoadError(f"{what!r} is not valid JSON ({exc}); fetch it again") from exc
    if not isinstance(value, dict):
        raise ModelLoadError(f"{what!r} must hold a JSON object, not {type(value).__name__}; fetch it again")
    return value
