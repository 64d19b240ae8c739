"""Which format a file has: told by its first bytes, and by its name where those do not say it."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO

from multi_llm_comparator.applications.reading.bounds import MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED_BYTES
from multi_llm_comparator.core.encodings import SAMPLE_BYTES, guessed
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import size

# By the ending of a name.
FORMATS = {
    "txt": "text",
    "text": "text",
    "log": "text",
    "md": "markdown",
    "markdown": "markdown",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "pdf": "pdf",
    "docx": "docx",
    "csv": "csv",
    "tsv": "csv",
    "xlsx": "xlsx",
    "xlsm": "xlsx",
}
# Read by a model that sees.
PICTURES = ("png", "jpg", "jpeg", "webp", "gif")
KNOWN = "text, Markdown, HTML, PDF, DOCX, CSV and XLSX"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PLAIN = ("text", "markdown", "html", "csv")
_HEAD_BYTES = 4096
_BLOCK_BYTES = 2**20


def format_of(name: str, data: bytes) -> str:
    """The format of a file.

    Raises:
        DocumentError: it is none that can be read, or its content is not what its name says.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    by_name = FORMATS.get(ending, "")
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _office_format(name, data)
    if data.startswith(_OLE):
        raise DocumentError(
            f"{name!r} is an old Office file, or an Office file with a password: save it as .docx or .xlsx "
            "without a password"
        )
    if by_name in ("pdf", "docx", "xlsx"):
        raise DocumentError(f"{name!r} is no {by_name.upper()} file, whatever its name says: its content is not that")
    if by_name:
        return by_name
    if ending in ("doc", "xls", "ppt", "pptx", "odt", "ods", "rtf", "epub", "zip"):
        raise DocumentError(f"files like {name!r} are not read; give {KNOWN}")
    return "html" if data[:_HEAD_BYTES].lstrip().lower().startswith((b"<!doctype html", b"<html")) else "text"


def decoded(name: str, data: bytes) -> tuple[str, str]:
    """The text of a file, and a note where its encoding was guessed.

    Raises:
        DocumentError: it is no text.
    """
    encoding = guessed(data[:SAMPLE_BYTES])
    text = data.decode(encoding.name, "replace").removeprefix("\ufeff")
    controls = sum(character < " " and character not in "\n\r\t\f\v" for character in text[:100_000])
    if controls > len(text[:100_000]) * 0.05:
        raise DocumentError(f"{name!r} is no text, but some other kind of file; give {KNOWN}")
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding.note


def checked_archive(name: str, data: bytes) -> zipfile.ZipFile:
    """The archive that an Office file is.

    Raises:
        DocumentError: it is damaged, becomes too large, or has what such files have no use for.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise DocumentError(f"{name!r} is damaged: it cannot be unpacked ({exc})") from exc
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise DocumentError(
            f"{name!r} would unpack to {size(unpacked)} in {len(members):,} parts; at most "
            f"{size(MAX_UNPACKED_BYTES)} in {MAX_MEMBERS:,} are read: split it"
        )
    for member in members:
        if member.flag_bits & 1:
            raise DocumentError(f"{name!r} is protected by a password; save it without one")
        if member.file_size > 2**20 and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise DocumentError(
                f"{name!r} is packed {MAX_RATIO} times and more, as no honest document is; it is not unpacked"
            )
    _refuse_entities(name, archive, members)
    return archive


def _refuse_entities(name: str, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Office writes no document type into its parts; entities declared there could grow without end."""
    for member in members:
        # Pictures may have one, and nobody reads them as parts.
        if "/media/" in member.filename:
            continue
        try:
            with archive.open(member) as part:
                declares = _declares_entities(part)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as exc:
            raise DocumentError(f"{name!r} is damaged: {member.filename!r} cannot be unpacked") from exc
        if declares:
            raise DocumentError(f"{name!r} declares entities in {member.filename!r}, which is refused")


def _declares_entities(part: IO[bytes]) -> bool:
    """Whether a part has a document type anywhere: before it, any number of comments may stand."""
    before = b""
    while block := part.read(_BLOCK_BYTES):
        # As UTF-16 writes it, too.
        plain = before + block.replace(b"\x00", b"")
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            return True
        before = plain[-16:]
    return False


def _office_format(name: str, data: bytes) -> str:
    names = set(checked_archive(name, data).namelist())
    if "word/document.xml" in names:
        return "docx"
    if "xl/workbook.xml" in names:
        return "xlsx"
    raise DocumentError(f"{name!r} is an archive, but no Word or Excel file; give {KNOWN}")
