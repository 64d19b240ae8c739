"""Where the nodes of a graph stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.charts.graph import Arrow, Graph, Node, layered


def test_each_node_stands_below_those_it_needs_and_unknown_ones_do_not_count() -> None:
    places = layered({"1": (), "2": (), "3": ("1", "2"), "4": ("9",)})
    assert {name: layer for name, (_, layer) in places.items()} == {"1": 0, "2": 0, "3": 1, "4": 0}
    assert len(set(places.values())) == 4


def test_no_arrow_runs_through_a_node_it_passes() -> None:
    places = layered({"1": (), "2": ("1",), "3": ("1", "2")})
    assert places["2"][0] != places["1"][0] == places["3"][0]


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3)))
def test_every_node_has_a_place_whatever_needs_what(needs: dict[str, list[str]]) -> None:
    assert layered(needs).keys() == needs.keys()


def test_a_graph_knows_its_size() -> None:
    nodes = {"a": Node("a", -1.5, 0), "b": Node("b", 0.5, 2)}
    assert (Graph(nodes, (Arrow("a", "b"),)).layers, Graph(nodes, ()).reach) == (3, 1.5)
    assert (Graph({}, ()).layers, Graph({}, ()).reach) == (1, 0.0)
