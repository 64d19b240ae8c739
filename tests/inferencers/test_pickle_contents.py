"""What a pickle asks for is read from its instructions: nothing is run, and nothing takes long."""

from __future__ import annotations

import collections
import os
import pickle
import zipfile
from pathlib import Path

import pytest

from multi_llm_comparator.inferencers import pickle_contents
from multi_llm_comparator.inferencers.pickle_contents import hostile_file, imports_beyond_weights


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_imports_are_found_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(pickle.dumps({"a": [1, "posix"], "b": Payload(), "c": Payload()}, protocol))
    assert imports_beyond_weights(file) == [f"{os.system.__module__}.system"]


def test_what_weights_are_made_of_is_no_reason(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(pickle.dumps(collections.OrderedDict(a=1)))
    assert imports_beyond_weights(file) == []
    assert hostile_file(tmp_path) is None


def test_a_pickle_in_an_archive_is_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload()))
    (tmp_path / "a.bin").write_bytes(pickle.dumps({}))
    assert hostile_file(tmp_path) == ("b.bin", [f"{os.system.__module__}.system"])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", b"\x80\x04\x8c\xff", b"(" * 100])
def test_nonsense_is_no_pickle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    assert hostile_file(tmp_path) is None


def test_an_archive_that_unpacks_to_much_is_read_to_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_contents, "MAX_PICKLE_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", b"N0" * 10_000_000)
    assert hostile_file(tmp_path) is None


def test_as_many_names_as_one_likes_are_not_collected(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"".join(b"cevil\nname%d\n0" % number for number in range(5000)) + b"N.")
    assert len(imports_beyond_weights(tmp_path / "a.bin")) == pickle_contents.MAX_NAMES
