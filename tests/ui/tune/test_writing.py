from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillOptions
from multi_llm_comparator.training.data.distillation import DistillationSnapshot
from multi_llm_comparator.ui.tune.distill import prompts_of


def test_prompts_of_the_box_and_of_a_file_are_asked_once_each(tmp_path: Path) -> None:
    found = prompts_of("One?\n\n Two? \nOne?", ("more.txt", b"Two?\nThree?\n"), tmp_path)
    assert [prompt.messages[-1].content for prompt in found] == ["One?", "Two?", "Three?"]


def test_nothing_to_ask_is_said(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no prompts"):
        prompts_of(" \n", None, tmp_path)


def test_only_answers_that_somebody_decided_to_use_become_data() -> None:
    prompts = prompts_of("a\nb\nc\nd\ne\nf", None, Path())
    answers = (
        DistilledAnswer(state="done", text="fine"),
        DistilledAnswer(state="done", text="bad", review="rejected"),
        DistilledAnswer(state="done", text="no end", is_cut=True),
        DistilledAnswer(state="done", text="x", edited="better", review="kept"),
        DistilledAnswer(state="done", text="unread", review="taken"),
        DistilledAnswer(state="done", text="x", edited=" ", review="kept"),
    )
    run = DistillationSnapshot(
        id="one",
        version=1,
        title="",
        state="done",
        options=DistillOptions(target="ash"),
        prompts=prompts,
        answers={prompt.key: answer for prompt, answer in zip(prompts, answers, strict=True)},
        error="",
        created_at=0.0,
        ended_at=1.0,
    )
    assert [answer.final for _, answer in run.pairs if answer.is_used] == ["better", "unread"]
    assert (run.used, run.can_be_taken) == (2, 1)
