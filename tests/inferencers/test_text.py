"""Text comes out whole, in whatever pieces it goes in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.inferencers.text import StopMatcher, utf8_decoder

letters = st.text(alphabet="ab\n世", max_size=30)
stop_texts = st.lists(st.text(alphabet="ab\n世", min_size=1, max_size=4), max_size=4)


def cut(text: str | bytes, cuts: list[int]) -> list[Any]:
    bounds = [0, *sorted(i % (len(text) + 1) for i in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


def read(matcher: StopMatcher, pieces: list[Any]) -> tuple[str, bool]:
    text, is_hit = "", False
    for piece in pieces:
        new, is_hit = matcher.push(piece)
        text += new
        if is_hit:
            break
    return text + matcher.flush(), is_hit


def first_complete(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text before the stop text that is complete first; of several ending together, before the longest."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)], True
    return text, False


@given(text=letters, stops=stop_texts, cuts=st.lists(st.integers(0, 100), max_size=8))
def test_stop_texts_are_found_the_same_however_the_text_is_cut(text: str, stops: list[str], cuts: list[int]) -> None:
    matcher = StopMatcher(stops)
    shown, is_hit = read(matcher, cut(text, cuts))
    assert (shown, is_hit) == first_complete(text, stops)
    assert bool(matcher.hit) == is_hit
    assert not is_hit or (matcher.hit in stops and text.startswith(shown + matcher.hit))


@given(text=letters, stops=stop_texts)
def test_text_is_held_back_only_while_it_may_become_a_stop_text(text: str, stops: list[str]) -> None:
    matcher, shown = StopMatcher(stops), ""
    for i, character in enumerate(text):
        new, is_hit = matcher.push(character)
        shown += new
        if is_hit:
            break
        held = text[len(shown) : i + 1]
        assert not held or any(stop.startswith(held) and stop != held for stop in stops)


def test_nothing_follows_a_stop_text() -> None:
    matcher = StopMatcher(["."])
    assert matcher.push("One. Two.") == ("One", True)
    assert matcher.push(" Three") == ("", True)
    assert matcher.flush() == ""


@given(text=st.text(max_size=40), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_characters_stay_whole_however_their_bytes_are_cut(text: str, cuts: list[int]) -> None:
    decoder = utf8_decoder()
    for piece in cut(text.encode(), cuts):
        new = decoder.decode(piece)
        assert text.startswith(new)
        text = text[len(new) :]
    assert not text


@given(text=st.text(alphabet="a世界🎉\n", max_size=30), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_stop_texts_of_many_bytes_are_found_too(text: str, cuts: list[int]) -> None:
    stops = ["🎉a", "界"]
    decoder = utf8_decoder()
    pieces = [decoder.decode(piece) for piece in cut(text.encode(), cuts)]
    assert read(StopMatcher(stops), pieces) == first_complete(text, stops)


@given(data=st.binary(max_size=40), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_bytes_that_are_no_text_become_replacement_characters(data: bytes, cuts: list[int]) -> None:
    decoder = utf8_decoder()
    assert "".join(map(decoder.decode, cut(data + b".", cuts))) == (data + b".").decode("utf-8", "replace")


@pytest.mark.parametrize("n_bytes", [1, 2, 3])
def test_a_character_that_is_cut_off_at_the_end_is_left_out(n_bytes: int) -> None:
    decoder = utf8_decoder()
    assert decoder.decode(b"so") + decoder.decode("🎉".encode()[:n_bytes]) == "so"
