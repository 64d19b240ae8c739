"""Walking folders that are huge, deep, or linked in circles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from multi_llm_comparator.services.scan import walk
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.walk import ScanBudget, Walk
from tests.support.model_files import checkpoint, gguf_bytes


def test_folders_linked_in_a_circle_are_visited_once(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a" / "model")
    (tmp_path / "a" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "also").symlink_to(tmp_path / "a")
    assert len(scan_folder(tmp_path, "test")) == 1


def test_depth_and_number_of_files_are_bounded_and_the_scan_says_so(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 8)
    deep.mkdir(parents=True)
    deep_walk = Walk(max_depth=3)
    assert len(list(deep_walk.folders(tmp_path))) == 4
    assert "more than 3 folders deep" in deep_walk.notes[0]
    for i in range(20):
        (tmp_path / f"{i}.txt").touch()
    full_walk = Walk(budget=ScanBudget(max_seen=5))
    assert sum(len(folder.files) for folder in full_walk.folders(tmp_path)) <= 5
    assert "more than 5 files" in full_walk.notes[0]


def test_hidden_folders_are_left_out(tmp_path: Path) -> None:
    checkpoint(tmp_path / ".partial" / "model")
    assert scan_folder(tmp_path, "test") == []


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint(tmp_path / "model")
    (tmp_path / "other.gguf").write_bytes(gguf_bytes())
    first = scan_folder(tmp_path, "test")
    opened: list[str] = []
    real = os.open

    def counted(path: str, *args: int) -> int:
        opened.append(path)
        return real(path, *args)

    monkeypatch.setattr(os, "open", counted)
    assert scan_folder(tmp_path, "test") == first
    assert opened == []
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert [model.name for model in scan_folder(tmp_path, "test") if not model.is_loadable] == ["model"]
    assert opened


def test_a_lists_reader_cannot_spoil_the_next_scan(tmp_path: Path) -> None:
    checkpoint(tmp_path / "model", generation_config={"top_k": 3})
    scan_folder(tmp_path, "test")[0].config["generation"].clear()
    assert scan_folder(tmp_path, "test")[0].config["generation"] == {"top_k": 3}


def test_a_link_to_a_folder_above_is_left_out_and_everything_else_found(tmp_path: Path) -> None:
    models = tmp_path / "models"
    checkpoint(models / "zebra")
    (models / "a-root").symlink_to("/")
    (models / "b-above").symlink_to(tmp_path)
    (models / "c-self").symlink_to(models)
    notes: list[str] = []
    assert [model.name for model in scan_folder(models, "test", notes=notes)] == ["zebra"]
    assert len(notes) == 3
    assert all("leads to a folder that holds" in note for note in notes)


def test_what_a_link_leads_to_is_looked_at_last_and_within_a_budget_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MAX_SEEN_OUTSIDE", 50)
    elsewhere = tmp_path / "elsewhere"
    checkpoint(elsewhere / "found")
    for i in range(100):
        (elsewhere / "large" / f"{i}").mkdir(parents=True)
    models = tmp_path / "models"
    checkpoint(models / "zebra")
    (models / "a-link").symlink_to(elsewhere)
    notes: list[str] = []
    assert [model.name for model in scan_folder(models, "test", notes=notes)] == ["zebra", "found"]
    assert len(notes) == 1
    assert "left out: more than 50 files" in notes[0]


def test_a_scan_whose_time_is_over_says_where_it_ended_and_keeps_what_it_has(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        checkpoint(tmp_path / name)
    notes: list[str] = []
    assert scan_folder(tmp_path, "test", notes=notes, budget=ScanBudget(max_s=0)) == []
    assert len(notes) == 1
    assert "it took longer than 0 s" in notes[0]
