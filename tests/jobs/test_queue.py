from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.jobs.queue import MAX_PASSED, Room, Waiting, admit, cpus_of, too_much
from multi_llm_comparator.jobs.snapshot import IdleModel
from multi_llm_comparator.jobs.spec import Needs

GB = 10**9
MEMORY = "waits for 1.00 GB: 3 models are loaded (1 idle) and jobs hold 0.50 GB"
NEEDS = st.builds(Needs, memory_bytes=st.integers(0, 12), cpus=st.integers(0, 6), gpus=st.integers(0, 3))


@st.composite
def rooms(draw: st.DrawFn) -> Room:
    total_bytes, total_cpus, gpus = draw(st.integers(0, 10)), draw(st.integers(1, 4)), draw(st.integers(0, 2))
    return Room(
        total_bytes,
        draw(st.integers(0, total_bytes)),
        total_cpus,
        draw(st.integers(0, total_cpus)),
        gpus,
        tuple(draw(st.sets(st.sampled_from(range(gpus)))) if gpus else ()),
    )


def queue_of(*needs: Needs) -> list[Waiting]:
    return [Waiting(f"job {number}", one) for number, one in enumerate(needs)]


@given(st.lists(NEEDS, max_size=8), rooms())
def test_no_more_begins_than_there_is_room_for(needs: list[Needs], room: Room) -> None:
    queue = queue_of(*needs)
    admission = admit(queue, room)
    begun = [job for job in queue if job.run_id in admission.starts]
    assert sum(job.needs.memory_bytes for job in begun) <= room.free_bytes
    assert sum(cpus_of(job.needs, room) for job in begun) <= room.free_cpus
    gpus = [number for share in admission.starts.values() for number in share.gpus]
    assert len(gpus) == len(set(gpus)) and set(gpus) <= set(room.free_gpus)
    for job in begun:
        assert len(admission.starts[job.run_id].gpus) == job.needs.gpus


@given(st.lists(NEEDS, max_size=8), rooms())
def test_each_begins_or_is_told_what_it_waits_for(needs: list[Needs], room: Room) -> None:
    queue = queue_of(*needs)
    admission = admit(queue, room)
    assert {job.run_id for job in queue} == admission.starts.keys() | admission.waits.keys()
    assert not admission.starts.keys() & admission.waits.keys()


@given(st.lists(NEEDS, min_size=1, max_size=8), rooms())
def test_an_empty_machine_begins_the_first_that_can_ever_begin(needs: list[Needs], room: Room) -> None:
    gpus = tuple(range(room.total_gpus))
    empty = Room(room.total_bytes, room.total_bytes, room.total_cpus, room.total_cpus, room.total_gpus, gpus)
    queue = queue_of(*needs)
    possible = [job for job in queue if too_much(job.needs, empty) is None]
    admission = admit(queue, empty)
    if possible:
        assert possible[0].run_id in admission.starts
    else:
        assert {wait.what for wait in admission.waits.values()} == {"never"}


@given(st.lists(NEEDS, min_size=1, max_size=4), st.lists(NEEDS, min_size=30, max_size=30))
def test_nobody_starves_however_many_come_behind(first: list[Needs], newcomers: list[Needs]) -> None:
    """Jobs that run end one by one, and somebody new comes each time: all that was there at first begins."""
    whole = Room(8, 8, 4, 4, 1, (0,))
    queue, running, passed, begun = queue_of(*first), dict[str, Needs](), dict[str, int](), set[str]()
    for number, newcomer in enumerate(newcomers):
        queue.append(Waiting(f"newcomer {number}", newcomer))
        used = sum(needs.gpus for needs in running.values())
        room = Room(
            whole.total_bytes,
            whole.total_bytes - sum(needs.memory_bytes for needs in running.values()),
            whole.total_cpus,
            whole.total_cpus - sum(cpus_of(needs, whole) for needs in running.values()),
            whole.total_gpus,
            whole.free_gpus[used:],
            jobs_bytes=sum(needs.memory_bytes for needs in running.values()),
        )
        assert room.free_bytes >= 0 and room.free_cpus >= 0
        waiting = [Waiting(job.run_id, job.needs, passed.get(job.run_id, 0)) for job in queue]
        admission = admit(waiting, room)
        passed |= admission.passed
        running |= {job.run_id: job.needs for job in queue if job.run_id in admission.starts}
        begun |= admission.starts.keys()
        queue = [job for job in queue if job.run_id not in admission.starts]
        if running:
            del running[next(iter(running))]
    possible = {job.run_id for job in queue_of(*first) if too_much(job.needs, whole) is None}
    assert possible <= begun
    assert max(passed.values(), default=0) <= MAX_PASSED


def test_a_small_job_may_pass_a_large_one_but_only_so_often() -> None:
    room = Room(10 * GB, 1 * GB, 8, 8, jobs_bytes=9 * GB)
    large, small = Needs(memory_bytes=5 * GB, cpus=1), Needs(memory_bytes=GB // 2, cpus=1)
    admission = admit(queue_of(large, small), room)
    assert list(admission.starts) == ["job 1"] and admission.passed == {"job 0": 1}
    patient = [Waiting("large", large, MAX_PASSED), Waiting("small", small)]
    admission = admit(patient, room)
    assert not admission.starts
    assert admission.waits["small"].what == "turn" and admission.waits["small"].ahead == 1


def test_a_job_that_waits_for_models_to_be_unloaded_holds_up_nobody() -> None:
    room = Room(10 * GB, 1 * GB, 8, 8, models=3)
    large, small = Needs(memory_bytes=5 * GB, cpus=1), Needs(memory_bytes=GB // 2, cpus=1)
    admission = admit([Waiting("large", large, MAX_PASSED), Waiting("small", small)], room)
    assert list(admission.starts) == ["small"] and list(admission.waits) == ["large"]


@pytest.mark.parametrize(
    ("needs", "what", "text"),
    [
        (
            Needs(memory_bytes=3 * GB, cpus=1),
            "memory",
            "waits for 1.00 GB: 3 models are loaded (1 idle) and jobs hold 0.50 GB",
        ),
        (Needs(cpus=2), "cpus", "waits for 2 CPU(s): jobs use 3 of 4"),
        (Needs(cpus=1, gpus=1), "gpus", "waits for 1 GPU(s): 0 of 1 are free"),
        (
            Needs(cpus=1, gpus=1, gpu_memory_bytes=9 * GB),
            "never",
            "needs 9.00 GB on a GPU; the largest of this machine has 8.00 GB",
        ),
        (Needs(memory_bytes=9 * GB), "never", "needs 9.00 GB; jobs and models may take 8.00 GB on this machine"),
        (Needs(gpus=2), "never", "needs 2 GPU(s); this machine has 1"),
    ],
)
def test_a_job_says_what_it_waits_for(needs: Needs, what: str, text: str) -> None:
    idle = IdleModel("m", "demo-small", GB)
    room = Room(8 * GB, 2 * GB, 4, 1, 1, (), models=3, idle=(idle,), jobs_bytes=GB // 2, gpu_bytes=8 * GB)
    wait = admit(queue_of(needs), room).waits["job 0"]
    assert (wait.what, wait.text) == (what, text)
    assert wait.idle == ((idle,) if what == "memory" else ())


def test_of_gpus_the_freest_is_given_and_where_models_hold_too_much_of_it_a_job_waits_and_holds_up_nobody() -> None:
    idle = IdleModel("m", "demo-small", GB)
    free = {0: 1 * GB, 1: 6 * GB}
    room = Room(8 * GB, 8 * GB, 4, 4, 2, (0, 1), gpu_free_bytes=free, gpu_bytes=8 * GB, gpu_idle=(idle,))
    small, large = (Needs(cpus=1, gpus=1, gpu_memory_bytes=size * GB) for size in (5, 7))
    admission = admit(queue_of(large, small, small, Needs(cpus=1, gpus=1)), room)
    assert {run_id: share.gpus for run_id, share in admission.starts.items()} == {"job 1": (1,), "job 3": (0,)}
    wait = admission.waits["job 0"]
    assert (wait.what, wait.idle) == ("gpu_memory", (idle,))
    assert wait.text == "waits for 1.00 GB of GPU memory, which models or other programs hold"
    # The other waits for a GPU that a job has.
    assert admission.waits["job 2"].text == "waits for 1 GPU(s): 0 of 2 are free"
    assert admission.passed == {"job 2": 1}
    two = admit(queue_of(Needs(gpus=2, gpu_memory_bytes=2 * GB)), room).waits["job 0"]
    assert (two.what, two.missing_bytes) == ("gpu_memory", GB)
