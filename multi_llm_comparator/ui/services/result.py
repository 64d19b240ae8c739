"""A result on the page: its text, charts, sources that open their place, data, and what to know of it."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.applications.charts import Chart, data_charts, service_charts
from multi_llm_comparator.applications.export import html_of
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.insight.wording import values_table
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.report import blocks_of
from multi_llm_comparator.applications.results import Claim, DataInsight, DocumentAnalysis, Result
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.words import remark_sentence
from multi_llm_comparator.core.readable import NOTHING, count, cut, cut_line
from multi_llm_comparator.core.timings import AnswerState
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import figure, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.ui.services.charts import drawn

MAX_SOURCES = 100
MAX_VALUES = 500
# Pieces around a source.
AROUND = 4
MAX_PIECE_CHARS = 4_000
_SIGNS: dict[str, tuple[str, AnswerState]] = {
    "found": ("✓", "done"),
    "picked": ("✂", "stopped"),
    "not_found": ("!", "failed"),
}


def draw_result(snapshot: ServiceSnapshot, result: Result) -> None:
    _draw_figures(result)
    with st.container(key="services_text"):
        st.html(f'<div class="mlc-services-result">{html_of(list(blocks_of(result.text)))}</div>')
    _draw_charts(snapshot, service_charts(result))
    if isinstance(result, DocumentAnalysis) and result.claims:
        _draw_sources(snapshot.reading, result)
    if isinstance(result, DataInsight):
        _draw_values(result)
    if result.remarks:
        with st.container(border=True, key="services_remarks"):
            st.markdown(f"**{t('services.remarks')}**")
            lines = (escape(remark_sentence(remark, current_language())) for remark in result.remarks)
            st.html("<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>")


def draw_computed(snapshot: ServiceSnapshot, data: Data) -> None:
    """What code has computed of data, while a model is still asked to word it."""
    st.html(f'<div class="mlc-figures">{"".join(_data_figures(data))}</div>')
    _draw_charts(snapshot, data_charts(data, set()))


def _data_figures(data: Data) -> list[str]:
    return [
        figure(count(data.data_points), t("services.data_points"), t("services.data_points_why")),
        figure(count(len(data.series)), t("services.series"), t("services.series_why")),
    ]


def _draw_figures(result: Result) -> None:
    pairs: list[str] = []
    if isinstance(result, DataInsight):
        pairs = _data_figures(result.data)
    elif isinstance(result, DocumentAnalysis):
        shown = [claim for claim in result.claims if claim.state != "not_found"]
        found = sum(claim.state == "found" for claim in shown)
        pairs = [
            figure(count(result.document_length), t("services.length"), t("services.length_why")),
            figure(count(result.parts), t("services.parts"), t("services.parts_why")),
            figure(count(found), t("services.found"), t("services.found_why")),
            figure(count(len(shown) - found), t("services.picked"), t("services.picked_why")),
            figure(count(result.unfounded), t("services.unfounded"), t("services.unfounded_why")),
        ]
    else:
        decision = result.decision
        pairs = [
            figure(count(len(decision.problem.options)), t("services.options"), t("services.options_why")),
            figure(count(len(decision.excluded)), t("services.excluded"), t("services.excluded_why")),
        ]
    if result.struck:
        pairs.append(figure(count(len(result.struck)), t("services.struck"), t("services.struck_why")))
    st.html(f'<div class="mlc-figures">{"".join(pairs)}</div>')


def _draw_charts(snapshot: ServiceSnapshot, charts: list[Chart]) -> None:
    if not charts:
        return
    page = page_tone()
    with st.container(key="services_charts"):
        columns = st.columns(2) if len(charts) > 1 else [st.container()]
        for number, chart in enumerate(charts):
            title = str(chart["layout"]["title"]["text"])
            with columns[number % len(columns)]:
                live_chart(
                    drawn(chart, page),
                    f"services_chart_{snapshot.id}_{number}",
                    alt=title,
                    name=f"service-{snapshot.id}-{number + 1}",
                )


# --- sources --------------------------------------------------------------------------------------------------------


def _draw_sources(reading: Reading | None, result: DocumentAnalysis) -> None:
    with st.container(key="services_sources"):
        st.markdown(f"#### {t('services.sources')}")
        for number, claim in enumerate(result.claims[:MAX_SOURCES], start=1):
            _draw_source(reading, number, claim)
        left_out = len(result.claims) - MAX_SOURCES
        if left_out > 0:
            st.caption(tn("services.more_sources", left_out))


def _draw_source(reading: Reading | None, number: int, claim: Claim) -> None:
    place = claim.place.words(current_language()) if claim.place else NOTHING
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"services_source_{number}"):
        sign, tone = _SIGNS[claim.state]
        st.html(
            f'<span class="mlc-services-claim" data-state="{claim.state}" style="--tone:{STATE_TONES[tone].css}" '
            f'title="{escape(t(f"services.state_{claim.state}"))}"><b>{sign} [{number}]</b> '
            f"{escape(cut_line(claim.text, 300))}</span>",
            width="stretch",
        )
        can_open = reading is not None and claim.piece is not None
        if st.button(
            plain(place) if can_open else t("services.not_there"),
            icon=":material/format_quote:",
            key=f"services_open_{number}",
            type="tertiary",
            disabled=not can_open,
            help=plain(cut_line(claim.quote, 300)),
        ):
            assert reading is not None
            _open_place(reading, claim)


def _open_place(reading: Reading, claim: Claim) -> None:
    """The quote where it stands, with what is around it."""
    assert claim.piece is not None and claim.place is not None

    @st.dialog(plain(claim.place.words(current_language())), width="large")
    def place() -> None:
        assert claim.piece is not None
        if claim.place and claim.place.heading:
            st.caption(plain(claim.place.heading))
        first = max(0, claim.piece - AROUND)
        pieces = reading.pieces[first : claim.piece + AROUND + 1]
        html = "".join(
            f"<p>{_marked(piece.text, claim.quote) if first + at == claim.piece else _shown(piece.text)}</p>"
            for at, piece in enumerate(pieces)
        )
        st.html(f'<div class="mlc-services-place">{html}</div>')

    place()


def _shown(text: str) -> str:
    return escape(cut(text, MAX_PIECE_CHARS)).replace("\n", "<br>")


def _marked(text: str, quote: str) -> str:
    """A piece with the quote in it marked."""
    at = text.find(quote)
    if at < 0:
        return _shown(text)
    before = text[:at] if at < MAX_PIECE_CHARS else f"… {text[at - MAX_PIECE_CHARS : at]}"
    return f"{_shown(before)}<mark>{_shown(quote)}</mark>{_shown(text[at + len(quote) :])}"


# --- data -----------------------------------------------------------------------------------------------------------


def _draw_values(result: DataInsight) -> None:
    names, rows = values_table(result.data, current_language())
    with st.expander(tn("services.values", len(rows)), icon=":material/table_rows:"):
        st.html(table(names, [[escape(cell) for cell in row] for row in rows[:MAX_VALUES]]))
        if len(rows) > MAX_VALUES:
            st.caption(tn("services.more_values", len(rows) - MAX_VALUES))
