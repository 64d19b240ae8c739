"""Keys from a pipe, a file and a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multi_llm_comparator.cli.pressed_keys import keys_at_once, pressed_key


@contextmanager
def standard_input(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> Iterator[None]:
    with os.fdopen(descriptor, "r", encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        yield


async def keys() -> list[str]:
    found = []
    while key := await pressed_key():
        found.append(key)
    return found


async def test_each_letter_of_a_pipe_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    os.write(into, b"aB\n t\xff")
    os.close(into)
    with standard_input(monkeypatch, out), keys_at_once():
        assert await keys() == ["a", "b", "t", "�"]


async def test_a_file_is_read_likewise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("ax\nq", encoding="utf-8")
    with standard_input(monkeypatch, os.open(tmp_path / "keys", os.O_RDONLY)):
        assert await keys() == ["a", "x", "q"]


async def test_a_terminal_gives_each_key_at_once_and_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    import termios

    master, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    with standard_input(monkeypatch, os.dup(terminal)):
        with keys_at_once():
            os.write(master, b"A\x04")
            assert await keys() == ["a"]
        assert termios.tcgetattr(terminal) == before
    os.close(master)
    os.close(terminal)
