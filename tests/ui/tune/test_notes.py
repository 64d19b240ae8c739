"""Remarks on data and of jobs, which are made and stored in English, as a Chinese reader sees them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.encodings import encoding_of
from multi_llm_comparator.jobs.ending import ending_of
from multi_llm_comparator.training.base_model import ROUNDED
from multi_llm_comparator.training.data.detection import Detection
from multi_llm_comparator.training.data.formats import examples_of
from multi_llm_comparator.training.data.left_out import Reason
from multi_llm_comparator.training.data.turns import Unusable
from multi_llm_comparator.training.estimate import estimate
from multi_llm_comparator.ui.kit import i18n, said
from multi_llm_comparator.ui.tune.pieces import note_text
from tests.training.test_estimate import ROWS, SMALL, options


@pytest.fixture(autouse=True)
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (i18n, said):
        monkeypatch.setattr(module, "current_language", lambda: "zh")


def is_chinese(text: str) -> bool:
    """Whether no English sentence is left: two words in a row that are no quotation."""
    return re.search("[\u4e00-\u9fff]", text) is not None and not re.search(r"[a-z]{2,} [a-z]{2,}", text)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}]},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"messages": "?"},
        {"messages": [1]},
        {"messages": [{"role": "user", "content": {"a": 1}}]},
        {"messages": [{"role": "user", "content": "x"}], "images": ["a.png"]},
        {"instruction": 5, "output": "x"},
        {"instruction": "x", "output": "y", "history": "?"},
        {"nothing": 1},
    ],
)
def test_why_a_row_cannot_be_learnt(row: dict[str, Any]) -> None:
    with pytest.raises(Unusable) as refused:
        list(examples_of(row, "auto", None))
    for why in (str(refused.value), str(Reason(str(refused.value), 1_200, "rows.jsonl, line 3"))):
        assert is_chinese(note_text(why).replace("rows.jsonl, line 3", "").replace("system, user", "")), note_text(why)


def test_what_was_left_out_and_what_was_recognised() -> None:
    known = "略去 1,200 条：前面已有几乎相同的内容（a.jsonl, line 3）"
    assert note_text("1,200 left out: nearly the same was there before (a.jsonl, line 3)") == known
    form = Detection("messages", 20, 20, 25, ("messages",))
    assert said.said(form.reason) == "25 行中有 20 行为带 role/content 的消息"


def test_a_guessed_encoding_with_the_files_name_before_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("你好，世界。今天天气很好。".encode("gb18030"))
    assert note_text(f"a.txt: {encoding_of(file).note}").startswith("a.txt: 按 GB18030 读取")


def test_what_an_estimate_says_of_memory() -> None:
    for bytes_free in (10**8, 10**6):
        assert is_chinese(said.said(estimate(options(), ROWS, SMALL, available_bytes=bytes_free).why))


@pytest.mark.parametrize(("code", "is_stop_asked"), [(-9, False), (-15, False), (None, False), (None, True)])
def test_how_a_job_ended(code: int | None, is_stop_asked: bool) -> None:
    assert is_chinese(note_text(ending_of(None, code, [], is_stop_asked=is_stop_asked, grace_s=30).note))


def test_how_weights_are_computed_and_a_remark_that_nobody_translated() -> None:
    assert is_chinese(note_text(ROUNDED).replace("float", ""))
    assert note_text("an older remark: as it was stored") == "an older remark: as it was stored"
