"""What a reader must know of an answer before reading it stands at its head and among its figures."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.ui.compare.answer_card import _head, _known_before
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, STATE_TONES
from multi_llm_comparator.workbench import Workbench
from tests.ui.compare.test_turn_chart import DONE, answer
from tests.ui.test_pages import PATIENCE_S, html_of, opened


def head(**changes: Any) -> str:
    return _head(answer("a", replace(DONE, **changes)), 0, MODEL_TONES[0], "")


def test_an_answer_that_ended_at_its_limit_is_not_green_and_says_which_limit() -> None:
    green = f"--tone:{STATE_TONES['done'].css}"
    assert green in head(finish_reason="stop")
    at_the_limit = head(finish_reason="length", tokens=512)
    assert i18n.translate("en", "state.cut", tokens="512") in at_the_limit
    assert i18n.translate("en", "state.cut_why", limit="512") in at_the_limit
    assert green not in at_the_limit
    assert escape(i18n.translate("en", "state.cut_full_why")) in head(finish_reason="length", tokens=41)


def test_an_answer_that_shared_the_device_is_marked_with_whom() -> None:
    mark = i18n.translate("en", "remark.contended")
    assert mark not in head()
    assert mark in head(batched_with=3) and "3 other answers of this model" in head(batched_with=3)
    assert "demo-large" in head(contended_by=("demo-large",))


def test_tokens_read_from_memory_stand_beside_the_first_token() -> None:
    known = answer("a", replace(DONE, prompt_tokens=40, cached_tokens=32)).figures
    assert _known_before(known) == i18n.translate("en", "figure.cached", cached="32", tokens="40")
    assert _known_before(answer("a", replace(DONE, prompt_tokens=40)).figures) == ""


def test_the_page_offers_to_go_on_with_what_was_cut(bench: Workbench) -> None:
    (model,) = (model for model in bench.models.get_available_models() if model.name == "ash")

    async def ask() -> str:
        comparison = await bench.comparisons.create([Pane.new(model.id, ModelConfig(max_tokens=3))])
        await comparison.send("What is 23 * 17?")
        await comparison.wait()
        return comparison.id

    page = opened(run=bench.bridge.run(ask(), timeout_s=PATIENCE_S))
    assert i18n.translate("en", "state.cut", tokens="3") in html_of(page)
    assert i18n.translate("en", "act.go_on") in {button.label for button in page.button}
