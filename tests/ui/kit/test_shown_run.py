"""The run that a page shows, while it changes."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.applications.spec import spec_of
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model

PATIENCE_S = 60.0


def page(run_id: str) -> None:
    """Its run ends between the title line and the board."""
    import streamlit as st

    from multi_llm_comparator.applications.run import ServiceRun
    from multi_llm_comparator.ui.kit.shown_run import draw_page, stop
    from multi_llm_comparator.ui.services.state import RUN

    def draw_heading(run: ServiceRun | None) -> None:
        st.text(run.state if run is not None else "")

    RUN.open(run_id)
    draw_page(RUN, draw_heading, lambda: None, lambda run: stop(run.id))


def test_the_title_line_is_that_of_a_run_that_ended_while_the_page_was_drawn(bench: Workbench, tmp_path: Path) -> None:
    endless = scripted_model(tmp_path, "yew", otherwise="word " * 500, tokens_per_second=1)
    bench.models.available_models.append(endless)
    spec = spec_of("document_analysis", {"model": endless.id})
    run = bench.bridge.run(bench.applications.start(spec, b"Revenue rose by 28%."), timeout_s=PATIENCE_S)
    test = AppTest.from_function(page, kwargs={"run_id": run.id}, default_timeout=PATIENCE_S).run()
    assert not test.exception
    assert [text.value for text in test.text] == ["stopped"]
