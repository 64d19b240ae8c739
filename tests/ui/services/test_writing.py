"""What stands on the page while a model writes."""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.applications.so_far import Writing
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.ui.services.writing import step_name
from tests.applications.working import PATIENCE_S, REPORT, Replies, Working
from tests.ui.test_pages import html_of

OPTIONS = """Choose a tool.

Option A: Hammer
Cost: 5
Advantages: strong

Option B: Saw
Cost: 9
Advantages: sharp

Priorities: cost, strength
"""


def board(answers) -> None:  # type: ignore[no-untyped-def]  # its source is run alone, without imports
    from multi_llm_comparator.ui.services.writing import draw_writing

    draw_writing(answers)


def drawn(*answers: Writing) -> AppTest:
    test = AppTest.from_function(board, args=(answers,)).run()
    assert not test.exception
    return test


def test_a_step_says_its_time_its_tokens_and_what_it_has_written_and_no_json() -> None:
    text = '{"claims": [{"quote": "Revenue <rose>", "claim": "It gr'
    test = drawn(Writing(key="part.2", state="running", for_s=12.4, tokens=31, text=text))
    shown = html_of(test)
    assert "Part 2" in shown and "12 s" in shown and "31 tokens" in shown
    assert escape("“Revenue <rose>” · It gr") in shown and "claims" not in shown
    (raw,) = test.code
    assert raw.value == text and test.expander[0].label == "As the model writes it"


def test_of_a_long_line_that_grows_the_end_is_shown() -> None:
    test = drawn(Writing(key="wording", state="running", for_s=3.0, tokens=9, text=f"begin {'word ' * 200}end"))
    assert "end</p>" in html_of(test) and "begin" not in html_of(test)


def test_a_step_that_waits_for_its_model_says_so() -> None:
    test = drawn(Writing(key="wording", state="loading", for_s=3.0, tokens=0, text=""))
    assert "loading" in html_of(test) and "tokens" not in html_of(test) and not test.expander


def test_nothing_is_drawn_where_nothing_is_written() -> None:
    test = drawn()
    assert not html_of(test).strip() and not test.expander


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ("document_analysis", REPORT),
        ("data_insight", "Sales: Jan: 890, Feb: 945, Mar: 1120, Apr: 1300"),
        ("decision_support", OPTIONS),
    ],
)
async def test_every_step_of_a_service_has_a_name(store: Store, tmp_path: Path, service: str, text: str) -> None:
    work = Working(store, Replies(lambda prompt: "!!!"), tmp_path / "documents")
    run = await work.begun(service, text)
    async with asyncio.timeout(PATIENCE_S):
        await run.wait()
    assert run.answers
    for key in (*run.answers, "transcript", "options"):
        assert step_name(key) and "{" not in step_name(key)


async def test_a_run_at_work_tells_what_it_asks_for_how_long(store: Store, tmp_path: Path) -> None:
    work = Working(store, Replies(lambda prompt: None), tmp_path / "documents")
    run = await work.begun("document_analysis", REPORT)
    async with asyncio.timeout(PATIENCE_S):
        while not run.snapshot().writing:
            await asyncio.sleep(0.01)
    (one,) = run.snapshot().writing
    assert (one.key, one.text, one.tokens) == ("part.1", "", 0) and one.for_s >= 0
    await run.stop()
    assert run.snapshot().writing == ()
