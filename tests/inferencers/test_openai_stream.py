"""Server-sent events of an endpoint, however they are cut on the way."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.inferencers.openai_stream import EventReader, ToldError, _chunk


def read(pieces: list[bytes]) -> list[str]:
    reader = EventReader()
    found = [data for piece in pieces for data in reader.push(piece)]
    return found + list(reader.push(b"", is_last=True))


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=20)


@given(st.lists(TEXTS, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 200), max_size=8))
def test_events_are_the_same_wherever_the_network_cuts_them(texts: list[str], end: str, cuts: list[int]) -> None:
    whole = "".join(f": ping{end}event: x{end}data: {text}{end}{end}" for text in texts).encode()
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    pieces = [whole[begin:stop] for begin, stop in itertools.pairwise(places)]
    assert read(pieces) == texts


def test_lines_of_one_event_are_joined_and_the_last_needs_no_blank_line() -> None:
    assert read([b"data: a\ndata:b\n\nid: 3\nretry: 5\n\ndata: c"]) == ["a\nb", "c"]


@pytest.mark.parametrize("data", ["nonsense", "[1, 2]", "null", '"text"', "[" * 100_000])
def test_what_is_no_object_is_refused(data: str) -> None:
    with pytest.raises(ToldError, match="where a chunk in JSON belongs"):
        _chunk(data)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "overloaded"}, "overloaded"),
        ("out of memory", "memory"),
        ({"message": 3}, "not which"),
        ([1], "not"),
    ],
)
def test_an_error_within_the_stream_is_told(error: object, said: str) -> None:
    with pytest.raises(ToldError, match=said):
        _chunk(json.dumps({"error": error}))
