"""What is said of a job whose process is gone."""

from __future__ import annotations

import signal

import pytest

from multi_llm_comparator.jobs.ending import MAX_PRINTED_CHARS, Ending, ending_of
from multi_llm_comparator.jobs.events import Ended
from multi_llm_comparator.jobs.snapshot import Trouble


def ended(
    told: Ended | None = None, code: int | None = None, log_tail: tuple[str, ...] = (), *, is_stop_asked: bool = False
) -> Ending:
    return ending_of(told, code, log_tail, is_stop_asked=is_stop_asked, grace_s=7.0)


def test_its_own_word_counts_whatever_became_of_the_process() -> None:
    assert ended(Ended(at=1.0, outcome="done"), -signal.SIGKILL, is_stop_asked=True) == Ending("done")
    failed = ended(Ended(at=1.0, outcome="failed", type="DataError", text="no rows"))
    assert failed == Ending("failed", Trouble("DataError", "no rows"))
    assert ended(Ended(at=1.0, outcome="interrupted", text="the machine shuts down")).note == "the machine shuts down"


def test_one_that_did_not_stop_in_time_is_stopped_and_says_that_it_was_killed() -> None:
    ending = ended(code=-signal.SIGKILL, is_stop_asked=True)
    assert ending.state == "stopped" and "within 7 s" in ending.note


def test_an_exit_code_is_a_failure_with_the_last_that_was_printed() -> None:
    ending = ended(code=3, log_tail=("first", "x" * 1000, "  "))
    assert ending.state == "failed" and ending.error is not None
    assert "code 3" in ending.error.text and ending.error.text.endswith(" " + "x" * MAX_PRINTED_CHARS)


@pytest.mark.parametrize(("code", "said"), [(None, "is gone"), (0, "is gone"), (-signal.SIGKILL, "SIGKILL")])
def test_one_that_vanished_is_interrupted_and_can_be_resumed(code: int | None, said: str) -> None:
    ending = ended(code=code)
    assert ending.state == "interrupted" and ending.error is None
    assert said in ending.note and "resume it" in ending.note
