"""The History page without a browser: what it lists of the runs in the store, and what it does with them."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.jobs.events import Sample
from multi_llm_comparator.jobs.snapshot import JobProgress, JobSnapshot
from multi_llm_comparator.jobs.spec import make_spec
from multi_llm_comparator.tracking.records import ItemRef, Point, RunRecord
from multi_llm_comparator.ui.history.overview import job_overview
from multi_llm_comparator.ui.history.run_list import PAGE_SIZE
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.support.made_runs import MadeRuns
from tests.ui.test_pages import MAIN, PATIENCE_S, html_of, press
from tests.ui.test_pages import opened as opened_page

QUESTION = "What is (2 + 3) * 4?"


def opened(**query: str) -> AppTest:
    """The page as a browser opens it at an address."""
    return opened_page("history", **query)


def listed(test: AppTest) -> list[str]:
    """The ids of the runs that the page lists, from its top."""
    return [
        (b.key or "").removeprefix("history_open_") for b in test.button if (b.key or "").startswith("history_open_")
    ]


def said(key: str, **values: object) -> str:
    return i18n.translate("en", key, **values)


def pick(test: AppTest, *run_ids: str) -> AppTest:
    for run_id in run_ids:
        test.checkbox(key=f"history_pick_{run_id}").check().run()
    assert not test.exception
    return test


@pytest.fixture
def both(bench: Workbench) -> tuple[Workbench, str, str]:
    """A workbench with a comparison and a plan run, the plan run last; gives it with their ids."""

    async def make() -> tuple[str, str]:
        made = MadeRuns(bench.store)
        ids = await made.comparison("about apples", "small", "large"), await made.plan(QUESTION)
        await made.aclose()
        return ids

    return bench, *bench.bridge.run(make(), timeout_s=PATIENCE_S)


def store_of_many(bench: Workbench, count: int, **fields: Any) -> None:
    """Write runs straight into the store, the first one last."""
    for number in range(count):
        made = now() - number
        usual: dict[str, Any] = {
            "kind": "comparison",
            "title": f"Run {number}",
            "status": "done",
            "created_at": made,
            "updated_at": made,
        }
        bench.store.save_run(RunRecord(id=f"many{number}", **{**usual, **fields}))


def test_an_empty_history_says_what_it_is_for_and_where_to_begin(bench: Workbench) -> None:
    test = opened()
    assert said("history.empty") in html_of(test)
    assert test.button(key="history_begin_comparison").label == said("history.begin_comparison")
    assert test.button(key="history_begin_plan").label == said("history.begin_plan")


def test_runs_of_all_kinds_are_listed_newest_first(both: tuple[Workbench, str, str]) -> None:
    _, comparison, plan = both
    test = opened()
    assert listed(test) == [plan, comparison]
    shown = html_of(test)
    assert "about apples" in shown and QUESTION in shown
    assert said("kind.comparison") in shown and said("kind.plan") in shown


def test_a_job_is_listed_with_how_far_it_is_and_a_grid_is_no_run_that_it_was_made_from(bench: Workbench) -> None:
    store_of_many(bench, 1, kind="tuning", title="lora", detail="2 of 9 steps, loss 0.5", parent_id="a-grid")
    test = opened()
    shown = html_of(test)
    assert said("kind.tuning") in shown and "2 of 9 steps, loss 0.5" in shown
    assert said("history.made_from_gone") not in shown


def test_a_job_stands_beside_another_with_its_losses_and_last_answers(bench: Workbench) -> None:
    spec = make_spec({"kind": "tuning", "title": "lora"})
    curves = {"loss": (Point(series="loss", step=8, value=0.25, at=0.0),), "learning_rate": ()}
    samples = [Sample(step=step, kind="fixed", prompt="Why?", answer=f"answer {step}") for step in (1, 8)]
    job = JobSnapshot(
        id="j", version=1, spec=spec, title="lora", state="done", created=0.0, begun=1.0, ended=3.0,
        curves=curves, samples=samples, progress=JobProgress(8, 8),
    )  # fmt: skip
    overview = job_overview(job)
    assert overview.figures == {"state": "done", "steps": "8 / 8", "time since it began": "2.0 s", "loss": "0.25"}
    (part,) = overview.parts
    assert (part.prompt, part.answers[0].model, part.answers[0].text) == ("Why?", "at step 8", "answer 8")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "plan"}, "plan"),
        ({"kind": "comparison"}, "comparison"),
        ({"search": "APPLES"}, "comparison"),
        ({"search": "(2 + 3)"}, "plan"),
        ({"model": "planner"}, "plan"),
        ({"state": "failed"}, None),
        ({"days": "own", "from": "2001-01-01", "to": "2001-12-31"}, None),
        ({"tag": "unheard of"}, None),
    ],
)
def test_the_address_says_what_is_listed(
    both: tuple[Workbench, str, str], query: dict[str, str], found: str | None
) -> None:
    _, comparison, plan = both
    test = opened(**query)
    expected = {"plan": [plan], "comparison": [comparison], None: []}[found]
    assert listed(test) == expected
    if found is None:
        assert said("history.no_match") in html_of(test)
        test.button(key="history_show_all").click().run()
        assert listed(test) == [plan, comparison]
        assert not [name for name in query if name in test.query_params]


def test_what_is_chosen_stands_in_the_address(both: tuple[Workbench, str, str]) -> None:
    _, comparison, _ = both
    test = opened()
    test.selectbox(key="history_kind").select("comparison").run()
    test.text_input(key="history_search").set_value("apples").run()
    assert listed(test) == [comparison]
    assert test.query_params["kind"] == "comparison"
    assert test.query_params["search"] == "apples"
    test.button(key="history_clear").click().run()
    assert "kind" not in test.query_params


@pytest.mark.parametrize(
    "query", [{"state": "bogus"}, {"days": "-3"}, {"kind": "<b>"}, {"days": "own", "from": "soon"}]
)
def test_what_an_address_cannot_mean_is_left_out(both: tuple[Workbench, str, str], query: dict[str, str]) -> None:
    _, comparison, plan = both
    assert listed(opened(**query)) == [plan, comparison]


def test_a_run_leads_to_its_page(both: tuple[Workbench, str, str]) -> None:
    _, comparison, plan = both
    test = opened()
    press(test, f"history_open_{plan}")
    assert QUESTION in test.title[0].value.replace("\\", "")
    test = opened()
    test.button(key=f"history_open_{comparison}").click().run()
    assert test.title[0].value == "about apples"


def test_a_run_is_named_tagged_and_noted_and_found_by_all_three(both: tuple[Workbench, str, str]) -> None:
    bench, comparison, _ = both
    bench.store.marks.rename(comparison, "Fruit")
    bench.store.marks.set_tags(comparison, ["orchard"])
    bench.store.marks.set_note(comparison, "Birch was better here.")
    test = opened(tag="orchard")
    assert listed(test) == [comparison]
    shown = html_of(test)
    assert "Fruit" in shown and "# orchard" in shown and "Birch was better" in shown
    assert listed(opened(search="fruit")) == listed(opened(search="better here")) == [comparison]


def test_title_tags_and_note_are_kept_as_they_are_entered(both: tuple[Workbench, str, str]) -> None:
    bench, comparison, _ = both
    test = opened()
    test.button(key=f"icon_mark_{comparison}").click().run()
    test.text_input(key=f"history_title_{comparison}").set_value("Fruit").run()
    test.text_area(key=f"history_note_{comparison}").set_value("Ask again.").run()
    assert not test.exception
    [kept] = [run for run in bench.store.list_runs() if run.id == comparison]
    assert (kept.title, kept.note) == ("Fruit", "Ask again.")


def test_a_tag_on_one_answer_finds_its_run_and_stands_at_its_card(both: tuple[Workbench, str, str]) -> None:
    bench, comparison, _ = both
    key = bench.store.load_items(comparison)[0].key
    bench.store.marks.set_tags(comparison, ["best so far"], ItemRef(key))
    assert listed(opened(tag="best so far")) == [comparison]
    test = AppTest.from_file(str(MAIN), default_timeout=PATIENCE_S)
    test.query_params["run"] = comparison
    test.run()
    assert not test.exception
    assert "# best so far" in html_of(test)


def test_several_runs_are_deleted_after_a_confirmation(both: tuple[Workbench, str, str]) -> None:
    bench, comparison, plan = both
    store_of_many(bench, 1)
    kept = "many0"
    test = pick(opened(), comparison, plan)
    assert said("history.picked", n=2) in [m.value for m in test.markdown]
    test.session_state["history_delete"] = True
    test.run()
    press(test, "history_delete_all_yes")
    assert listed(test) == [kept]
    assert said("history.deleted", n=2) in [toast.value for toast in test.toast]
    assert [run.id for run in bench.store.list_runs()] == [kept]


def test_runs_stay_picked_while_the_list_shows_others(both: tuple[Workbench, str, str]) -> None:
    _, comparison, plan = both
    test = pick(opened(), comparison)
    test.selectbox(key="history_kind").select("plan").run()
    pick(test, plan)
    assert said("history.picked", n=2) in [m.value for m in test.markdown]
    test.button(key="history_pick_end").click().run()
    assert not [b for b in test.button if b.key == "history_beside"]


def test_two_runs_of_different_kinds_stand_side_by_side(both: tuple[Workbench, str, str]) -> None:
    _, comparison, plan = both
    test = pick(opened(), comparison, plan)
    press(test, "history_beside")
    shown, texts = html_of(test), [m.value for m in test.markdown]
    assert test.query_params["beside"] == f"{comparison},{plan}"
    assert "about apples" in shown and QUESTION in shown and "1: " in shown
    assert texts.count("568") == 3 and texts.count("7") == 3
    assert said("history.figure_turns") in shown and i18n.translate("en", "plan.figure_wall") in shown
    test.button(key="history_beside_end").click().run()
    assert listed(test) == [plan, comparison]


def test_only_two_runs_can_stand_side_by_side(both: tuple[Workbench, str, str]) -> None:
    bench, comparison, plan = both
    store_of_many(bench, 1)
    third = "many0"
    test = pick(opened(), comparison)
    assert test.button(key="history_beside").disabled
    assert not pick(test, plan).button(key="history_beside").disabled
    assert pick(test, third).button(key="history_beside").disabled


def test_a_run_that_is_gone_is_not_set_beside_another(both: tuple[Workbench, str, str]) -> None:
    _, comparison, plan = both
    test = opened(beside=f"{comparison},gone")
    assert said("history.beside_gone", run="gone") in [toast.value for toast in test.toast]
    assert listed(test) == [plan, comparison]


def test_a_long_title_ends_in_an_ellipsis_and_is_whole_on_hover(bench: Workbench) -> None:
    title = "word " * 80
    store_of_many(bench, 1, title=title.strip())
    shown = html_of(opened())
    assert "word…</div>" in shown
    assert f'title="{title.strip()}"' in shown


def test_where_a_run_comes_from_is_said(bench: Workbench) -> None:
    store_of_many(bench, 1, title="The first one")
    made = now() + 1
    usual: dict[str, Any] = {"kind": "plan", "status": "done", "created_at": made, "updated_at": made}
    bench.store.save_run(RunRecord(id="child", title="Again", parent_id="many0", **usual))
    bench.store.save_run(RunRecord(id="orphan", title="Left over", parent_id="gone", origin="cli", **usual))
    shown = html_of(opened())
    assert said("history.made_from", title="The first one") in shown
    assert said("history.made_from_gone") in shown
    assert said("history.origin_cli") in shown


def test_a_run_of_a_kind_from_a_newer_version_is_listed_and_cannot_be_opened(bench: Workbench) -> None:
    store_of_many(bench, 1, kind="daydream", title="Of tomorrow")
    test = opened()
    assert test.button(key="history_open_many0").disabled
    assert "daydream" in html_of(test)


def test_a_long_history_is_shown_a_page_at_a_time(bench: Workbench) -> None:
    store_of_many(bench, PAGE_SIZE + 3)
    test = opened()
    assert listed(test) == [f"many{number}" for number in range(PAGE_SIZE)]
    test.session_state["history_page"] = 2
    test.run()
    assert listed(test) == [f"many{number}" for number in range(PAGE_SIZE, PAGE_SIZE + 3)]
    test.text_input(key="history_search").set_value("run 1").run()
    assert "many1" in listed(test)


def test_text_of_others_never_becomes_markup(bench: Workbench) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    store_of_many(bench, 2, title=hostile, detail=hostile, models=(hostile,))
    bench.store.marks.set_note("many0", hostile)
    bench.store.marks.set_tags("many0", [hostile])
    assert "<img" not in html_of(opened())
    assert "<img" not in html_of(opened(beside="many0,many1"))


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_page_speaks_the_readers_language(both: tuple[Workbench, str, str], language: Language) -> None:
    shown = html_of(opened(lang=language))
    assert i18n.translate(language, "status.done") in shown
    assert i18n.translate(language, "kind.plan") in shown
