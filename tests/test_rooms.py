"""Files that one worker takes together."""

from __future__ import annotations

from pathlib import Path

from tests.support.rooms import SHARING

TESTS = Path(__file__).parent


def test_each_file_of_a_room_is_there_and_in_no_other() -> None:
    files = [file for room in SHARING.values() for file in room]
    assert [file for file in files if not (TESTS / f"{file}.py").is_file()] == []
    assert len(files) == len(set(files))
