"""Panes that ask a group or a remote model instead of one local model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.test_pages import asked_of, html_of, opened


def pickers(page: AppTest) -> list[Any]:
    return [box for box in page.selectbox if (box.key or "").startswith("compare_model_")]


def test_groups_are_offered_beside_models_and_say_what_they_are(bench: Workbench, groups_file: Path) -> None:
    options = [option for option in pickers(opened())[0].options if ":" not in option]
    assert [o.partition(" ")[0] for o in options] == ["ash", "birch", "cedar", "dogwood", "quick"]
    assert options[-1] == "quick · group"


def test_a_group_can_be_picked_and_its_models_are_named(bench: Workbench, groups_file: Path) -> None:
    page = opened()
    pickers(page)[0].set_value("quick").run()
    assert not page.exception
    assert "ash · birch" in html_of(page)
    assert pickers(opened())[0].value != "quick", "a draft that was never asked is not remembered"


def test_a_pane_on_a_group_says_who_answered(bench: Workbench, groups_file: Path) -> None:
    comparison = asked_of(bench, "quick", "ash")
    shown = html_of(opened(run=comparison.id))
    assert i18n.translate("en", "remark.answered_by", model="ash") in shown
    assert shown.count(i18n.translate("en", "remark.answered_by_why")) == 1, "only the group needs to say"


def test_a_pane_on_a_group_goes_to_the_next_model_when_one_fails(
    bench: Workbench, groups_file: Path, tmp_path: Path
) -> None:
    bench.models.available_models[0] = scripted_model(tmp_path, "ash", faults=[{"kind": "exit", "after_tokens": 0}])
    comparison = asked_of(bench, "quick", bench.models.available_models[0].id)
    group, alone = comparison.snapshot().turns[0].answers.values()
    assert (group.progress.state, group.progress.answered_by, group.progress.attempts) == ("done", "birch", 2)
    assert (alone.progress.state, alone.progress.error_type, alone.progress.attempts) == (
        "failed",
        "ModelProcessDied",
        1,
    )


def test_a_pane_keeps_its_models_own_error_however_often_it_is_asked(bench: Workbench, tmp_path: Path) -> None:
    broken = scripted_model(tmp_path, "yew", faults=[{"kind": "exit", "after_tokens": 1}])
    bench.models.available_models.append(broken)
    for _ in range(4):
        comparison = asked_of(bench, broken.id)
        (answer,) = comparison.snapshot().turns[0].answers.values()
        assert answer.progress.error_type == "ModelProcessDied"
