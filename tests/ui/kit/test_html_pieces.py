from __future__ import annotations

import re

from multi_llm_comparator.ui.kit.html_pieces import model_title


def test_a_long_name_keeps_the_end_that_tells_quantizations_apart() -> None:
    pieces = re.findall(r"<span>(.*?)</span>", model_title("SmolLM2-135M-Instruct-Q8_0-from-Q4_1"))
    assert pieces == ["SmolLM2-135M-Instruct-", "Q8_0-from-Q4_1"]


def test_a_short_name_is_whole() -> None:
    assert re.findall(r"<span>(.*?)</span>", model_title("gpt2")) == ["", "gpt2"]


def test_a_name_is_text() -> None:
    assert "<b>" not in model_title("<b>bold</b> and long enough to be parted")
