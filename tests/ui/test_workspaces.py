"""Pages for who signed in with a key: its own runs, its own models, within its own limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.runtime.context import ContextProxy, StreamlitHeaders

from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.core.callers import Caller, KeyLimits, acting_for
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import NotAllowedError, RunNotFoundError
from multi_llm_comparator.core.page_headers import CALLER_HEADER, NAME_HEADER, SCOPES_HEADER
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.tracking.api_keys import ApiKey
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.ui.kit import preferences, visitor
from multi_llm_comparator.ui.kit.navigation import page_names
from multi_llm_comparator.workbench import Workbench
from tests.plans.test_plan_run import OPTIONS
from tests.ui.history.test_page import listed
from tests.ui.test_pages import asked_of, html_of, opened, press


class Door:
    """Says who comes in by the next page, as the gate would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._headers: dict[str, str] = {}
        monkeypatch.setattr(ContextProxy, "headers", property(lambda proxy: StreamlitHeaders(self._headers.items())))

    def lets_in(self, key: ApiKey | None, scopes: str = "pages") -> None:
        self._headers = {"Host": "lab"}
        if key is not None:
            self._headers |= {CALLER_HEADER: key.id, NAME_HEADER: key.name, SCOPES_HEADER: scopes}
        visitor.forget()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    visitor.forget()
    yield Door(monkeypatch)
    visitor.forget()


def as_caller(key: ApiKey) -> Caller:
    return Caller(key.id, key.name, key.scopes, key.limits)


def key_of(bench: Workbench, name: str, **limits: object) -> ApiKey:
    return bench.store.api_keys.create(name, ("pages",), limits=KeyLimits(**limits))[0]  # type: ignore[arg-type]


def ids_by_name(bench: Workbench) -> dict[str, str]:
    return {model.name: model.id for model in bench.models.get_available_models()}


def test_history_lists_what_was_made_for_the_key_that_signed_in(bench: Workbench, door: Door) -> None:
    ann, bob, admin = key_of(bench, "Ann"), key_of(bench, "Bob"), bench.store.api_keys.create("root", ("admin",))[0]
    ash = ids_by_name(bench)["ash"]
    runs = {}
    for key in (ann, bob):
        with acting_for(as_caller(key)):
            runs[key.id] = asked_of(bench, ash, prompt=f"A secret of {key.name}").id
    for key in (ann, bob):
        door.lets_in(key)
        test = opened("history")
        assert listed(test) == [runs[key.id]]
    door.lets_in(admin, "admin")
    test = opened("history")
    assert set(listed(test)) == set(runs.values())
    # Whose they are is said to who sees those of several, and can be chosen.
    assert "Ann" in html_of(test) and "Bob" in html_of(test)
    assert set(test.selectbox(key="history_caller").options) == {"Everybody", "Ann", "Bob"}
    test.selectbox(key="history_caller").select(ann.id).run()
    assert listed(test) == [runs[ann.id]] and test.query_params["caller"] == ann.id
    assert listed(opened("history", caller=bob.id)) == [runs[bob.id]]
    door.lets_in(ann)
    assert not [box for box in opened("history", caller=bob.id).selectbox if box.key == "history_caller"]
    assert listed(opened("history", caller=bob.id)) == [runs[ann.id]]
    # Who came by no gate is nobody.
    door.lets_in(None)
    assert listed(opened("history")) == []


def test_what_is_asked_on_a_page_belongs_to_the_key_and_counts_for_it(bench: Workbench, door: Door) -> None:
    ann = key_of(bench, "Ann")
    door.lets_in(ann)
    test = opened("compare")
    press(test, "compare_example_sky")
    with acting_for(as_caller(ann)):
        (run,) = bench.bridge.run(bench.runs.list())
    assert run.caller == ann.id

    async def ended() -> None:
        await bench.runs.wait(run.id)
        await bench.usage.aclose()

    bench.bridge.run(ended(), timeout_s=60)
    used = bench.store.usage.totals(0)
    assert {one.caller for one in used} == {ann.id}
    assert sum(one.requests for one in used) == 4 and sum(one.completion_tokens for one in used) > 0


def test_another_keys_run_is_not_opened_changed_or_marked(bench: Workbench, door: Door) -> None:
    ann, bob = key_of(bench, "Ann"), key_of(bench, "Bob")
    with acting_for(as_caller(ann)):
        run = asked_of(bench, ids_by_name(bench)["ash"], prompt="A secret")
        bench.store.marks.set_tags(run.id, ["mine"])
    door.lets_in(bob)
    test = opened("compare", run=run.id)
    assert not test.exception and "A secret" not in html_of(test)
    with acting_for(as_caller(bob)):
        for work in (bench.runs.rename(run.id, "x"), bench.runs.stop(run.id), bench.comparisons.get(run.id)):
            with pytest.raises(RunNotFoundError):
                bench.bridge.run(work)
        assert bench.bridge.run(bench.runs.delete([run.id])) == 0
        with pytest.raises(RunNotFoundError):
            bench.store.marks.set_note(run.id, "seen")
        assert bench.store.marks.all_tags() == [] and bench.store.all_models() == []
    with acting_for(as_caller(ann)):
        assert bench.store.marks.all_tags() == [("mine", 1)]
        assert [name for name, _ in bench.store.all_models()] == ["ash"]
        assert bench.bridge.run(bench.runs.delete([run.id])) == 1


def test_pages_about_the_machine_are_not_offered_and_nothing_is_changed_for_everybody(
    bench: Workbench, door: Door
) -> None:
    ann = key_of(bench, "Ann")
    door.lets_in(ann)
    for page in ("usage", "services", "cooperate", "plans", "vote"):
        assert not opened(page).exception, page
    with acting_for(as_caller(ann)):
        assert {name for name in page_names() if visitor.offers(name)} == set(visitor.WORKSPACE_PAGES)
        with pytest.raises(NotAllowedError):
            SavedPlans().save("sums", OPTIONS)
        with pytest.raises(NotAllowedError):
            bench.conversions.start(Path("a"), Path("b"), "Q8_0")
    assert all(visitor.offers(name) for name in page_names())


def test_a_key_is_offered_and_asks_its_own_models_alone(bench: Workbench, door: Door) -> None:
    ann = key_of(bench, "Ann", models=("ash", "birch"))
    ids = ids_by_name(bench)
    door.lets_in(ann)
    test = opened("compare")
    assert {box.value for box in test.selectbox if box.value in ids.values()} <= {ids["ash"], ids["birch"]}
    with acting_for(as_caller(ann)):
        answered = asked_of(bench, ids["ash"], ids["cedar"]).snapshot()
    by_target = {answer.target: answer.progress for answer in answered.turns[0].answers.values()}
    assert by_target[ids["ash"]].state == "done"
    assert "may not ask 'cedar'" in str(by_target[ids["cedar"]].error)


def test_limits_of_a_key_hold_on_pages_too(bench: Workbench) -> None:
    ann = key_of(bench, "Ann", rpm=1)
    ids = ids_by_name(bench)
    with acting_for(as_caller(ann)):
        answered = asked_of(bench, ids["ash"], ids["birch"]).snapshot()
    answers = [answer.progress for answer in answered.turns[0].answers.values()]
    assert sorted(one.state for one in answers) == ["done", "failed"]
    assert any("1 requests a minute" in str(one.error) for one in answers)


def test_choices_and_presets_of_one_are_not_anothers(bench: Workbench) -> None:
    ann, bob = as_caller(key_of(bench, "Ann")), as_caller(key_of(bench, "Bob"))
    with acting_for(ann):
        preferences.update(panes=[{"target": "x", "config": {"system_prompt": "secret"}}])
        Presets().save("calm", ModelConfig(temperature=0.1))
    with acting_for(bob):
        assert preferences.load().panes == [] and Presets().list() == []
    assert Presets().list() == [] and preferences.load().panes == []
    with acting_for(ann):
        assert preferences.load().panes and [one.name for one in Presets().list()] == ["calm"]
    assert {path.name for path in (get_settings().home / "workspaces").iterdir()} == {ann.id}
    assert bench.bridge.run(bench.runs.count(RunFilter())) == 0


def test_a_run_that_a_key_reads_in_is_its_own(bench: Workbench, door: Door) -> None:
    ann, bob = key_of(bench, "Ann"), key_of(bench, "Bob")
    with acting_for(as_caller(ann)):
        run = asked_of(bench, ids_by_name(bench)["ash"], prompt="A secret")
        exported = bench.bridge.run(RunFiles(bench.runs).data("comparison", run.id, "json"))
        read_in = bench.bridge.run(bench.comparisons.import_run(exported)).id
        assert {one.id for one in bench.bridge.run(bench.runs.list())} == {run.id, read_in}
    with acting_for(as_caller(bob)), pytest.raises(RunNotFoundError):
        bench.bridge.run(bench.comparisons.get(read_in))
