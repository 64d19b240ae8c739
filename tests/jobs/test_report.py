"""What a job may tell, whatever its libraries and models do, and what is read of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs import account, report
from multi_llm_comparator.jobs.account import Account
from multi_llm_comparator.jobs.bounds import cut_log
from multi_llm_comparator.jobs.events import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARS,
    Artefact,
    Ended,
    JobEvent,
    JobNote,
    PointMade,
    Result,
    Sample,
    event_line,
    read_event,
)
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.report import EventsFile, Report

LONG = ["\ud800", "\x00\n\r\u2028", "界" * 3 * MAX_TEXT_CHARS, "\x01" * MAX_TEXT_CHARS]
TEXTS = st.text(max_size=200) | st.sampled_from(LONG)


@given(TEXTS, TEXTS, st.integers(0, 10**9), st.floats())
def test_whatever_a_model_answers_becomes_one_line_that_can_be_read(
    prompt: str, answer: str, step: int, value: float
) -> None:
    told: list[JobEvent] = []
    to = Report(told.append)
    to.sample(step, "best", prompt, answer, reference=prompt, score=value)
    to.point("loss", step, value)
    to.note("warning", answer)
    for event in told:
        line = event_line(event)
        assert line.count(b"\n") == 1 and len(line) <= MAX_LINE_BYTES
        assert read_event(line) == event


@given(st.binary(max_size=300))
def test_lines_that_are_no_events_are_passed_over(line: bytes) -> None:
    event = read_event(line)
    assert event is None or event_line(event)


def test_a_value_that_is_no_number_is_said_once_and_left_out() -> None:
    told: list[JobEvent] = []
    to = Report(told.append)
    for step in range(3):
        to.point("loss", step, math.nan)
    assert [type(event) for event in told] == [JobNote]
    assert "loss is nan at step 0" in event_line(told[0]).decode()


def test_what_is_told_of_an_artefact_or_a_result_is_plain_data() -> None:
    to = Report(lambda event: None)
    with pytest.raises(ConfigurationError, match="must be plain JSON data"):
        to.result({"loss": math.inf})
    with pytest.raises(ConfigurationError, match="at most"):
        to.artefact("adapter", "/tmp", text="x" * MAX_LINE_BYTES)


def test_a_job_that_tells_too_much_is_cut_short_but_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_EVENTS_BYTES", 2000)
    monkeypatch.setattr(report, "MAX_LAST_BYTES", 500)
    folder = JobFolder(tmp_path)
    told = EventsFile(folder.events)
    for step in range(100):
        told(PointMade(series="loss", step=step, value=1.0))
    told(Artefact(kind="adapter", path="/a"))
    for _ in range(100):
        told(Result(values={"loss": 1.0}))
    told(Ended(outcome="done"))
    told.close()
    assert folder.events.stat().st_size < 3000
    events = [read_event(line) for line in folder.read_events(0, 10_000)[0]]
    assert [event.text for event in events if isinstance(event, JobNote)] == [
        "the job has told 0 MiB; curves and samples end here, the work goes on"
    ]
    assert isinstance(events[-1], Ended)


def test_a_line_that_was_torn_does_not_spoil_the_next(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.events.write_bytes(b'{"event":"poi')
    told = EventsFile(folder.events)
    told(Ended(outcome="done"))
    told.close()
    lines, _ = folder.read_events(0, 10_000)
    assert [type(read_event(line)) for line in lines] == [type(None), Ended]


def test_only_whole_lines_are_read_and_endless_ones_are_passed_over(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.events.write_bytes(b"one\ntwo\nthr")
    assert folder.read_events(0, 100) == ([b"one", b"two"], 8)
    assert folder.read_events(8, 100) == ([], 8)
    folder.events.write_bytes(b"x" * 250 + b"\nlast\n")
    lines, offset = [], 0
    for _ in range(5):
        found, offset = folder.read_events(offset, 100)
        lines += found
    assert lines[-1] == b"last"


def test_an_attempt_that_repeats_steps_replaces_what_was_told_of_them() -> None:
    told = Account()
    for value in (1.0, 2.0):
        told.add(PointMade(series="loss", step=5, value=value))
        told.add(Sample(step=5, kind="fixed", prompt="?", answer=str(value)))
        told.add(JobNote(text="slower"))
    assert [point.value for point in told.curves()["loss"]] == [2.0]
    assert [sample.answer for sample in told.samples] == ["2.0"]
    assert len(told.notes) == 1


def test_a_curve_of_many_points_is_thinned_and_keeps_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "MAX_CURVE_POINTS", 100)
    told = Account()
    for step in range(1000):
        told.add(PointMade(series="loss", step=step, value=float(step)))
        assert len(told.curves()["loss"]) <= 100
        assert told.curves()["loss"][-1].step == step


def test_a_log_is_cut_to_its_last_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    assert not cut_log(log, max_bytes=10_000, kept_bytes=100)
    with log.open("ab") as printing:
        assert cut_log(log, max_bytes=5_000, kept_bytes=100)
        printing.write(b"and more\n")
    lines = log.read_text().splitlines()
    assert lines[0].startswith("[earlier lines were cut here") and lines[1].startswith("line 9")
    assert lines[-2:] == ["line 999", "and more"]


def test_the_end_of_a_log_shows_progress_bars_as_one_sees_them(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.log.write_bytes(b"begin\n 10%\r 50%\r100%\nend\n")
    assert folder.log_tail() == ("begin", "100%", "end")
