"""Questions that somebody else wrote, asked on the page one after the other in one conversation."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import board

MATERIAL = Path(os.environ.get("MLC_TEST_MATERIAL", Path(__file__).parents[2].parent / "shared" / "material"))
QUESTIONS = MATERIAL / "mt_bench" / "question.jsonl"
EVERY, A_DOZEN = 7, 12

pytestmark = pytest.mark.skipif(not QUESTIONS.exists(), reason="the questions are not on this machine")


def test_a_dozen_real_questions_are_answered_side_by_side(page: Page):
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["turns"][0].strip() for line in lines][::EVERY][:A_DOZEN]
    for turn, prompt in enumerate(prompts):
        board.ask(page, prompt)
        expect(board.cards(page, turn)).to_have_count(4)
        for card in board.cards(page, turn).all():
            expect(card.locator('[class*="st-key-text_"]')).to_contain_text(re.compile(r"\S"), timeout=board.LOADING_MS)
        board.stop_all(page)
        board.expect_states(page, re.compile("stopped|done"), turn=turn)
        shown = page.locator(f".st-key-turn_prompt_{turn} .mlc-prompt").text_content()
        assert (shown or "").split() == prompt.split()
    expect(page.get_by_text("Traceback")).to_have_count(0)
