"""Which encoding a text file has: told by its mark, by being UTF-8, or guessed, which is said."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.reading import open_regular

SAMPLE_BYTES = 2**20
# First bytes in GB2312 of punctuation and of the 3,755 most frequent characters, which most of a Chinese text are;
# Western bytes read as GB18030 give rare ones.
_COMMON = {*range(0xA1, 0xA4), *range(0xB0, 0xD8)}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec's ``name``; ``note`` says how it was found out where that was a guess."""

    name: str
    note: str = ""


def encoding_of(path: Path, wanted: str = "") -> Encoding:
    """The encoding of a file, from its first MiB.

    Args:
        path: the file.
        wanted: what the user says it is; empty to find out.

    Raises:
        DocumentError: ``wanted`` is no encoding of text.
        OSError: the file cannot be read.
    """
    if wanted:
        try:
            codecs.lookup(wanted)
            "".encode(wanted)
        except (LookupError, ValueError) as exc:
            raise DocumentError(f"{wanted!r} is no encoding; use one such as 'utf-8', 'utf-16' or 'gb18030'") from exc
        return Encoding(wanted)
    with open_regular(path) as file:
        return guessed(file.read(SAMPLE_BYTES))


def guessed(sample: bytes) -> Encoding:
    """The encoding of bytes that a file begins with; the last character may be cut."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Encoding(name)
    if sample.count(0) > len(sample) // 4:
        name = "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
        return Encoding(name, f"read as {name.upper()}, guessed: the file has no byte order mark")
    if _decoded(sample, "utf-8") is not None:
        return Encoding("utf-8")
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken < sum(character >= "\x80" for character in text) - broken:
        return Encoding("utf-8", "it is not all UTF-8: what cannot be read became \ufffd, and such rows are counted")
    chinese = _decoded(sample, "gb18030")
    if chinese and _share_of_common(chinese) > 0.6:
        return Encoding("gb18030", "read as GB18030, guessed: it is not UTF-8, and as GB18030 it is Chinese")
    return Encoding("cp1252", "read as Windows-1252, guessed: it is not UTF-8; choose another encoding if wrong")


def _decoded(sample: bytes, name: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)().decode(sample, final=False)
    except UnicodeDecodeError:
        return None


def _share_of_common(text: str) -> float:
    beyond_ascii = [character for character in text if character >= "\x80"]
    common = (character.encode("gb2312", "ignore")[:1] for character in beyond_ascii)
    return sum(bool(byte) and byte[0] in _COMMON for byte in common) / len(beyond_ascii) if beyond_ascii else 0.0
