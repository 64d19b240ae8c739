from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.markdown import (
    BLOCK_CHARS,
    MAX_SEGMENTS,
    Segment,
    _kept,
    shortened,
    split_thinking,
    to_markdown,
)
from tests.support.growth import grows_evenly

PIECES = (
    "<think>",
    "</think>",
    "```",
    "`",
    "$$",
    "$",
    "**",
    "\n\n",
    "\n",
    "word ",
    "<th",
    "5",
    " ",
    "![x](http://a)",
    r"\(",
)
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def shown(text: str, **options: bool) -> str:
    return "\n\n".join(to_markdown(text, **options))


def test_speech_without_thoughts_is_one_segment() -> None:
    assert split_thinking("Hello.") == [Segment("text", "Hello.")]


def test_a_thought_is_parted_from_the_answer() -> None:
    assert split_thinking("<think>hm</think>\n\nIt is 4.") == [Segment("think", "hm"), Segment("text", "It is 4.")]


def test_a_thought_that_has_not_ended_is_open() -> None:
    assert split_thinking("<think>hm, let") == [Segment("think", "hm, let", is_open=True)]


def test_a_thought_just_begun_is_open_and_empty() -> None:
    assert split_thinking("<think>") == [] or split_thinking("<think>")[0].kind == "think"


def test_a_closing_tag_alone_means_that_all_before_it_was_thought() -> None:
    assert split_thinking("hm</think>It is 4.") == [Segment("think", "hm"), Segment("text", "It is 4.")]


def test_a_template_that_opens_the_thought_is_known_before_it_closes() -> None:
    assert split_thinking("hm", starts_thinking=True) == [Segment("think", "hm", is_open=True)]


def test_a_tag_cut_off_at_the_end_is_not_shown() -> None:
    assert split_thinking("Yes <thi") == [Segment("text", "Yes ")]
    assert split_thinking("<think>hm</thin") == [Segment("think", "hm", is_open=True)]


@given(texts)
def test_nothing_that_was_said_gets_lost(text: str) -> None:
    kept = "".join(segment.text for segment in split_thinking(text))
    assert kept.count("word") == text.count("word")


def test_prices_stay_prices() -> None:
    assert shown("It costs $5 and $10.") == r"It costs \$5 and \$10."


def test_formulas_stay_formulas() -> None:
    assert shown("so $x^2$ and $$y$$") == "so $x^2$ and $$y$$"


def test_latex_brackets_become_dollars() -> None:
    assert shown(r"so \(x^2\) is") == "so $x^2$ is"
    assert "$$\nx^2\n$$" in shown(r"\[ x^2 \]")


def test_code_is_left_alone() -> None:
    code = "```sh\necho $HOME $PATH \\(a\\) ![b](c)\n```"
    assert shown(code) == code
    assert shown("run `echo $A $B` now") == "run `echo $A $B` now"


def test_pictures_become_links_so_that_no_address_of_the_model_is_fetched() -> None:
    assert shown("![x](http://example.org/a.png)") == "&#33;[x](http://example.org/a.png)"


def test_streamlits_own_colour_marks_are_only_text() -> None:
    assert shown("a :red[b]") == r"a \:red[b]"


def test_an_unfinished_fence_is_closed_while_it_is_written() -> None:
    assert shown("```python\nprint(1)", is_open=True) == "```python\nprint(1)\n```"
    assert shown("```python\nprint(1)") == "```python\nprint(1)"


def test_unfinished_bold_and_formulas_are_closed_while_they_are_written() -> None:
    assert shown("this is **im", is_open=True) == "this is **im**"
    assert shown("$$x", is_open=True) == "$$x$$"
    assert shown("call `f", is_open=True) == "call `f`"


def test_a_long_answer_comes_in_blocks_that_do_not_change_as_it_grows() -> None:
    paragraph = "All work and no play. " * 40 + "\n\n"
    before = to_markdown(paragraph * 6, is_open=True)
    after = to_markdown(paragraph * 9, is_open=True)
    assert len(before) > 1
    assert after[: len(before) - 1] == before[:-1]


def test_no_block_ends_inside_a_fence() -> None:
    text = "```\n" + "line\n\n" * BLOCK_CHARS + "```\n\nend"
    assert to_markdown(text)[0].count("```") == 2


@given(texts, st.booleans())
def test_any_text_can_be_shown(text: str, is_open: Any) -> None:
    assert to_markdown(text, is_open=is_open)


def test_a_line_break_is_kept() -> None:
    assert shown("两个黄鹂鸣翠柳，\n一行白鹭上青天。") == "两个黄鹂鸣翠柳，  \n一行白鹭上青天。"
    assert shown("one\ntwo\n\nthree\n# four\nfive") == "one  \ntwo\n\nthree  \n# four\nfive"


def test_line_breaks_of_code_and_of_formulas_are_left_alone() -> None:
    code = "~~~\na\nb\n~~~"
    assert shown(code) == code
    listed = "1. so:\n   ```python\n   a = 1\n   b = '$5'\n   ```"
    assert shown(listed) == listed
    assert shown("$$\na\nb\n$$") == "$$\na\nb\n$$"


def test_code_within_a_line_ends_at_as_many_backticks_and_not_beyond_its_paragraph() -> None:
    assert shown("``a ` $b`` $5") == r"``a ` $b`` \$5"
    assert shown("a ` $5\n\nb ` $6") == "a ` \\$5\n\nb ` \\$6"


HARD = (
    *("`", "` ", "`a``b", "$", "$ ", "$$", "$$\n", "$a\n", r"\(", r"\[", r"\[x\]", "![", "![x](a)", ":a", ":a["),
    *(
        "<think>",
        "</think>",
        "**",
        "\n",
        "\n\n",
        "[",
        "](",
        "<",
        "<a>",
        "*",
        "_",
        "|",
        "\\",
        "é",
        "中",
        "\r",
        "&",
        "- ",
    ),
    *("- ", "```\n", "~~~\n", "```x\n", "```a\n![\n```\n\n", "```mermaid\n", "``` &amp;\n", "a\n\n", "    ```\n", "\0"),
)


def draw(text: str, *, is_open: bool) -> int:
    """Make all that a card draws of a text, anew."""
    _kept.cache_clear()
    segments = split_thinking(text)
    return sum(len(to_markdown(segment.text, is_open=is_open)) for segment in segments) + len(plain(text))


def steps(text: str, *, is_open: bool) -> int:
    """How many functions that takes, ours and the interpreter's."""
    counted = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        draw(text, is_open=is_open)
    finally:
        sys.setprofile(None)
    return counted


@given(st.lists(st.sampled_from(HARD), min_size=1, max_size=4).map("".join), st.booleans())
@settings(max_examples=25)
def test_work_grows_as_the_text_does(piece: Any, is_open: Any) -> None:
    short, long = piece * (2_000 // len(piece)), piece * (16_000 // len(piece))
    assert steps(long, is_open=is_open) < 12 * steps(short, is_open=is_open) + 500


@pytest.mark.parametrize("piece", HARD)
@pytest.mark.slow
def test_time_grows_as_the_text_does(piece: Any) -> None:
    """Functions that are called once may take long too."""
    assert grows_evenly(lambda text: draw(text, is_open=True), piece)


def test_of_a_megabyte_only_as_much_is_drawn_as_anybody_reads() -> None:
    text = "<think>" + "a" * 500_000 + "</think>" + "b" * 500_000
    for from_end in (False, True):
        segments = shortened(split_thinking(text), 1000, from_end=from_end)
        assert [segment.kind for segment in segments] == ["think", "text"]
        assert 1000 <= sum(len(segment.text) for segment in segments) < 1020
        assert segments[from_end].text.count("ab"[from_end]) == 1000


def test_many_thoughts_do_not_become_endless_boxes() -> None:
    segments = split_thinking("<think>a</think>b" * 500)
    assert len(segments) <= MAX_SEGMENTS + 1
    assert "".join(segment.text for segment in segments).count("b") == 500


@pytest.mark.parametrize("ticks", [1, 2, 3, 67])
def test_backticks_behind_a_backslash_are_drawn(ticks: int) -> None:
    text = "so \\" + "`" * ticks + " it is"
    assert "".join(to_markdown(text, is_open=False)).replace("\n", "").count("`") >= ticks
