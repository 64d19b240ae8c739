from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multi_llm_comparator.ui.kit.escaping import JOINER, inert, plain
from multi_llm_comparator.ui.kit.markdown import to_markdown
from tests.support.markdown_reader import fetched, kinds, read

URL = "http://evil.test/x.png"
# What makes pictures and diagrams, and what makes readers disagree about where they are.
PIECES = (
    "!",
    "[",
    "](",
    "]",
    "![x](",
    f"![x]({URL})",
    f"\\![x]({URL})",
    "![x][ref]",
    f"[ref]: {URL}\n",
    "[![x](a)](b)",
    "`",
    "``",
    "```",
    "```\n",
    "~~~\n",
    "```mermaid\n",
    "``` mermai&#100;\n",
    "~~~ \\mermaid\n",
    "MERMAID",
    "<div>\n",
    "<!--",
    "-->",
    "<pre>",
    "</pre>\n",
    f'<img src="{URL}">',
    "<http://evil.test>",
    "&#33;",
    "&excl;",
    "$$",
    "$",
    "\\[",
    "\\]",
    "\\",
    "- ",
    "1. ",
    "> ",
    "    ",
    "\t",
    "|",
    "|-|-|\n",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "a",
    " ",
    "<think>",
    ":red[",
    "\u2028",
    "\0",
)
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "hardbreak", "softbreak"}

# Ways in which pictures got past a filter that looked for code first.
WAYS = {
    "bare": f"![x]({URL})",
    "after a backslash": f"\\![x]({URL})",
    "after two backslashes": f"\\\\![x]({URL})",
    "by reference": f"![x][a]\n\n[a]: {URL}",
    "by a collapsed reference": f"![a][]\n\n[a]: {URL}",
    "by a short reference": f"![a]\n\n[a]: {URL}",
    "in a link": f"[![x]({URL})](http://evil.test)",
    "after a fence in a list that the list ends": f"- a\n  ```\nb\n![x]({URL})",
    "after a fence in a quote that the quote ends": f"> ```\n![x]({URL})",
    "after an indented fence": f"    ```\n![x]({URL})\n    ```",
    "after a tagged fence": f"- ```\n![x]({URL})\n```",
    "after a fence in HTML": f"<div>\n```\n</div>\n\n![x]({URL})\n\n```",
    "after a fence in a comment": f"<!--\n```\n-->\n![x]({URL})\n```",
    "after a fence with a carriage return": f"```\r\n\r```\r![x]({URL})\r```",
    "after a fence with more signs": f"````\n```\n````\n![x]({URL})",
    "after ticks of another paragraph": f"`\n\n![x]({URL}) `",
    "in a formula": f"$$\n![x]({URL})\n$$",
    "after an open formula": f"$$ a\n\n![x]({URL}) $$",
    "in a table": f"| a |\n|---|\n| ![x]({URL}) |",
    "in a heading": f"# ![x]({URL})",
    "in a thought": f"<think>![x]({URL})</think>![y]({URL})",
    "as a diagram": f'```mermaid\nflowchart TD\n A@{{ img: "{URL}" }}\n```',
    "as a diagram in capitals": "~~~~ MerMaid x\ngraph TD\n~~~~",
    "as a diagram by an entity": "```mermai&#100;\ngraph TD\n```",
    "as a diagram after a backslash": "~~~m\\ermaid\ngraph TD\n~~~",
    "as a diagram in a list": "1. a\n   ```mermaid\n   graph TD\n   ```",
    "as code that holds a picture, then a diagram": f"```\n![x]({URL})\n```\n```mermaid\ngraph TD\n```",
    "as code that holds a longer fence": f"```\n![x]({URL})\n`````\n![y]({URL})\n```",
    "in a language": f"```![x]({URL})\na\n```",
}


@pytest.mark.parametrize("is_open", [False, True])
def test_no_way_makes_an_answer_fetch(is_open: bool) -> None:
    found = {way: [fetched(block) for block in to_markdown(text, is_open=is_open)] for way, text in WAYS.items()}
    assert {way: blocks for way, blocks in found.items() if any(blocks)} == {}


def test_no_way_makes_a_name_or_message_anything_but_text() -> None:
    assert {way for way, text in WAYS.items() if not kinds(plain(text)) <= PLAIN} == set()


@given(texts, st.booleans())
@example("```\n![x](a)\n", True)
def test_no_answer_makes_a_browser_fetch(text: str, is_open: Any) -> None:
    for block in to_markdown(text, is_open=is_open):
        assert fetched(block) == []
        # Whatever a reader takes for code: there is no picture that could be one.
        assert "![" not in block or block.startswith("```")
        for line in block.split("\n"):
            assert fetched(line.lstrip(" >-\t")) == [] or block.startswith("```")


@given(texts)
def test_what_is_inert_is_so_wherever_it_stands(text: str) -> None:
    for before in ("", "x", "> ", "- ", "```\n", "<div>\n", "`", "$$\n", "    "):
        assert fetched(before + inert(text)) == []


@given(st.one_of(texts, st.text()))
def test_names_and_messages_are_shown_as_they_are(text: str) -> None:
    shown = plain(text)
    assert kinds(shown) <= PLAIN
    lines = [line.strip() for line in str(text).splitlines()]
    assert read(shown) == "\n".join(filter(None, lines)).replace("\0", "\ufffd")


@pytest.mark.parametrize(
    "name",
    ["SmolLM2-135M-Instruct.Q4_1.gguf", "https://example.org/a_b?c=1", "done: 3 of 4 (75%)", "模型 · 1.5 GB"],
)
def test_usual_names_need_no_escapes(name: str) -> None:
    assert plain(name) == name


def test_code_with_an_exclamation_mark_before_a_bracket_can_be_copied() -> None:
    blocks = to_markdown("So:\n\n```rust\nlet v = vec![1, 2];\n```\n\nDone.")
    assert blocks[1] == "```rust\nlet v = vec![1, 2];\n```"
    assert JOINER not in "".join(blocks)


def test_code_in_a_list_keeps_its_place_and_its_looks() -> None:
    (block,) = to_markdown("1. So:\n\n    ```rust\n    let v = vec![1, 2];\n    ```\n2. Done.")
    assert block.replace(JOINER, "").count("vec![1, 2]") == 1
    assert fetched(block) == []


def test_a_diagram_is_shown_as_the_text_that_it_is() -> None:
    (block,) = to_markdown("```mermaid\ngraph TD\n```")
    assert "graph TD" in read(block)


@given(texts.filter(lambda text: "```" not in text and "~~~" not in text))
def test_nothing_of_an_answer_gets_lost(text: str) -> None:
    assert "".join(to_markdown(text)).count("a") >= text.count("a")
