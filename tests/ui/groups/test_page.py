"""The Groups page without a browser: what it shows of a gateway whose models fail and recover."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import Failed, Queued
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.groups.config import FallbackStrategy
from multi_llm_comparator.groups.fallback_plan import OVERFLOW_RULE
from multi_llm_comparator.groups.targets import DIRECT, FALLBACK_GROUPS
from multi_llm_comparator.ui.groups.group_list import BREAKER_TONES
from multi_llm_comparator.ui.groups.trial import Trial
from multi_llm_comparator.ui.kit import figures, i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.gateways import asking
from tests.support.scripted_models import scripted_model
from tests.ui.grouping import regroup
from tests.ui.test_pages import html_of, opened


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
    assert "ash" in html_of(page)
    assert i18n.translate("en", "groups.state_closed") in html_of(page)
    assert not page.dataframe, "a light table does not flicker when it is drawn anew each second"
    limits, attempts = (html.proto.body for html in page.get("html") if "<table" in html.proto.body)
    assert "<td>1 / 50</td>" in limits
    for cell in ("quick", "ash", "levels of the group", "answered"):
        assert f"<td>{cell}</td>" in attempts


@pytest.mark.parametrize("rule", [*FallbackStrategy, DIRECT, FALLBACK_GROUPS, OVERFLOW_RULE, "retry"])
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_whatever_brings_a_request_to_a_model_has_words(language: Language, rule: str) -> None:
    assert i18n.translate(language, f"groups.rule_{rule}") != rule


def test_what_others_wrote_is_shown_as_text(bench: Workbench, groups_file: Path) -> None:
    bench.gateway.parts.health.reset("ash")
    assert ask(bench, "<b>quick</b>") is not None
    shown = html_of(opened("groups"))
    assert "&lt;b&gt;quick&lt;/b&gt;" in shown
    assert "<b>quick</b>" not in shown


def test_budgets_the_cache_and_what_is_wrong_are_shown(
    bench: Workbench, groups_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert regroup(
        bench,
        "gateway: {cache: {enabled: true}}\n"
        "task_groups: {quick: {e: {models: [ash]}, budget: {per_day_usd: 5, per_run_usd: 0.5}}}",
    )
    assert ask(bench, "quick") is None
    assert ask(bench, "quick") is None
    page = opened("groups")
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics[i18n.translate("en", "groups.from_cache")] == "1"
    assert i18n.translate("en", "groups.budget_per_run", limit=figures.dollars(0.5)) in html_of(page)
    state = replace(bench.gateway._shared, problem="no address")
    monkeypatch.setattr(bench.gateway, "_shared", state)
    assert i18n.translate("en", "groups.not_shared") in html_of(opened("groups"))


def test_a_model_can_be_left_alone_and_used_again(bench: Workbench, groups_file: Path) -> None:
    page = opened("groups")
    next(b for b in page.button if b.label == i18n.translate("en", "groups.open")).click().run()
    assert i18n.translate("en", "groups.state_open") in html_of(page)
    assert ask(bench, "quick") is None, "the other model answers"
    assert bench.gateway.get_history()[0]["model"] == "birch"
    next(b for b in page.button if b.label == i18n.translate("en", "groups.reset")).click().run()
    assert i18n.translate("en", "groups.state_open") not in html_of(page)


def test_a_model_that_rests_can_be_used_again_at_once(bench: Workbench, groups_file: Path) -> None:
    bench.gateway.parts.health.rest("ash", 200)
    page = opened("groups")
    next(b for b in page.button if b.label == i18n.translate("en", "groups.reset")).click().run()
    assert bench.gateway.parts.why_out("ash") is None


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_member_that_is_not_on_this_machine_is_red_and_out(
    bench: Workbench, groups_file: Path, asked_before: bool
) -> None:
    """Nothing has failed yet, so its breaker is closed: that made it green and in service."""
    assert regroup(bench, "task_groups: {quick: {e: {models: [ahs]}, f: {models: [birch]}}}")
    if asked_before:
        assert ask(bench, "quick.e") is None, "the level below answers"
        assert bench.gateway.get_history()[0]["model"] == "birch"
    page = opened("groups")
    rows = [html.proto.body for html in page.get("html") if "mlc-model-row" in html.proto.body]
    missing, there = (next(row for row in rows if name in row) for name in ("ahs", "birch"))
    assert i18n.translate("en", "groups.out_missing") in missing
    assert i18n.translate("en", "groups.state_closed") not in missing
    assert "did you mean &#x27;ash&#x27;?" in missing
    assert i18n.translate("en", "groups.state_closed") in there
    (levels,) = (html.proto.body for html in page.get("html") if 'class="mlc-groups"' in html.proto.body)
    dot = f'<span class="mlc-dot" style="--tone:{BREAKER_TONES["open"].css}"></span>'
    assert f"{dot}ahs" in levels
    buttons = [b for b in page.button if b.label == i18n.translate("en", "groups.open")]
    assert len(buttons) == 1, "only the model that is there can be left alone"


def test_a_refused_configuration_is_shown_while_the_old_one_serves(bench: Workbench, groups_file: Path) -> None:
    assert not regroup(bench, "task_groups: {quick: {e: {models: [ash], rpm_limit: many}}}")
    page = opened("groups")
    assert "task_groups.quick.e.rpm_limit" in html_of(page)
    assert ask(bench, "quick") is None


def test_without_groups_the_page_says_what_they_are_for(bench: Workbench, groups_file: Path) -> None:
    assert regroup(bench, "{}")
    assert i18n.translate("en", "groups.none_title") in html_of(opened("groups"))


def test_a_target_is_tried_and_the_page_says_who_answered_after_which_attempts(
    bench: Workbench, groups_file: Path, tmp_path: Path
) -> None:
    broken = scripted_model(tmp_path, "ash", faults=[{"kind": "error", "after_tokens": 0}])
    bench.models.available_models[0] = broken
    page = opened("groups")
    page.selectbox(key="groups_trial_target").set_value("quick")
    page.text_input(key="groups_trial_prompt").set_value("What is 23 * 17?")
    next(b for b in page.button if b.label == i18n.translate("en", "trial.ask")).click().run()
    trial: Trial = page.session_state["groups_trial"]
    trial.wait(timeout_s=60)
    page.run()
    assert not page.exception
    shown = html_of(page)
    assert i18n.translate("en", "trial.fell_back", rule="levels of the group") in shown
    assert "mlc-failed" in shown
    assert any("birch says" in element.value for element in page.markdown)


def test_a_trial_that_waits_says_how_many_are_before_it(bench: Workbench, groups_file: Path) -> None:
    trial = Trial("quick", "go on")
    trial.progress.apply(Queued(request_id="r", ahead=2))
    page = opened("groups")
    page.session_state["groups_trial"] = trial
    page.run()
    assert i18n.translate("en", "waiting.ahead", n=2) in html_of(page)


def test_a_trial_can_be_stopped(bench: Workbench, groups_file: Path, tmp_path: Path) -> None:
    slow = scripted_model(tmp_path, "ash", faults=[{"kind": "hang", "after_tokens": 1}], otherwise="one two three")
    bench.models.available_models[0] = slow
    trial = Trial("quick", "go on")
    trial.start(bench)
    deadline = time.monotonic() + 60
    while not trial.progress.text and time.monotonic() < deadline:
        time.sleep(0.05)
    trial.stop()
    with pytest.raises(CancelledError):
        trial.wait(timeout_s=60)
    while not trial.progress.is_over and time.monotonic() < deadline:
        time.sleep(0.05)
    assert trial.progress.state == "stopped"
    assert trial.progress.text.startswith("one")
    assert trial.progress.tokens >= 1


def test_what_has_no_model_here_is_not_offered(bench: Workbench, groups_file: Path) -> None:
    assert regroup(bench, "task_groups: {quick: {e: {models: [ash]}}, gone: {e: {models: [nowhere]}}}")
    assert opened("groups").selectbox(key="groups_trial_target").options == ["quick · group"]
