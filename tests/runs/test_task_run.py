"""The life of a run that is one coroutine, however it ends; and how what is stored of one is read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, InferenceError
from multi_llm_comparator.core.readable import cut
from multi_llm_comparator.runs.exporting import Exports
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.snapshot import RunSnapshot
from multi_llm_comparator.runs.stored import LifeDocument, life_of, record_of, take_life
from multi_llm_comparator.runs.task_run import BROKEN, TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.tracking.store import Store

Phase = Literal["", "thinking"]


class ThoughtDocument(LifeDocument):
    of_kind = "thought"


class Thought(TaskRun[RunSnapshot, Phase]):
    """Does what it is given."""

    kind = "thought"
    title = "A thought"

    def __init__(self, do: Callable[[Thought], Awaitable[None]]) -> None:
        self.id, self._do = "thought1", do
        self.created_at = now()
        self.wound_up = 0

    def frozen(self) -> RunSnapshot:
        return RunSnapshot(**self.head())

    async def work(self) -> None:
        self._enter("running", "thinking")
        await self._do(self)

    async def wind_up(self) -> tuple[()]:
        self.wound_up += 1
        return ()

    async def resume(self) -> None:
        self.begin()

    def run_record(self) -> RunRecord:
        document = ThoughtDocument(**life_of(self))
        return record_of(self, document, detail="", models=("a", "b", "a"), search_text="")

    def item_record(self, key: str) -> ItemRecord:
        raise AssertionError(key)


@pytest.fixture
def thoughts(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'thoughts.db'}")
    yield store
    store.close()


def recorded(run: Thought, store: Store) -> Thought:
    run.recorder = RunRegistry(store).recorder(run)
    return run


async def test_it_is_done_where_nothing_went_wrong_and_failed_where_it_says_so(thoughts: Store) -> None:
    async def well(run: Thought) -> None:
        assert run.snapshot().stage == "thinking"

    async def badly(run: Thought) -> None:
        run.error = "nothing came of it"

    async def refused(run: Thought) -> None:
        raise InferenceError("no such model")

    ends = {well: ("done", None), badly: ("failed", "nothing came of it"), refused: ("failed", "no such model")}
    for do, outcome in ends.items():
        run = recorded(Thought(do), thoughts)
        run.begin()
        await run.wait()
        assert (run.state, run.error) == outcome
        assert (run.wound_up, run.snapshot().is_over, run.snapshot().ended_at) == (1, True, run.ended_at)
        stored = thoughts.load_run(run.id)
        assert (stored.status, stored.models) == (outcome[0], ("a", "b"))
        thoughts.delete_runs([run.id])


async def test_what_should_never_happen_fails_it_and_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(run: Thought) -> None:
        raise ZeroDivisionError

    run = Thought(breaks)
    with caplog.at_level(logging.ERROR):
        run.begin()
        await run.wait()
    assert (run.state, run.error, run.wound_up) == ("failed", BROKEN, 1)
    assert "thought thought1 broke" in caplog.text and "ZeroDivisionError" in caplog.text


async def test_stopped_before_it_began_and_on_its_way(thoughts: Store) -> None:
    async def hangs(run: Thought) -> None:
        await asyncio.Event().wait()

    early = recorded(Thought(hangs), thoughts)
    early.begin()
    await early.stop()
    assert (early.state, early.wound_up, thoughts.load_run(early.id).status) == ("stopped", 1, "stopped")
    late = Thought(hangs)
    late.begin()
    while late.phase != "thinking":
        await asyncio.sleep(0)
    await late.interrupt()
    assert (late.state, late.phase, late.error) == ("interrupted", "", None)
    await late.stop()
    assert late.state == "interrupted"


async def test_one_whose_end_cannot_be_written_has_failed(thoughts: Store) -> None:
    async def is_taken_over(run: Thought) -> None:
        thoughts.leases.end_all_of(this_process())
        thoughts.leases.take(run.id, WorkingProcess("another-machine", 1, 1.0), 1000.0)

    run = recorded(Thought(is_taken_over), thoughts)
    await run.save()
    run.begin()
    await run.wait()
    assert (run.state, thoughts.load_run(run.id).status) == ("failed", "queued")
    assert "another-machine" in (run.error or "") and run.save_error == run.error


async def test_a_snapshot_stays_the_same_until_something_changes() -> None:
    async def nothing(run: Thought) -> None:
        return

    run = Thought(nothing)
    first = run.snapshot()
    assert run.snapshot() is first
    run.changed()
    assert run.snapshot() is not first and run.snapshot().version == first.version + 1


async def test_what_is_stored_is_read_back_unless_another_kind_or_a_newer_version_wrote_it() -> None:
    async def nothing(run: Thought) -> None:
        return

    run = Thought(nothing)
    run.state, run.phase, run.error = "failed", "thinking", "why"
    record = run.run_record()
    again = Thought(nothing)
    take_life(again, ThoughtDocument.read(record))
    assert life_of(again) == life_of(run)
    for wrong in (
        replace(record, kind="vote"),
        replace(record, schema_version=2),
        replace(record, document={**record.document, "state": "thinking hard"}),
    ):
        with pytest.raises(DocumentError, match="thought"):
            ThoughtDocument.read(wrong)


def test_a_format_that_there_is_not_names_those_that_there_are() -> None:
    exports = Exports[str]("a thought", text=lambda thought, _: f"{thought}\ud800", bytes=lambda *_: b"\x00")
    assert [exports("é", name) for name in exports.formats] == ["é?".encode(), b"\x00"]
    with pytest.raises(ConfigurationError, match="'pdf' for a thought; there are text, bytes"):
        exports("é", "pdf")
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "abc …")
