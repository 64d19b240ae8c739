"""Questions as people write them, asked on the page one after the other in one conversation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import board
from tests.support.material import files

CONVERSATIONS = files("conversations.jsonl", "mt_bench", "question.jsonl")
# Of each file: two dozen answers of four models.
HALF_A_DOZEN = 6


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_questions_are_answered_side_by_side(page: Page, path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    every = len(lines) // HALF_A_DOZEN
    prompts = [json.loads(line)["turns"][0].strip() for line in lines][::every][:HALF_A_DOZEN]
    for turn, prompt in enumerate(prompts):
        board.ask(page, prompt)
        expect(board.cards(page, turn)).to_have_count(4)
        # By their numbers: a list of what is there would hold what a redraw is about to take away.
        for index in range(4):
            text = board.cards(page, turn).nth(index).locator('[class*="st-key-text_"]')
            expect(text).to_contain_text(re.compile(r"\S"), timeout=board.LOADING_MS)
        board.stop_all(page)
        board.expect_states(page, re.compile("stopped|done"), turn=turn)
        shown = page.locator(f".st-key-turn_prompt_{turn} .mlc-prompt").text_content()
        assert (shown or "").split() == prompt.split()
    expect(page.get_by_text("Traceback")).to_have_count(0)
