"""The page Services: an example, what is set up, and what can be done with a run."""

from __future__ import annotations

import asyncio

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.spec import spec_of
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import PATIENCE_S, html_of, press, run_of
from tests.ui.test_pages import opened as page

TEXT = "Revenue rose by 28% to 12.5 million.\n\nRaw materials cost 12% more."


def opened(**query: str) -> AppTest:
    return page("services", **query)


def begun(bench: Workbench, **parameters: str) -> ServiceRun:
    spec = spec_of("document_analysis", {"model": "", **parameters})
    return bench.bridge.run(bench.applications.start(spec, TEXT.encode()), timeout_s=PATIENCE_S)


def ended(bench: Workbench, run_id: str) -> ServiceRun:
    async def wait() -> ServiceRun:
        run = await bench.applications.get(run_id)
        async with asyncio.timeout(PATIENCE_S):
            await run.wait()
        return run

    return bench.bridge.run(wait(), timeout_s=2 * PATIENCE_S)


@pytest.mark.parametrize("service", ["document_analysis", "data_insight"])
def test_an_empty_page_says_what_it_is_for_and_its_examples_work_at_one_click(bench: Workbench, service: str) -> None:
    test = opened()
    assert i18n.translate("en", "services.welcome") in html_of(test)
    press(test, f"services_example_{service}")
    run = ended(bench, run_of(test))
    assert (run.state, run.spec.service_type) == ("done", service)


def test_a_start_that_cannot_be_pressed_says_why(bench: Workbench) -> None:
    test = opened()
    why = i18n.translate("en", "missing.document")
    assert test.button(key="services_start").disabled and why in [caption.value for caption in test.caption]
    test.text_area(key="services_setup_text_0").input(TEXT).run()
    assert not test.button(key="services_start").disabled and why not in [caption.value for caption in test.caption]


def test_what_is_set_up_is_worked_on_and_another_service_has_kinds_of_its_own(bench: Workbench) -> None:
    test = opened()
    kinds = test.pills if hasattr(test, "pills") else test.button_group
    assert any(group.key == "services_setup_kind_0_document_analysis" for group in kinds)
    test.selectbox(key="services_setup_target_0").select("").run()
    test.text_area(key="services_setup_text_0").input(TEXT).run()
    press(test, "services_start")
    run = ended(bench, run_of(test))
    assert (run.state, run.spec.target, run.result is not None) == ("done", "", True)


def test_a_run_that_is_done_shows_its_sources_and_is_set_up_again_with_its_text(bench: Workbench) -> None:
    run = ended(bench, begun(bench).id)
    test = opened(run=run.id)
    assert 'data-state="done"' in html_of(test) and "Revenue rose by 28%" in html_of(test)
    keys = {button.key for button in test.button}
    assert {"services_again", "services_new"} <= keys and not {"services_stop", "services_resume"} & keys
    press(test, "services_again")
    assert test.text_area(key="services_setup_text_1").value == TEXT
    assert "run" not in test.query_params


def test_one_that_was_stopped_is_resumed_and_one_that_was_deleted_is_left(bench: Workbench) -> None:
    run = begun(bench)
    bench.bridge.run(bench.runs.stop(run.id))
    assert run.state == "stopped"
    test = opened(run=run.id)
    press(test, "services_resume")
    assert ended(bench, run.id).state == "done"
    bench.bridge.run(bench.runs.delete([run.id]))
    test.run()
    assert i18n.translate("en", "services.welcome") in html_of(test)
