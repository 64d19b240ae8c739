from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, QueueFullError, RunNotFoundError
from multi_llm_comparator.jobs import registry
from multi_llm_comparator.jobs.spec import changed, differences
from multi_llm_comparator.tracking.records import RunFilter
from tests.jobs.conftest import Roomy, counting, opened, over, trial, until

pytestmark = pytest.mark.usefixtures("warm_jobs")


async def test_jobs_begin_one_after_another_in_an_order_that_can_be_changed(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        first, second, third = [await jobs.start(trial(steps=2, gate=str(gate))) for _ in range(3)]
        await counting(first)
        await until(lambda: third.snapshot().waits_for)
        assert first.snapshot().phase == "counting"
        waits = third.snapshot().waits_for
        assert waits is not None and (waits.what, waits.text) == ("cpus", "waits for 2 CPU(s): jobs use 2 of 2")
        await jobs.move(third.id, second.id)
        assert [run.id for run in jobs.queue] == [third.id, second.id]
        gate.touch()
        ends = [(await over(run)) for run in (first, second, third)]
        with pytest.raises(RunNotFoundError, match="does not wait"):
            await jobs.move(first.id, None)
    begun = [job.begun for job in ends]
    assert begun[0] is not None and begun[1] is not None and begun[2] is not None
    assert begun[0] < begun[2] < begun[1]


async def test_a_job_that_fails_or_is_stopped_while_it_waits_does_not_hold_up_the_others(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        first = await jobs.start(trial(steps=2, gate=str(gate), fails_at=2))
        given_up, last = await jobs.start(trial()), await jobs.start(trial())
        await counting(first)
        await jobs.stop(given_up.id)
        gate.touch()
        assert [(await over(run)).state for run in (first, given_up, last)] == ["failed", "stopped", "done"]
        # What was stopped before it began can be begun yet.
        await jobs.resume(given_up.id)
        assert (await over(given_up)).state == "done"


async def test_jobs_that_need_few_cores_and_little_memory_run_beside_each_other(tmp_path: Path) -> None:
    async with opened(tmp_path, Roomy(memory_bytes=10**9, cpus=4)) as jobs:
        spec = changed(trial(steps=2, gate=str(tmp_path / "go")), needs={"cpus": 1, "memory_bytes": 4 * 10**8})
        one, two, three = [await jobs.start(spec) for _ in range(3)]
        await counting(one)
        await counting(two)
        await until(lambda: three.snapshot().waits_for)
        waits = three.snapshot().waits_for
        assert waits is not None and (waits.what, waits.missing_bytes) == ("memory", 2 * 10**8)
        (tmp_path / "go").touch()
        assert [(await over(run)).state for run in (one, two, three)] == ["done"] * 3


async def test_a_job_waits_for_one_that_another_program_of_the_same_home_has_started(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as app, opened(tmp_path) as command:
        first = await app.start(trial(steps=2, gate=str(gate)))
        await counting(first)
        second = await command.start(trial())
        await until(lambda: second.snapshot().waits_for)
        waits = second.snapshot().waits_for
        assert waits is not None and waits.text == "waits for 2 CPU(s): jobs use 2 of 2"
        gate.touch()
        assert (await over(second)).state == "done" == (await over(first)).state


async def test_no_more_jobs_wait_than_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_QUEUED", 2)
    async with opened(tmp_path) as jobs:
        first = await jobs.start(trial(gate=str(tmp_path / "go")))
        await counting(first)
        waiting = [await jobs.start(trial()) for _ in range(2)]
        with pytest.raises(QueueFullError, match="2 jobs wait already, of at most 2"):
            await jobs.start(trial())
        for run in (*waiting, first):
            await jobs.stop(run.id)
            await over(run)


async def test_a_grid_is_a_job_for_every_combination(tmp_path: Path) -> None:
    async with opened(tmp_path, Roomy(cpus=4)) as jobs:
        spec = changed(trial(), needs={"cpus": 2})
        grid = await jobs.start_grid(spec, {"steps": [1, 2, 4], "nested": [{"way": "a"}, {"way": "b"}]})
        children = [await jobs.get(summary.id) for summary in await jobs.list(RunFilter(parent_id=grid))]
        for run in children:
            assert (await over(run)).state == "done"
        with pytest.raises(ConfigurationError, match="1 to 64 jobs, not 100"):
            await jobs.start_grid(spec, {"steps": list(range(100))})
    in_order = [run.spec for run in sorted(children, key=lambda run: run.created_at)]
    assert differences(in_order) == {"steps": (1, 1, 2, 2, 4, 4), "nested.way": ("a", "b") * 3}
    assert in_order[0].title == "counts · steps 1, nested {'way': 'a'}"


def test_what_differs_between_jobs_goes_by_the_names_of_options() -> None:
    one = trial(rate=1, data={"path": "/a", "share": 0.1})
    other = changed(one, rate=2, data={"path": "/b", "share": 0.1}, needs={"cpus": 1}, title="another")
    assert differences([one, other, one]) == {
        "rate": (1, 2, 1),
        "data.path": ("/a", "/b", "/a"),
        "needs.cpus": (0, 1, 0),
    }
