"""Groups written into the file: checked before, never over what somebody else wrote, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.groups.config_edit import (
    ConfigFile,
    version_of,
    with_group,
    with_weight,
    without_group,
)
from multi_llm_comparator.groups.group_entries import GroupEntry, LevelEntry, read_entry, written_entry

TEXT = """# Ours.
task_groups:
  fast:  # quick
    echelon1: {models: [demo-small], supported_tasks: [chat], priority: 1}
    fallback_groups: [slow.e]
    supported_tasks: [chat]
  slow: {e: {models: [demo-large]}, fallback_groups: [fast]}
polling_pools:
  pool: {task_groups: [fast]}
nodes:
  node: {config: {llm_group: fast.echelon1, fallback_groups: [slow]}}
"""
TEXT = TEXT.replace(", supported_tasks: [chat], priority: 1", ", priority: 1")


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    path = tmp_path / "groups.yaml"
    path.write_text(TEXT)
    return ConfigFile(path)


def test_what_a_form_does_not_know_stays(file: ConfigFile) -> None:
    raw = file.read()["task_groups"]["fast"]
    entry = read_entry(raw)
    assert written_entry(entry, raw) == raw
    assert with_group(TEXT, "fast", written_entry(entry, raw), known_as="fast") == TEXT


def test_a_new_group_says_only_what_is_not_usual() -> None:
    entry = GroupEntry(levels=(LevelEntry("level1", ("a",), rpm_limit=5),), per_day_usd=2.0)
    assert written_entry(entry, {}) == {
        "level1": {"models": ["a"], "rpm_limit": 5},
        "budget": {"per_day_usd": 2},
    }


def test_a_group_and_a_level_are_renamed_wherever_they_are_named(file: ConfigFile) -> None:
    raw = file.read()["task_groups"]["fast"]
    entry = read_entry(raw)
    level = LevelEntry(**{**vars(entry.levels[0]), "name": "first"})
    written = written_entry(GroupEntry(**{**vars(entry), "levels": (level,)}), raw)
    text = with_group(TEXT, "quick", written, known_as="fast", levels={"echelon1": "first"})
    file.write_edited(text, version_of(TEXT))
    assert file.path.read_text() == (
        TEXT.replace("  fast:  # quick", "  quick:  # quick")
        .replace("    echelon1:", "    first:")
        .replace("fallback_groups: [fast]", "fallback_groups: [quick]")
        .replace("task_groups: [fast]", "task_groups: [quick]")
        .replace("fast.echelon1", "quick.first")
    )


def test_a_group_that_others_name_is_not_deleted(file: ConfigFile) -> None:
    with pytest.raises(ConfigurationError, match="slow"):
        file.write_edited(without_group(TEXT, "slow"), version_of(TEXT))
    assert file.path.read_text() == TEXT


def test_what_was_changed_by_hand_meanwhile_is_not_overwritten(file: ConfigFile) -> None:
    text = with_group(TEXT, "new", {"e": {"models": ["a"]}})
    file.path.write_text(by_hand := TEXT + "# by hand\n")
    with pytest.raises(ConfigurationError, match="meanwhile"):
        file.write_edited(text, version_of(TEXT))
    assert file.path.read_text() == by_hand


def test_a_change_is_taken_back_and_made_again_until_somebody_writes_by_hand(file: ConfigFile) -> None:
    assert not file.can_undo()
    text = with_group(TEXT, "new", {"e": {"models": ["a"]}})
    file.write_edited(text, version_of(TEXT))
    assert file.can_undo()
    file.undo()
    assert file.path.read_text() == TEXT
    file.undo()
    assert file.path.read_text() == text
    file.path.write_text(text + "# by hand\n")
    assert not file.can_undo()
    with pytest.raises(ConfigurationError, match="take back"):
        file.undo()
    assert len(list(file.path.parent.iterdir())) == 2


def test_a_first_group_makes_the_file(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "llms" / "groups.yaml")
    file.write_edited(with_group("", "g", {"e": {"models": ["a"]}}), version_of(""))
    assert file.read() == {"task_groups": {"g": {"e": {"models": ["a"]}}}}


def test_a_weight_declares_a_local_model_and_one_of_one_says_nothing() -> None:
    assert with_weight(TEXT, "demo-small", 1) == TEXT
    weighted = with_weight(TEXT, "demo-small", 3)
    assert weighted == TEXT + "models:\n  demo-small: {weight: 3}\n"
    assert with_weight(weighted, "demo-small", 2) == TEXT + "models:\n  demo-small: {weight: 2}\n"


@pytest.mark.parametrize("name", ["a b", "a.b", "", "x" * 101])
def test_a_name_that_no_target_can_have_is_refused(file: ConfigFile, name: str) -> None:
    with pytest.raises(ConfigurationError):
        file.write_edited(with_group(TEXT, name, {"e": {"models": ["a"]}}), version_of(TEXT))
    assert file.path.read_text() == TEXT
