"""A service's result as a file: Markdown, Word, a page, or everything as JSON."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from multi_llm_comparator.applications.charts import service_charts
from multi_llm_comparator.applications.report import Block, report_of, spans_of
from multi_llm_comparator.applications.results import handed_out
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.words import words_of
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.markdown_text import one_line, table
from multi_llm_comparator.core.readable import Language, iso_time
from multi_llm_comparator.runs.exporting import Exports, html_page


def service_data(snapshot: ServiceSnapshot) -> dict[str, Any]:
    """Everything as plain data, with charts as Plotly draws them."""
    return {
        "format": "multi-llm-comparator service",
        "id": snapshot.id,
        "title": snapshot.title,
        "state": snapshot.state,
        "created_at": iso_time(snapshot.created_at),
        "ended_at": iso_time(snapshot.ended_at),
        "error": snapshot.error,
        "spec": snapshot.spec.model_dump(mode="json"),
        "answered_by": list(snapshot.answered_by),
        "tokens": snapshot.tokens,
        "cost_usd": snapshot.cost_usd,
        "worked_s": snapshot.worked_s,
        "result": handed_out(snapshot.result) if snapshot.result else None,
        "charts": service_charts(snapshot.result) if snapshot.result else [],
    }


def heading_of(snapshot: ServiceSnapshot, language: Language) -> str:
    """``Document analysis, Risks: report.pdf``."""
    say, spec = words_of(language), snapshot.spec
    kind = f"{say(f'report_{spec.service_type}')}, {say(f'kind_{spec.kind}')}"
    return f"{kind}: {snapshot.title}"


# --- Markdown -------------------------------------------------------------------------------------------------------


def to_markdown(snapshot: ServiceSnapshot, language: Language) -> str:
    return f"# {one_line(heading_of(snapshot, language))}\n\n{markdown_of(report_of(snapshot, language))}\n"


def markdown_of(blocks: list[Block]) -> str:
    """Blocks as Markdown in which texts of documents and models are no markup."""
    parts: list[str] = []
    for kind, group in groupby(blocks, key=lambda block: block.kind):
        some = list(group)
        if kind == "row":
            parts.append("\n".join(table(some[0].cells, [row.cells for row in some[1:]])))
        elif kind == "item":
            parts.append("\n".join(f"{'  ' * (one.level - 1)}- {_markdown_line(one.text)}" for one in some))
        elif kind == "heading":
            parts += [f"{'#' * (one.level + 1)} {_markdown_line(one.text)}" for one in some]
        else:
            parts += [_markdown_line(one.text) for one in some]
    return "\n\n".join(parts)


def _markdown_line(text: str) -> str:
    marks = {(True, False): "~~", (False, True): "**"}
    pieces = []
    for span in spans_of(text):
        mark = marks.get((span.is_struck, span.is_strong), "")
        # One that is escaped alone would lose the space that parts it from the next.
        before = " " if span.text[:1].isspace() else ""
        behind = " " if span.text[-1:].isspace() and len(span.text.strip()) else ""
        pieces.append(f"{before}{mark}{one_line(span.text)}{mark}{behind}")
    return "".join(pieces).strip()


# --- HTML -----------------------------------------------------------------------------------------------------------


def to_html(snapshot: ServiceSnapshot, language: Language) -> str:
    """One page that loads nothing and runs nothing; what people, documents and models wrote is escaped."""
    heading, body = heading_of(snapshot, language), html_of(report_of(snapshot, language))
    return html_page(__file__, language, heading=heading, body=body)


def html_of(blocks: list[Block]) -> Markup:
    """Blocks as HTML in which texts of documents and models are no markup."""
    return Markup("\n").join(_html_blocks(blocks))


def _html_blocks(blocks: list[Block]) -> Iterator[Markup]:
    for kind, group in groupby(blocks, key=lambda block: block.kind):
        some = list(group)
        if kind == "row":
            head = Markup("").join(Markup("<th>{}</th>").format(cell) for cell in some[0].cells)
            rows = (
                Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(_html(c)) for c in row.cells))
                for row in some[1:]
            )
            whole = Markup("<thead><tr>{}</tr></thead><tbody>{}</tbody>").format(head, Markup("\n").join(rows))
            yield Markup('<div class="wide"><table>{}</table></div>').format(whole)
        elif kind == "item":
            items = (Markup('<li class="level{}">{}</li>').format(min(3, one.level), _html(one.text)) for one in some)
            yield Markup("<ul>{}</ul>").format(Markup("\n").join(items))
        else:
            for one in some:
                tag = f"h{min(4, one.level + 1)}" if kind == "heading" else "p"
                yield Markup(f"<{tag}>{{}}</{tag}>").format(_html(one.text))


def _html(text: str) -> Markup:
    tags = {(True, False): Markup("<s>{}</s>"), (False, True): Markup("<strong>{}</strong>")}
    return Markup("").join(
        tags.get((span.is_struck, span.is_strong), Markup("{}")).format(escape(span.text)) for span in spans_of(text)
    )


# --- Word -----------------------------------------------------------------------------------------------------------


def to_docx(snapshot: ServiceSnapshot, language: Language) -> bytes:
    """A Word document with headings, lists and tables of its own."""
    import docx

    document = docx.Document()
    document.add_heading(_xml_safe(heading_of(snapshot, language)), 0)
    for kind, group in groupby(report_of(snapshot, language), key=lambda block: block.kind):
        some = list(group)
        if kind == "row":
            _add_table(document, some)
            continue
        for one in some:
            if kind == "heading":
                paragraph = document.add_heading("", min(4, one.level))
            else:
                style = None if kind == "paragraph" else "List Bullet" if one.level == 1 else "List Bullet 2"
                paragraph = document.add_paragraph("", style)
            for span in spans_of(one.text):
                run = paragraph.add_run(_xml_safe(span.text))
                run.font.strike, run.bold = span.is_struck or None, span.is_strong or None
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _add_table(document: Any, rows: list[Block]) -> None:
    width = max(len(row.cells) for row in rows)
    grid = document.add_table(rows=len(rows), cols=width, style="Table Grid")
    # Cells are asked of a table one by one in time that grows with it; of a row they come at once.
    for row, block in zip(grid.rows, rows, strict=True):
        for cell, text in zip(row.cells, block.cells, strict=False):
            cell.text = _xml_safe("".join(span.text for span in spans_of(text)))


def _xml_safe(text: str) -> str:
    """Without characters that XML has no way to write."""
    return "".join(
        c for c in text if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    )


export_service = Exports[ServiceSnapshot](
    "a service",
    html=to_html,
    docx=to_docx,
    markdown=to_markdown,
    json=lambda snapshot, _: json_text(service_data(snapshot)),
)
