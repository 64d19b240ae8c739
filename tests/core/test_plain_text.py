"""What others wrote reaches the terminal as text, never as a command to it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multi_llm_comparator.cli import consoles
from multi_llm_comparator.core.plain_text import PlainConsole, plain
from multi_llm_comparator.training import trainer

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\r\x7f\u202eevil\u2066\u2028"


def printed(draw: str | Text | Table) -> str:
    file = io.StringIO()
    console = PlainConsole(file=file, markup=False, highlight=False, width=80, color_system=None)
    console.print(draw)
    return file.getvalue()


@given(st.text())
def test_no_character_that_controls_a_terminal_is_left(text: str) -> None:
    left = {c for c in plain(text) if (ord(c) < 0x20 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0}
    assert not left
    assert not set(plain(text)) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "äöü 世界 🙂", "עברית\u200f", ""])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_controls_are_shown() -> None:
    assert plain("a\x1b[31mb\x9bc\u202ed\r\ne\rf") == "a␛[31mb\\u009bc\\u202ed\ne␍f"


def test_answers_tables_and_styled_texts_print_without_controls() -> None:
    table = Table(HOSTILE)
    table.add_row(HOSTILE, style="red")
    for draw in (f"answer {HOSTILE}", Text(HOSTILE, "bold"), table):
        out = printed(draw)
        assert "␛]0;owned␇" in out or "owned" in out
        assert not set(out) & set("\x1b\x07\x08\r\x7f\x9b\u202e\u2066\u2028")


def test_what_is_redrawn_on_a_terminal_has_richs_own_controls_only() -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=True, color_system=None, width=80)
    with Live(Text("a \x1b]0;owned\x07"), console=console, auto_refresh=False) as live:
        live.update(Text("b \x1b]0;owned\x07"), refresh=True)
    assert "\x1b]0" not in file.getvalue()
    assert "\x07" not in file.getvalue()
    assert "b ␛]0;owned" in file.getvalue()
    assert "\x1b[" in file.getvalue(), "the cursor is still moved"


def test_all_that_commands_print_goes_through_it() -> None:
    assert isinstance(consoles.output, PlainConsole)
    assert isinstance(consoles.messages, PlainConsole)
    assert isinstance(trainer.messages, PlainConsole)
