"""The Groups page without a browser: what it shows of a gateway whose models fail and recover."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.events import Failed
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.ui import i18n
from multi_llm_comparator.ui.workbench import Workbench
from tests.support.gateways import asking
from tests.ui.test_pages import html_of, opened


@pytest.fixture
def groups_file(tmp_path: Path, bench: Workbench) -> Path:
    """A file of the test's own behind the workbench's gateway."""
    path = tmp_path / "groups.yaml"
    path.write_text("task_groups: {quick: {e: {models: [ash, birch], max_retries: 0, rpm_limit: 50}}}")
    groups = bench.gateway.groups
    groups._loader, groups.name = TaskGroupManager(tmp_path)._loader, path.name

    async def reload() -> bool:
        return groups.reload()

    assert bench.bridge.run(reload())
    return path


def ask(bench: Workbench, target: str) -> str | None:
    async def asked() -> str | None:
        last = None
        async for event in bench.gateway.stream(target, asking(max_tokens=8)):
            last = event
        return last.message if isinstance(last, Failed) else None

    return bench.bridge.run(asked(), timeout_s=60)


def test_the_page_shows_models_limits_and_attempts(bench: Workbench, groups_file: Path) -> None:
    assert ask(bench, "quick") is None
    page = opened("groups")
    assert not page.exception
    assert "ash" in html_of(page)
    assert i18n.translate("en", "groups.state_closed") in html_of(page)
    limits, attempts = page.dataframe[0].value, page.dataframe[-1].value
    assert limits.to_dict("records")[0]["requests / min"] == "1 / 50"
    assert attempts.to_dict("records")[0]["model"] == "ash"
    assert attempts.to_dict("records")[0]["outcome"] == "answered"


def test_a_model_can_be_left_alone_and_used_again(bench: Workbench, groups_file: Path) -> None:
    page = opened("groups")
    next(b for b in page.button if b.label == i18n.translate("en", "groups.open")).click().run()
    assert i18n.translate("en", "groups.state_open") in html_of(page)
    assert ask(bench, "quick") is None, "the other model answers"
    assert bench.gateway.get_history()[0]["model"] == "birch"
    next(b for b in page.button if b.label == i18n.translate("en", "groups.reset")).click().run()
    assert i18n.translate("en", "groups.state_open") not in html_of(page)


def test_a_refused_configuration_is_shown_while_the_old_one_serves(bench: Workbench, groups_file: Path) -> None:
    groups_file.write_text("task_groups: {quick: {e: {models: [ash], rpm_limit: many}}}")

    async def reload() -> bool:
        return bench.gateway.groups.reload()

    assert not bench.bridge.run(reload())
    page = opened("groups")
    assert "task_groups.quick.e.rpm_limit" in html_of(page)
    assert ask(bench, "quick") is None


def test_without_groups_the_page_says_what_they_are_for(bench: Workbench, groups_file: Path) -> None:
    groups_file.write_text("{}")

    async def reload() -> bool:
        return bench.gateway.groups.reload()

    assert bench.bridge.run(reload())
    assert i18n.translate("en", "groups.none_title") in html_of(opened("groups"))
