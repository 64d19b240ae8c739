"""Charts as SVG."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.charts.graph import Arrow, Graph, Node
from multi_llm_comparator.charts.lanes import Lanes, Row, Span, one_after_the_other
from multi_llm_comparator.charts.svg import Bar, bar_chart, graph_chart, lane_chart

SPACE = "{http://www.w3.org/2000/svg}"


@given(st.lists(st.tuples(st.text(), st.floats(0, 1e6), st.floats(0, 1e6), st.text())))
def test_charts_of_anything_are_well_formed(spans: list[tuple[str, float, float, str]]) -> None:
    rows = [
        Row(label[:3], label, (Span(a, a + b, "load", group, group, error=label),), is_marked=True, outline=(a, b))
        for label, a, b, group in spans
    ]
    bars = [Bar(label, a, group) for label, a, _, group in spans]
    nodes = {str(n): Node(label, a, n % 3, group, note=label) for n, (label, a, _, group) in enumerate(spans)}
    graph = Graph(nodes, tuple(Arrow("0", name, is_marked=True) for name in nodes))
    drawn = lane_chart("t", Lanes(tuple(rows), 1.0), waiting={"load": "loading"})
    for chart in (drawn, bar_chart("t", bars), graph_chart("t", graph)):
        assert ElementTree.fromstring(chart).tag.endswith("svg")


def test_lanes_are_drawn_on_one_scale_with_waiting_pale_and_predictions_as_outlines() -> None:
    spans = (Span(0.0, 1.0, "load", "m", "m"), Span(1.0, 4.0, "decode", "m", "m-2", tokens=7))
    lanes = Lanes((Row("3", "Add.", spans, outline=(0.0, 2.0)), Row("", "plan", ())), 4.0, left_out=2)
    drawn = ElementTree.fromstring(lane_chart("What ran", lanes, waiting={"load": "loading"}))
    # The first is the paper, the last the legend.
    pale, full, outline = list(drawn.iter(f"{SPACE}rect"))[1:4]
    assert (pale.get("fill-opacity"), full.get("fill-opacity"), outline.get("stroke-dasharray")) == ("0.3", None, "4 3")
    assert 3 * float(pale.get("width", 0)) == float(full.get("width", 0)) == 1.5 * float(outline.get("width", 0))
    assert [pale[0].text, full[0].text] == ["loading", "m-2, 7 tokens"]
    words = [text.text for text in drawn.iter(f"{SPACE}text")]
    assert {"3: Add.", "plan", "What ran (without 2 more rows)"} <= set(words)


def test_what_took_no_time_is_no_span_but_what_follows_begins_where_it_would() -> None:
    found = one_after_the_other([("queued", 0.0), ("load", 2.0), ("prefill", 0.0), ("decode", 3.0)], "m")
    assert [(span.kind, span.start_s, span.end_s) for span in found] == [("load", 0.0, 2.0), ("decode", 2.0, 5.0)]
