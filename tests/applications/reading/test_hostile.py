"""Documents that mean harm are read as far as they can be, or refused in words, in bounded time and memory."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

import pytest

from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.reading.process import read_document
from multi_llm_comparator.applications.reading.read import read
from multi_llm_comparator.core.exceptions import DocumentError
from tests.applications.documents import docx, repacked, xlsx

# What bounds the memory of a process counts from its start.
pytestmark = pytest.mark.cold
PATIENCE_S = 60.0
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def packed_pdf(content: bytes) -> bytes:
    """One page whose content is packed."""
    stream = zlib.compress(content, 9)
    parts = [
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n",
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n",
        b"4 0 obj<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream endobj\n" % (len(stream), stream),
    ]
    return b"%PDF-1.4\n" + b"".join(parts) + b"trailer<</Root 1 0 R>>\n%%EOF"


def own_parents() -> bytes:
    """Pages that are their own parents."""
    pages = b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 999999>>endobj\n"
    return b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" + pages + b"trailer<</Root 1 0 R>>\n%%EOF"


def workbook(cells: str) -> bytes:
    sheet = f'<worksheet xmlns="{SHEETS}"><sheetData>{cells}</sheetData></worksheet>'
    return repacked(xlsx({"S": [["a", 1], ["b", 2]]}), {"xl/worksheets/sheet1.xml": sheet.encode()})


def letter(part: str, content: str) -> bytes:
    return repacked(docx([("A letter of some words.", "Normal")]), {f"word/{part}.xml": content.encode()})


OWN_BASE = (
    f'<w:styles xmlns:w="{WORDS}"><w:style w:type="paragraph" w:styleId="Normal"><w:name w:val="Normal"/>'
    '<w:basedOn w:val="Normal"/></w:style></w:styles>'
)
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a page that unpacks to 100 MB": ("a.pdf", lambda: packed_pdf(b" " * (100 << 20))),
    "pages that are their own parents": ("a.pdf", own_parents),
    "a cell far away": ("a.xlsx", lambda: workbook('<row r="400000"><c r="XFD400000"><v>1</v></c></row>')),
    "a number beyond all": ("a.xlsx", lambda: workbook('<row r="1"><c r="A1" t="n"><v>1e999999</v></c></row>')),
    "a string that is not there": ("a.xlsx", lambda: workbook('<row r="1"><c r="A1" t="s"><v>99999</v></c></row>')),
    "a quote that does not end": ("a.csv", lambda: b'name,amount\n"' + b"x,1\n" * 200_000),
    "columns without end": ("a.csv", lambda: b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"1," * 19_999),
    "signs of nothing": ("a.csv", lambda: b"\x00" * 100_000),
    "attributes without end": ("a.html", lambda: b"<p " + b"a=b " * 200_000 + b">words</p>"),
    "a script that never closes": ("a.html", lambda: b"<p>words</p><script>" + b"<" * 500_000),
    "references to nothing": ("a.html", lambda: b"<p>words " + b"&#x110000;&bogus;" * 50_000 + b"</p>"),
    "emphasis without end": ("a.md", lambda: b"*_~`[" * 100_000 + b" words"),
    "fences without end": ("a.md", lambda: b"```\n" * 100_001 + b"words"),
    "a style that is its own base": ("a.docx", lambda: letter("styles", OWN_BASE)),
    "a body of another kind": (
        "a.docx",
        lambda: letter("document", '<w:document xmlns:w="urn:x"><w:body/></w:document>'),
    ),
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_a_hostile_document_is_read_or_refused(harm: str) -> None:
    name, made = HOSTILE[harm]
    data = made()
    began = time.process_time()
    try:
        found: Reading | None = read(name, data).reading
    except DocumentError as exc:
        assert str(exc)
        found = None
    assert time.process_time() - began < PATIENCE_S
    assert found is None or (found.pieces and len(found.text) <= 4_100_000)


async def test_a_cell_that_spans_a_billion_columns_ends_its_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.applications.reading.process.MAX_MEMORY_BYTES", 400 << 20)
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr><w:p/></w:tc>'
    table = f"<w:tbl><w:tblGrid/><w:tr>{cell}</w:tr></w:tbl>"
    data = letter("document", f'<w:document xmlns:w="{WORDS}"><w:body>{table}</w:body></w:document>')
    with pytest.raises(DocumentError, match="memory"):
        await read_document("a.docx", data)
