from __future__ import annotations

import pytest

from multi_llm_comparator.core.readable import cut_line, seconds


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (None, "–", "–"),
        (0.0352, "35 ms", "35 毫秒"),
        (3.14, "3.1 s", "3.1 秒"),
        (125, "2 min 05 s", "2 分 05 秒"),
        (3780, "1 h 03 min", "1 小时 03 分"),
    ],
)
def test_seconds_have_a_unit_in_both_languages(value: float | None, english: str, chinese: str) -> None:
    assert (seconds(value), seconds(value, "zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("text", "most", "line"),
    [
        ("a  b\nc", 10, "a b c"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("abcd efg", 6, "abcd…"),
        ("", 5, ""),
    ],
)
def test_a_line_that_was_cut_ends_in_an_ellipsis(text: str, most: int, line: str) -> None:
    assert cut_line(text, most) == line
