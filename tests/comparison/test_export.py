"""Runs as files: complete where they can be read in again, harmless wherever they are opened."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.export_closer import Room
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.comparison.words import FIGURE_NAMES, WORDS
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.token_pieces import TokenChance, TokenPiece
from tests.comparison.asking import answer, asked
from tests.support.scripted_source import ScriptedSource

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> <iframe src=//evil.example></iframe>\n\n"
    "[click](javascript:alert(1)) [data](data:text/html;base64,PHNjcmlwdD4=) ![pixel](https://evil.example/p.png)\n\n"
    "<style>@import url(https://evil.example/x.css)</style> <a href='javascript:1' onclick='x()'>a</a> {{ 7*7 }}\n\n"
    "```html\n</code></pre><script>alert(2)</script>\n```\n\n| a | b |\n|---|---|\n| 1 | <b onload=x> |\n"
)


@pytest.fixture
async def snapshot(registry: ComparisonRegistry, source: ScriptedSource) -> ComparisonSnapshot:
    """Two panes, two turns, a failure, a second attempt, a continued answer, and text that means harm."""
    panes = (Pane("a", "m1", ModelConfig(system_prompt="=1+1", stop=("\n",))), Pane("b", "m2", ModelConfig(seed=3)))
    comparison, (a, b) = await asked(registry, source, panes, title="<b>标题</b> =cmd")
    await a.start(seed=5)
    await a.say("<think>hmm <script>alert(0)</script></think>", HOSTILE)
    await a.finish("length")
    await b.fail("</p><script>alert(3)</script>")
    await comparison.wait()
    await comparison.continue_("a")
    await (await source.call(2)).answer(" and more")
    await comparison.regenerate("b")
    await (await source.call(3)).answer("+SUM(A1)", ", 四")
    await comparison.wait()
    await comparison.send('=HYPERLINK("https://evil.example")\n你好 | ``` | <script>', ["b"])
    await (await source.call(4)).answer("@risky")
    await comparison.wait()
    return comparison.snapshot()


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_json_holds_everything_that_is_known(snapshot: ComparisonSnapshot) -> None:
    document = json.loads(export_run(snapshot, "json"))
    assert (document["schema_version"], document["id"], document["title"]) == (1, snapshot.id, snapshot.title)
    assert [turn["prompt"] for turn in document["run"]["turns"]] == [turn.prompt for turn in snapshot.turns]
    assert [(one["turn"], one["pane_id"], one["attempt"]) for one in document["answers"]] == [
        (0, "a", 1),
        (0, "b", 1),
        (0, "b", 2),
        (1, "b", 1),
    ]
    first = document["answers"][0]
    assert first["text"] == snapshot.turns[0].answers["a"].text
    assert first["record"]["model"]["fingerprint"] == "sha256:m1"
    assert first["record"]["config"]["system_prompt"] == "=1+1"
    assert first["record"]["legs"][0]["progress"]["prompt"] == "What is 2 + 3?"
    assert first["record"]["legs"][0]["progress"]["seed"] == 5
    assert first["record"]["versions"]["python"]
    assert first["figures"]["legs"] == 2


def test_csv_has_a_row_for_each_answer_with_units_in_the_names(snapshot: ComparisonSnapshot) -> None:
    rows = rows_of(export_run(snapshot, "csv"))
    assert [(row["turn"], row["pane_id"], row["attempt"]) for row in rows] == [
        ("1", "a", "1"),
        ("1", "b", "1"),
        ("1", "b", "2"),
        ("2", "b", "1"),
    ]
    assert [row["is_selected"] for row in rows] == ["True", "False", "True", "True"]
    assert {
        "ttft_s",
        "memory_bytes",
        "tokens_per_second",
        "config_temperature",
        "seed_used",
        "requested_at_utc",
    } <= set(rows[0])
    assert rows[0]["model_fingerprint"] == "sha256:m1"
    assert rows[1]["state"] == "failed"


def test_no_cell_of_the_csv_is_a_formula(snapshot: ComparisonSnapshot) -> None:
    rows = rows_of(export_run(snapshot, "csv"))
    assert rows[3]["prompt"].startswith("'=HYPERLINK")
    assert rows[3]["text"] == "'@risky"
    assert rows[2]["text"] == "'+SUM(A1), 四"
    assert rows[0]["config_system_prompt"] == "'=1+1"
    for row in rows:
        for name, cell in row.items():
            is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)
            assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), name


def test_markdown_keeps_every_text_in_a_fence_it_cannot_leave(snapshot: ComparisonSnapshot) -> None:
    text = export_run(snapshot, "markdown").decode()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    fenced = [token.content.removesuffix("\n") for token in tokens if token.type == "fence"]
    assert snapshot.turns[0].answers["a"].text in fenced
    assert snapshot.turns[1].prompt in fenced
    assert not any(token.type.startswith("html") for token in tokens)
    inline = [child for token in tokens if token.type == "inline" for child in token.children or ()]
    assert not any(child.type in ("html_inline", "image", "link_open") for child in inline)
    assert sum(token.type == "table_open" for token in tokens) == 3  # two of figures, one of what differs


class _Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_html_file_can_do_nothing_but_be_read(snapshot: ComparisonSnapshot, language: Language) -> None:
    text = export_run(snapshot, "html", language).decode()
    page = _Page()
    page.feed(text)
    assert not {"script", "iframe", "img", "link", "object", "embed", "base", "form", "video"} & set(page.tags)
    assert page.tags.count("style") == 1
    assert not any(name.startswith("on") or name in ("src", "style") for name, _ in page.attributes)
    targets = [value for name, value in page.attributes if name == "href"]
    assert all(target.startswith(("http://", "https://")) for target in targets)
    assert "url(" not in text.replace("url(https://evil.example/x.css)", "")
    assert "default-src 'none'" in text
    assert "{{ 7*7 }}" in text


def test_the_html_page_shows_answers_figures_and_a_chart(snapshot: ComparisonSnapshot) -> None:
    text = export_run(snapshot, "html").decode()
    page = _Page()
    page.feed(text)
    assert page.tags.count("article") == 4
    assert page.tags.count("svg") == 2
    assert page.tags.count("table") == 4  # two of figures, one of what differs, one that an answer wrote
    assert "sha256:m2" in text
    assert "What is 2 + 3?" in text


def test_pages_are_written_in_either_language(snapshot: ComparisonSnapshot) -> None:
    assert set(FIGURE_NAMES) <= set(WORDS["en"])
    for name in ("html", "markdown"):
        assert "首个词元" in export_run(snapshot, name, "zh").decode()
        assert "First token" in export_run(snapshot, name, "en").decode()


@pytest.mark.parametrize("format", ["json", "csv", "markdown", "html"])
async def test_a_run_can_be_exported_before_it_began_and_while_it_runs(
    registry: ComparisonRegistry, source: ScriptedSource, format: str
) -> None:
    comparison = await registry.create([Pane("a", "m1")])
    assert export_run(comparison.snapshot(), format)
    await comparison.send("hi")
    assert export_run(comparison.snapshot(), format)
    call = await source.call(0)
    await call.start()
    await call.say("half \ud83d", "\x00")
    assert answer(comparison, "a").text in ("half \ud83d", "half \ud83d\x00")
    assert export_run(comparison.snapshot(), format).decode()
    await comparison.stop()


def test_another_format_is_refused_with_the_ones_there_are(snapshot: ComparisonSnapshot) -> None:
    with pytest.raises(ConfigurationError, match="'pdf' for a comparison; there are html, json, csv, markdown"):
        export_run(snapshot, "pdf")


async def test_the_html_page_shows_what_differs_and_the_tokens_as_text(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    panes = (Pane("a", "m1", ModelConfig(top_logprobs=1)), Pane("b", "m2"), Pane("c", "m1"))
    comparison, calls = await asked(registry, source, panes)
    said = ("It is <b>four</b>.", "It is <b>five</b>.", "It is <b>four</b>.")
    for call, text in zip(calls, said, strict=True):
        await call.start()
        pieces: tuple[TokenPiece, ...] = ()
        if call is calls[0]:
            other = TokenChance(2, "<i>", math.log(0.3), tuple(b"<i>"))
            pieces = (TokenPiece(1, text, tuple(text.encode()), math.log(0.2), (other,)),)
        await call.emit(TextDelta(request_id=call.request.id, text=text, tokens=1, pieces=pieces))
        await call.finish()
    await comparison.wait()
    text = export_run(comparison.snapshot(), "html").decode()
    page = _Page()
    page.feed(text)
    assert (page.tags.count("ins"), page.tags.count("del")) == (4, 4)
    assert text.count(WORDS["en"]["equal"]) == 2
    assert "<ins>five</ins>" in text and "<code>&lt;i&gt;</code></td><td>30.0%" in text
    assert ("class", "token s3 unsure") in page.attributes and ("tabindex", "0") in page.attributes
    assert not {"i", "b"} & set(page.tags)


def test_a_page_has_room_for_so_much_and_says_what_is_left_out() -> None:
    room = Room(chars=100, tokens=5)
    assert room.take_pair(60) and not room.is_full
    assert not room.take_pair(60) and room.is_full
    assert room.take_tokens(5) and not room.take_tokens(1)
