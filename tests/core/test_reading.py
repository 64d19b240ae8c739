from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from multi_llm_comparator.core.reading import open_regular, read_bytes, read_text


def test_a_file_is_read_whole_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("é".encode() * 512)
    assert read_text(tmp_path / "a", 1024) == "é" * 512
    with pytest.raises(OSError, match="larger than 0 KiB"):
        read_bytes(tmp_path / "a", 1023)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_nothing_waits_for_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_bytes(tmp_path / "pipe", 10)


def test_devices_sockets_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    # The name of a socket may be a hundred characters long.
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{os.open(tmp_path, os.O_RDONLY)}/socket")
        for name, said in (("zero", "not a regular file"), ("socket", "not a regular file"), (".", "a folder")):
            with pytest.raises(OSError, match=said), open_regular(tmp_path / name):
                pass


def test_what_is_absent_is_said_as_open_says_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "absent", 10)
