"""What failed leads to the page where it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core import exceptions
from multi_llm_comparator.ui.kit import failures, i18n
from multi_llm_comparator.ui.kit.navigation import page_names
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.grouping import regroup
from tests.ui.test_pages import asked, asked_of, html_of, opened


def test_places_are_pages_and_their_errors_are_ours() -> None:
    for kind, pages in failures.PLACES.items():
        assert issubclass(getattr(exceptions, kind), exceptions.MultiLLMError)
        assert set(pages) <= set(page_names())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_advice_is_one_sentence_of_an_error_that_is_ours(language: str) -> None:
    advice = {key: text for key, text in i18n.texts(language).items() if key.startswith("error.advice.")}
    for key, text in advice.items():
        assert hasattr(exceptions, key.removeprefix("error.advice."))
        assert text.endswith((".", "。")) and text.count("。") <= 1


def test_a_failure_says_what_happened_why_and_what_helps() -> None:
    shown = failures.failure("KeyRefusedError", "'m' at 'https://x': <401>")
    assert i18n.translate("en", "error.title.KeyRefusedError").replace("'", "&#x27;") in shown
    assert "&lt;401&gt;" in shown and i18n.translate("en", "error.advice.KeyRefusedError") in shown
    assert i18n.translate("en", "error.title.other") in failures.failure(None, "?")


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("KeyRefusedError", {"settings", "groups"}),
        ("RateLimitedError", {"groups"}),
        ("ProviderUnavailableError", {"groups"}),
        ("UnsupportedModelError", {"models"}),
        ("ContextOverflowError", set()),
    ],
)
def test_an_answer_that_failed_has_a_button_to_where_it_is_mended(
    bench: Workbench, tmp_path: Path, kind: str, pages: set[str]
) -> None:
    fault = {"kind": "error", "error_type": kind, "message": "the endpoint says 401"}
    bench.models.available_models.append(scripted_model(tmp_path, "yew", faults=[fault]))
    comparison = asked(bench, "yew")
    test = opened(run=comparison.id)
    words = {i18n.translate("en", f"act.open_{page}"): page for page in ("models", "groups", "settings")}
    assert {words[button.label] for button in test.button if button.label in words} == pages
    assert "the endpoint says 401" in html_of(test)
    if "groups" in pages:
        next(b for b in test.button if b.label == i18n.translate("en", "act.open_groups")).click().run()
        assert not test.exception
        assert i18n.translate("en", "nav.groups") in [title.value for title in test.title]
        assert test.query_params["entry"] == "yew"


@pytest.mark.parametrize(
    ("target", "row"), [("yew", "mlc-model-row"), ("quick.e", "mlc-groups"), ("quick", "mlc-groups"), ("elm", None)]
)
def test_groups_opens_at_the_entry_that_is_asked_for(bench: Workbench, target: str, row: str | None) -> None:
    assert regroup(bench, "task_groups: {quick: {e: {models: [ash, yew]}}, quiet: {e: {models: [birch]}}}")
    bodies = [html.proto.body for html in opened("groups", entry=target).get("html")]
    marked = [body for body in bodies if 'aria-current="true"' in body]
    assert [body.split('"')[1].split()[0] for body in marked] == ([row] if row else [])
    assert all("yew" in body and "mlc-asked-for" in body for body in marked)


def test_of_a_group_the_button_leads_to_the_model_that_was_tried_last(bench: Workbench, tmp_path: Path) -> None:
    fault = {"kind": "error", "error_type": "KeyRefusedError", "message": "the endpoint says 401"}
    bench.models.available_models.append(scripted_model(tmp_path, "yew", faults=[fault]))
    assert regroup(bench, "task_groups: {quick: {e: {models: [yew], max_retries: 0}}}")
    test = opened(run=asked_of(bench, "quick").id)
    next(b for b in test.button if b.label == i18n.translate("en", "act.open_groups")).click().run()
    assert not test.exception
    (marked,) = [html.proto.body for html in test.get("html") if 'aria-current="true"' in html.proto.body]
    assert "mlc-model-row" in marked and "yew" in marked
