"""Groups made and changed on their page: what the form says is what the file gets, whatever things are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.ui.grouping import regroup
from tests.ui.test_pages import html_of, opened, press

FILE = """# Ours.
task_groups:
  quick:  # for short ones
    e: {models: [ash, birch], max_retries: 0, rpm_limit: 50}
  "<b>[x](//evil)":
    e: {models: [cedar]}
"""


@pytest.fixture
def file(bench: Workbench, groups_file: Path) -> Path:
    assert regroup(bench, FILE)
    return groups_file


def said(key: str) -> str:
    return i18n.translate("en", key)


def test_a_new_group_is_written_and_can_be_asked_at_once(bench: Workbench, file: Path) -> None:
    page = opened("groups")
    page.button(key="groups_new").click().run()
    next(box for box in page.text_input if box.label == said("group_edit.name")).set_value("mine").run()
    page.multiselect[0].set_value(["dogwood", "ash"]).run()
    press(page, "groups_editor_save")
    assert file.read_text() == FILE + "  mine:\n    level1: {models: [dogwood, ash]}\n"
    assert list(bench.gateway.groups.config.task_groups) == ["quick", "<b>[x](//evil)", "mine"]


def test_a_group_is_edited_on_its_own_lines_and_the_change_taken_back(bench: Workbench, file: Path) -> None:
    page = opened("groups")
    next(b for b in page.button if b.label == "Edit quick").click().run()
    next(box for box in page.number_input if box.label == said("group_edit.rpm_limit")).set_value(70).run()
    page.selectbox[1].set_value("model_rotate").run()
    assert "rpm_limit: 70" in " ".join(block.value for block in page.code)
    page.button(key="groups_editor_save").click().run()
    changed = FILE.replace("rpm_limit: 50}\n", "rpm_limit: 70}\n    fallback_strategy: model_rotate\n")
    assert file.read_text() == changed
    page = opened("groups")
    page.button(key="groups_undo").click().run()
    assert file.read_text() == FILE
    assert bench.gateway.groups.config.task_groups["quick"].echelons["e"].rpm_limit == 50


def test_a_wrong_form_says_what_is_wrong_and_writes_nothing(bench: Workbench, file: Path) -> None:
    page = opened("groups")
    page.button(key="groups_new").click().run()
    page.button(key="groups_editor_save").click().run()
    assert said("group_edit.no_name") in html_of(page)
    next(box for box in page.text_input if box.label == said("group_edit.name")).set_value("a.b").run()
    page.button(key="groups_editor_save").click().run()
    assert "without spaces and dots" in html_of(page)
    assert file.read_text() == FILE


def test_a_file_with_mistakes_is_repaired_by_hand_first(bench: Workbench, file: Path) -> None:
    page = opened("groups")
    file.write_text(FILE + "  broken: {}\n")
    page.button(key="groups_new").click().run()
    assert not [b for b in page.button if b.key == "groups_editor_save"]
    assert any("broken" in toast.value for toast in page.toast)


def test_names_of_others_are_shown_as_text(bench: Workbench, file: Path) -> None:
    page = opened("groups")
    assert "&lt;b&gt;[x]" in html_of(page) and "<b>[x]" not in html_of(page)
    (edit,) = (b for b in page.button if "evil" in b.label)
    assert "\\[x\\]" in edit.label
    edit.click().run()
    assert not page.exception
