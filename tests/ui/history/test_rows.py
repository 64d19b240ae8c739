"""What stands beside a run in lists."""

from __future__ import annotations

import pytest

from multi_llm_comparator.ui.history.rows import job_detail
from multi_llm_comparator.ui.kit import i18n, said

STORED = "12 of 1200 steps, loss 1.234, validation loss 2.5e-05"


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (i18n, said):
        monkeypatch.setattr(module, "current_language", lambda: "zh")


@pytest.mark.usefixtures("in_chinese")
def test_how_far_a_job_is_and_why_it_failed_is_said_in_the_readers_language() -> None:
    assert job_detail(STORED) == "12 / 1,200 步, 损失 1.234, 验证损失 2.5e-05"
    assert job_detail("7 of 9 items") == "7 / 9 题"
    assert job_detail(
        "the process of the job was ended by SIGTERM; resume it to continue from its last checkpoint"
    ) == ("任务的进程被 SIGTERM 结束；继续运行即可从最近的检查点开始")


@pytest.mark.usefixtures("in_chinese")
def test_a_detail_of_another_form_stays_as_it_is() -> None:
    for text in ("", "something else, loss 1", "3 of 4 epochs", "loss"):
        assert job_detail(text) == text


def test_in_english_it_stays_as_it_is_stored() -> None:
    assert job_detail("12 of 40 steps, loss 1.234") == "12 of 40 steps, loss 1.234"
