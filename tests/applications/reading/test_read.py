from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multi_llm_comparator.applications.reading.pieces import Place, Reading, count_words, language_of
from multi_llm_comparator.applications.reading.process import ask_child, read_document
from multi_llm_comparator.applications.reading.read import read
from multi_llm_comparator.core.exceptions import DocumentError
from tests.applications.documents import docx, pdf, repacked, xlsx

# No machine reads it within the twentieth of a second that a test waits.
LONG = b"words " * 1_000_000


def reading(name: str, data: bytes) -> Reading:
    return read(name, data).reading


def place_of(found: Reading, text: str) -> Place:
    return next(piece.place for piece in found.pieces if text in piece.text)


def test_plain_text_is_parted_at_empty_lines_and_list_items_under_the_line_that_heads_them() -> None:
    found = reading("", b"Report\n\nFinances:\n- Revenue: 5\n- Profit: 2\n\nLast words.\nGoing on.")
    assert [piece.text for piece in found.pieces] == [
        "Report",
        "Finances:",
        "- Revenue: 5",
        "- Profit: 2",
        "Last words.\nGoing on.",
    ]
    assert place_of(found, "Profit") == Place(paragraph=4, heading="Finances:")


def test_words_of_chinese_text_are_its_characters() -> None:
    assert count_words("营业收入 1,250 万元, up 28%") == 4 + 1 + 2 + 1 + 1
    assert language_of("销售额上升") == "zh" and language_of("Sales rose") == "en"


def test_markdown_headings_are_places_and_code_is_kept() -> None:
    found = reading("a.md", b"# One\n\ntext\n\n```\n# no heading\n```\n\n## Two\n\nmore")
    assert place_of(found, "more").heading == "Two"
    assert place_of(found, "# no heading").heading == "One"


def test_html_gives_what_a_browser_shows() -> None:
    page = (
        "<html><head><title>T</title><script>alert('x')</script></head><body><h1>Head</h1><p>First <b>bold</b> word</p>"
        "<p style='display:none'>hidden</p><div hidden>hidden</div><style>p{}</style><!-- no -->"
        "<table><tr><td>a</td><td>1</td></tr></table></body></html>"
    )
    found = reading("a.html", page.encode())
    text = found.text
    assert "First bold word" in text and "a ; 1" in text
    assert "hidden" not in text and "alert" not in text and "no" not in text.split()
    assert place_of(found, "First").heading == "Head"


@pytest.mark.parametrize(
    "page",
    [
        b"<div>" * 200_000 + b"deep",
        b"<!DOCTYPE html [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><p>&b;</p> words",
        b"<p>\x00\xff\xfe<a <b <c>words",
        b"<table>" * 5_000 + b"<tr><td>words",
    ],
)
def test_hostile_html_is_read_or_refused(page: bytes) -> None:
    try:
        found = reading("a.html", page)
    except DocumentError:
        return
    assert len(found.text) < 10_000


def test_pdf_pieces_know_page_and_paragraph() -> None:
    found = reading("a.pdf", pdf(["First page.\n\nSecond paragraph here.", "The other page."]))
    assert found.pages == 2
    assert place_of(found, "Second paragraph").page == 1
    assert place_of(found, "The other page") == Place(page=2, paragraph=1)
    assert place_of(found, "The other page").words("zh") == "第 2 页第 1 段"


def test_pages_without_text_are_counted_and_all_of_them_refused() -> None:
    found = reading("a.pdf", pdf(["Some text is here.", ""]))
    assert [(remark.code, remark.values["n"]) for remark in found.remarks] == [("pages_without_text", 1)]
    with pytest.raises(DocumentError, match="no text"):
        reading("scan.pdf", pdf(["", ""]))


def test_a_pdf_with_a_password_is_refused_in_words() -> None:
    with pytest.raises(DocumentError, match="password"):
        reading("a.pdf", pdf(["secret"], password="x"))


@pytest.mark.slow
async def test_three_hundred_pages_are_read_to_the_end() -> None:
    pages = [f"Page {n} begins.\n\n" + "Words of a line that goes on. " * 4 for n in range(1, 301)]
    found = await read_document("long.pdf", pdf(pages))
    assert found.pages == 300 and place_of(found, "Page 300 begins").page == 300


def test_word_documents_have_headings_paragraphs_and_rows() -> None:
    data = docx([("Title", "Heading 1"), ("Body text.", "Normal")], [["item", "cost"], ["a", "5"]])
    found = read("a.docx", data)
    assert place_of(found.reading, "Body text").heading == "Title"
    assert place_of(found.reading, "a ; 5") == Place(heading="Title", sheet="1", row=2)
    assert list(found.sheets[0].frame.columns) == ["item", "cost"]


def test_workbooks_have_rows_by_their_numbers() -> None:
    data = xlsx({"Sales": [["Report"], [], ["Month", "Revenue"], ["Jan", 890], ["Feb", 945]]})
    found = read("a.xlsx", data)
    assert place_of(found.reading, "Month: Feb") == Place(sheet="Sales", row=5)


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
def test_office_files_that_are_broken_are_refused(name: str) -> None:
    whole = docx([("text", "Normal")]) if name == "a.docx" else xlsx({"S": [["a", 1], ["b", 2]]})
    for data in (whole[: len(whole) // 2], b"PK\x03\x04" + whole[200:], b"no archive", whole[:-30] + b"\x00" * 30):
        with pytest.raises(DocumentError):
            reading(name, data)


def test_a_workbook_whose_sheet_is_damaged_is_refused() -> None:
    whole = xlsx({"S": [["a", 1], ["b", 2]]})
    with pytest.raises(DocumentError, match="damaged"):
        reading("a.xlsx", repacked(whole, {"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row><c"}))


def test_bombs_and_entities_in_office_files_are_refused() -> None:
    whole = xlsx({"S": [["a", 1]]})
    with pytest.raises(DocumentError, match="packed"):
        reading("a.xlsx", repacked(whole, {"xl/media/a.bin": b"\x00" * (64 << 20)}))
    declared = b"<!DOCTYPE x [<!ENTITY a 'ha'>]><x>&a;</x>"
    comment = random.Random(1).randbytes(600_000).hex().encode()
    for laughs in (b"<?xml version='1.0'?>" + declared, b"<!--" + comment + b"-->" + declared):
        for part in ("xl/sharedStrings.xml", "xl/worksheets/sheet1.bin"):
            with pytest.raises(DocumentError, match="entities"):
                reading("a.xlsx", repacked(whole, {part: laughs}))


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old Office file"),
        ("a.pdf", b"hello", "no PDF"),
        ("a.zip", b"hello there", "not read"),
        ("a.bin", bytes(range(32)) * 50, "no text"),
        ("", b"  \n ", "no text"),
        ("a.pdf", b"%PDF-1.7\nnothing else", "damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(name: str, data: bytes, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        reading(name, data)


def test_chinese_csv_of_an_old_encoding_is_read_and_said() -> None:
    found = reading("a.csv", "月份,销售额\n一月,890\n二月,945\n".encode("gb18030"))
    assert "销售额: 890" in found.text and found.remarks[0].code == "encoding_guessed"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.binary(max_size=3000),
    name=st.sampled_from(["", "a.txt", "a.md", "a.html", "a.csv", "a.pdf", "a.docx", "a.xlsx"]),
    head=st.sampled_from([b"", b"%PDF-1.4\n", b"PK\x03\x04", b"<html>"]),
)
def test_any_bytes_are_read_or_refused(data: bytes, name: str, head: bytes) -> None:
    try:
        found = reading(name, head + data)
    except DocumentError as exc:
        assert str(exc)
        return
    assert found.pieces


# --- in a process of its own ----------------------------------------------------------------------------------------


async def test_the_process_says_what_is_wrong_and_ends() -> None:
    with pytest.raises(DocumentError, match="damaged"):
        await read_document("a.pdf", b"%PDF-1.7\nnothing else")


async def test_a_process_that_computes_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.applications.reading.process.MAX_WALL_S", 0.05)
    with pytest.raises(DocumentError, match="took longer"):
        await read_document("a.txt", LONG)


@pytest.mark.cold
async def test_a_document_that_takes_too_much_memory_ends_its_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.applications.reading.process.MAX_MEMORY_BYTES", 1 << 20)
    with pytest.raises(DocumentError, match="memory"):
        await read_document("a.txt", b"words " * 4_000_000)


@pytest.mark.slow
@pytest.mark.cold
async def test_a_million_rows_are_computed_with_within_the_memory_that_is_allowed() -> None:
    regions = ("north", "south")
    # After 300 rows months, regions and amounts come again.
    again = "".join(f"2024-{1 + n % 12:02d}-15,{regions[n % 2]},{n % 100}\n" for n in range(300))
    rows = 1_000_200
    written = "date,region,amount\n" + again * (rows // 300)
    found = await ask_child({"op": "insight", "name": "big.csv"}, written.encode())
    data = found["data"]
    total = sum(n % 100 for n in range(300)) * (rows // 300)
    column = next(one for one in data["findings"] if one["code"] == "column")
    assert data["data_points"] == rows
    assert column["figures"]["rows"] == rows and column["figures"]["total"] == total
    monthly = next(one for one in data["series"] if one["is_ordered"])
    assert len(monthly["labels"]) == 12 and round(sum(monthly["values"])) == total


async def test_cancelling_ends_the_process() -> None:
    task = asyncio.create_task(read_document("a.txt", LONG))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
