"""Every test here runs on SQLite and on a real Postgres."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.exceptions import RunAtWorkError, RunConflictError, RunNotFoundError
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.tracking.records import a_run, an_item

ME = WorkingProcess("here", 10, 1000.0)
OTHER = WorkingProcess("there", 10, 1000.0)
LONG_S = 1000.0
RAN_OUT_S = -1.0


def status(store: Store, run_id: str = "r1") -> str:
    return store.load_run(run_id).status


def test_a_run_that_nobody_works_on_is_interrupted(store: Store) -> None:
    store.save_run(a_run(status="running"), owner=ME, lease_s=LONG_S)
    assert (status(store), store.load_run("r1").owner) == ("running", ME)
    assert [run.status for run in store.list_runs(RunFilter(states=("running",)))] == ["running"]
    store.leases.give_up("r1", ME)
    assert (status(store), store.load_run("r1").owner) == ("interrupted", None)
    assert [run.id for run in store.list_runs(RunFilter(states=("interrupted", "failed")))] == ["r1"]
    assert store.count_runs(RunFilter(states=("running",))) == 0


def test_a_lease_that_ran_out_interrupts_too_and_may_still_be_renewed(store: Store) -> None:
    store.save_run(a_run(status="queued"), owner=ME, lease_s=RAN_OUT_S)
    assert (status(store), store.leases.of("r1")) == ("interrupted", None)
    assert store.leases.renew(["r1", "unknown"], ME, LONG_S) == {"r1"}
    assert status(store) == "queued"


@pytest.mark.parametrize("ended", ["done", "failed", "stopped"])
def test_a_run_that_ended_stays_what_it_became(store: Store, ended: str) -> None:
    store.save_run(a_run(status="running"), owner=ME, lease_s=LONG_S)
    store.save_run(a_run(status=ended), owner=ME, lease_s=0)
    assert (status(store), store.leases.all()) == (ended, [])


def test_what_another_process_holds_can_neither_be_taken_written_nor_deleted(store: Store) -> None:
    store.save_run(a_run(status="running"), owner=OTHER, lease_s=LONG_S)
    with pytest.raises(RunAtWorkError, match="process 10 on 'there' is at work on run 'r1'"):
        store.leases.take("r1", ME, LONG_S)
    with pytest.raises(RunAtWorkError):
        store.save_run(a_run(title="mine"), [an_item()], owner=ME, lease_s=LONG_S)
    with pytest.raises(RunAtWorkError):
        store.save_items([an_item()], owner=ME)
    store.save_run(a_run("r2"))
    with pytest.raises(RunAtWorkError):
        store.delete_runs(["r2", "r1"], owner=ME)
    assert store.leases.renew(["r1"], ME, LONG_S) == set()
    store.leases.give_up("r1", ME)
    assert (store.load_run("r1").title, store.load_items("r1"), store.count_runs()) == ("Capitals", [], 2)
    lease = store.leases.of("r1")
    assert lease is not None and lease.owner == OTHER


def test_what_ran_out_can_be_taken_and_its_old_holder_writes_no_more(store: Store) -> None:
    store.save_run(a_run(status="running", updated_at=1.0), owner=OTHER, lease_s=RAN_OUT_S)
    store.save_items([an_item(text="as nobody else took it")], owner=OTHER)
    store.leases.take("r1", ME, LONG_S)
    store.save_run(a_run(status="running", updated_at=2.0), owner=ME, known=1.0)
    with pytest.raises(RunAtWorkError):
        store.save_items([an_item(text="too late")], owner=OTHER)
    store.save_run(a_run(updated_at=3.0), owner=ME, known=2.0, lease_s=0)
    with pytest.raises(RunAtWorkError, match="taken over"):
        store.save_items([an_item(text="too late")], owner=OTHER)
    with pytest.raises(RunConflictError):
        store.save_run(a_run(updated_at=4.0), owner=OTHER, known=1.0)
    assert [item.text for item in store.load_items("r1")] == ["as nobody else took it"]


def test_of_many_who_want_a_run_at_once_one_gets_it(store: Store) -> None:
    store.save_run(a_run(status="running"))

    def take(pid: int) -> bool:
        try:
            store.leases.take("r1", replace(ME, pid=pid), LONG_S)
        except RunAtWorkError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(1, 17))) == 1


def test_an_unknown_run_cannot_be_taken(store: Store) -> None:
    with pytest.raises(RunNotFoundError):
        store.leases.take("nowhere", ME, LONG_S)


def test_a_process_that_is_gone_loses_all_it_held(store: Store) -> None:
    for run_id in ("r1", "r2"):
        store.save_run(a_run(run_id, status="running"), owner=ME, lease_s=LONG_S)
    store.save_run(a_run("r3", status="running"), owner=OTHER, lease_s=LONG_S)
    assert [lease.run_id for lease in store.leases.all()] == ["r1", "r2", "r3"]
    store.leases.end_all_of(ME)
    assert [run.status for run in store.list_runs()] == ["running", "interrupted", "interrupted"]


def test_a_lease_goes_with_its_run(store: Store) -> None:
    store.save_run(a_run(status="running"), owner=ME, lease_s=LONG_S)
    assert store.delete_runs(["r1"], owner=ME) == 1
    assert store.leases.all() == []


def test_a_process_is_told_from_one_that_ended_and_one_elsewhere() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = replace(this_process(), pid=child.pid, began_at=psutil.Process(child.pid).create_time())
    assert (seen.is_gone, seen.is_other) == (False, True)
    child.kill()
    child.wait()
    assert seen.is_gone
    assert not replace(seen, host="elsewhere").is_gone
    assert not this_process().is_gone
    assert replace(this_process(), began_at=1.0).is_gone
