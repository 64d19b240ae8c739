"""The plan executor beside its peers, in one run, with scripted models whose every answer takes a known time.

    python -m benchmarks.plans                 everything
    python -m benchmarks.plans --only a,d      some parts
    python -m benchmarks.plans --peer none     without installing LangGraph

Parts: (a) dispatch lag, from the end of the last dependency to the start of the step; (b) makespan over the
plan-aware critical path on 50 random DAGs; (c) a step that is ready at 0.1 s while the planner writes until 1.5 s;
(d) overhead per step over 10,000 steps. (b) and (d) beside LangGraph, which is installed into an environment of its
own for this; (b), (c) and (d) beside an executor that polls every 10 ms.

Every model here is a timer: nothing is generated, only the executor is measured. Prints a table and writes
``benchmarks/results/plans.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.polling_executor import run_polling
from benchmarks.results import Figure, number, save, table
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans.critical_path import critical_path
from multi_llm_comparator.plans.executor import ExecutorOptions, PlanExecutor
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store

ROOT = Path(__file__).parents[1]
PEER_ENVIRONMENT = ROOT / ".venv-bench"
PEER_PACKAGE = "langgraph>=1.0,<2"
SCRIPTED = "scripted models, timed"
PLANS, STEPS, MANY = 50, 24, 10_000
WRITTEN_S, READY_AT_S = 1.5, 0.1


_TASK = re.compile(r"take ([\d.]+)$")


class TimedSource:
    """A model that is a timer: the answer to a step is there after the seconds that its task says, one that sums up a
    plan's results at once."""

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        task = _TASK.search(request.messages[-1].content)
        seconds = float(task[1]) if task else 0.0
        yield Started(request_id=request.id, prompt_tokens=1)
        if seconds:
            await asyncio.sleep(seconds)
        yield TextDelta(request_id=request.id, text="42", tokens=1)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)


def timed_step(step_id: str, rely: tuple[str, ...], seconds: float) -> Step:
    return Step(step_id, f"take {seconds}", 3, 50, rely)


def seconds_of(step: Step) -> float:
    return float(step.task.rpartition(" ")[2])


def random_plan(seed: int, steps: int = STEPS) -> Plan:
    """Each step needs up to three earlier ones; answers take 0.05 to 0.4 s."""
    chance = random.Random(seed)
    made: list[Step] = []
    for index in range(steps):
        needed = chance.sample(range(index), min(index, chance.randint(0, 3)))
        rely = tuple(str(n) for n in sorted(needed))
        made.append(timed_step(str(index), rely, round(chance.uniform(0.05, 0.4), 3)))
    return Plan(tuple(made))


def arrivals_of(plan: Plan, every_s: float = 0.01) -> dict[str, float]:
    """The planner writes a step every 10 ms."""
    return {step.id: (index + 1) * every_s for index, step in enumerate(plan.steps)}


async def written(plan: Plan, arrivals: Mapping[str, float]) -> AsyncIterator[Step]:
    """The steps, each when the planner has written it."""
    began = time.monotonic()
    for step in plan.steps:
        await asyncio.sleep(max(0.0, began + arrivals[step.id] - time.monotonic()))
        yield step


async def ours(plan: Plan, arrivals: Mapping[str, float] | None, workers: int) -> tuple[float, dict[str, StepRun]]:
    options = ExecutorOptions(small_model="timer", large_model="timer", workers=workers)
    executor = PlanExecutor(TimedSource(), options)
    began = time.perf_counter()
    runs = await executor.execute(written(plan, arrivals) if arrivals else plan)
    return time.perf_counter() - began, runs


async def polling(plan: Plan, arrivals: Mapping[str, float] | None, workers: int) -> float:
    """Seconds that the polling executor takes."""
    began = time.perf_counter()
    await polled_spans(plan, arrivals, workers)
    return time.perf_counter() - began


async def polled_spans(
    plan: Plan, arrivals: Mapping[str, float] | None, workers: int
) -> dict[str, tuple[float, float]]:
    """When the polling executor starts and ends each step, on the performance counter."""
    spans: dict[str, tuple[float, float]] = {}

    async def work(step: Step) -> None:
        start = time.perf_counter()
        if seconds := seconds_of(step):
            await asyncio.sleep(seconds)
        spans[step.id] = (start, time.perf_counter())

    await run_polling(written(plan, arrivals or dict.fromkeys(plan.by_id, 0.0)), work, workers)
    return spans


def langgraph(plans: Sequence[Plan], workers: int) -> list[float]:
    """Seconds that LangGraph takes for each plan; compiling the graph is not counted."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(PEER_ENVIRONMENT, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, PEER_PACKAGE], check=True)
    jobs = [{"workers": workers, "steps": [_plain(step) for step in plan.steps]} for plan in plans]
    done = subprocess.run(
        [python, ROOT / "benchmarks" / "langgraph_peer.py"],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def _plain(step: Step) -> dict[str, Any]:
    return {"id": step.id, "rely": list(step.rely), "seconds": seconds_of(step)}


def dispatch_lags_ms(runs: Mapping[str, StepRun]) -> list[float]:
    """For each step that waited for others: from the last of their ends (or its own arrival) to its start."""
    lags = []
    for run in runs.values():
        if run.step.rely and run.started_at is not None:
            ends = [runs[needed].ended_at or 0.0 for needed in run.step.rely]
            lags.append(1000 * (run.started_at - max(*ends, run.arrived_at)))
    return lags


async def measure_lag(rounds: int) -> list[Figure]:
    """(a), over the random plans: as it is, and with every finished step in the store before its dependents start."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'runs.db'}")
        registry = PlanRegistry(RunRegistry(store), TimedSource())
        plain, stored = await _lags(rounds), await _stored_lags(rounds, registry)
        await registry.runs.aclose()
        store.close()
    what = f"dispatch lag, p99 of {len(plain)} steps"
    return [
        _lag_figure("a", f"{what} ({SCRIPTED})", plain, 1.0),
        _lag_figure("a-stored", f"{what}, each stored on disk before the next one starts ({SCRIPTED})", stored, 1.0),
    ]


async def _lags(rounds: int) -> list[float]:
    plans = [random_plan(seed) for seed in range(rounds)]
    return [ms for p in plans for ms in dispatch_lags_ms((await ours(p, arrivals_of(p), STEPS))[1])]


async def _stored_lags(rounds: int, registry: PlanRegistry) -> list[float]:
    executor = ExecutorOptions(small_model="timer", large_model="timer", workers=STEPS)
    options = PlanOptions(executor=executor, router_model="", aggregation="last_step")
    lags: list[float] = []
    for seed in range(rounds):
        run = await registry.start("lag", options, plan=random_plan(seed))
        await registry.runs.wait(run.id)
        lags += dispatch_lags_ms(run.steps)
    return lags


def _lag_figure(id: str, name: str, lags: Sequence[float], wanted: float | None) -> Figure:
    p99 = statistics.quantiles(lags, n=100)[98]
    print(f"  dispatch lag: median {statistics.median(lags):.3f} ms, p99 {p99:.3f} ms over {len(lags)} steps")
    return Figure(id=id, name=name, value=p99, wanted=wanted, sense="at most", value_unit="ms", ours=p99, unit="ms")


async def measure_makespan(plans: int, peers: bool) -> list[Figure]:
    """(b)."""
    made = [random_plan(1000 + seed) for seed in range(plans)]
    rounds = []
    for plan in made:
        arrivals = arrivals_of(plan)
        longest = critical_path(plan, {s.id: seconds_of(s) for s in plan.steps}, arrivals)[1]
        taken = (await ours(plan, arrivals, STEPS))[0]
        rounds.append((taken / longest, await polling(plan, arrivals, STEPS) / longest))
    worst, polled = max(mine for mine, _ in rounds), max(peer for _, peer in rounds)
    print(f"  makespan over critical path: worst {worst:.4f}, polling {polled:.4f}")
    name = f"makespan over the critical path, worst of {plans} random plans ({SCRIPTED}; peer polls every 10 ms)"
    pairs = [list(pair) for pair in rounds]
    figures = [
        Figure(id="b", name=name, value=worst, wanted=1.02, sense="at most", ours=worst, peer=polled, rounds=pairs)
    ]
    return figures + (await _beside_langgraph(made) if peers else [])


async def _beside_langgraph(plans: Sequence[Plan]) -> list[Figure]:
    """Whole plans, for LangGraph cannot begin before it has one."""
    theirs = await asyncio.to_thread(langgraph, plans, STEPS)
    mine = [(await ours(plan, None, STEPS))[0] for plan in plans]
    rounds = [list(pair) for pair in zip(mine, theirs, strict=True)]
    ratio = statistics.median(peer / own for own, peer in rounds)
    print(f"  LangGraph takes {ratio:.3f} times as long (median)")
    return [
        Figure(
            id="b-langgraph",
            name=f"how many times as long LangGraph takes for the same plans ({SCRIPTED})",
            value=ratio,
            wanted=1.0,
            sense="at least",
            ours=statistics.median(mine),
            peer=statistics.median(theirs),
            unit="s",
            rounds=rounds,
        )
    ]


async def measure_early_start() -> list[Figure]:
    """(c): step b needs a, which ends just before 0.1 s; the planner's last step comes at 1.5 s."""
    plan = Plan(
        (timed_step("a", (), 0.076), timed_step("b", ("a",), 0.05), timed_step("last", (), 0.05)),
    )
    arrivals = {"a": 0.02, "b": 0.05, "last": WRITTEN_S}
    runs = (await ours(plan, arrivals, STEPS))[1]
    ended, started = runs["a"].ended_at, runs["b"].started_at
    assert ended is not None and started is not None
    lag_ms = 1000 * (started - ended)
    before_s = runs["last"].arrived_at - started
    spans = await polled_spans(plan, arrivals, STEPS)
    polled_ms = 1000 * (spans["b"][0] - spans["a"][1])
    print(f"  started {lag_ms:.3f} ms after it was ready, {before_s:.2f} s before the plan was written")
    name = (
        f"start of a step ready at {READY_AT_S} s while the planner writes until {WRITTEN_S} s "
        f"({SCRIPTED}; peer polls every 10 ms)"
    )
    lag: dict[str, Any] = {"value": lag_ms, "ours": lag_ms, "peer": polled_ms}
    return [Figure(id="c", name=name, wanted=1.0, sense="at most", value_unit="ms", unit="ms", **lag)]


async def measure_overhead(steps: int, rounds: int, peers: bool) -> list[Figure]:
    """(d): models that answer at once, so that all the time is the executor's (and the scripted source's)."""
    plan = Plan(tuple(timed_step(str(n), (str(n - 7),) if n >= 7 else (), 0) for n in range(steps)))
    mine = [1000 * (await ours(plan, None, 10))[0] / steps for _ in range(rounds + 1)][1:]
    polled = 1000 * await polling(Plan(plan.steps[: steps // 10]), None, 10) / (steps // 10)
    print(f"  overhead per step: ours {statistics.median(mine):.4f} ms, polling {polled:.3f} ms")
    figures = [_overhead("d", f"peer polls every 10 ms; its plan has {steps // 10:,} steps", mine, polled, steps)]
    if peers:
        # LangGraph's time for a step grows with the size of the graph; a tenth flatters it.
        part = Plan(plan.steps[: steps // 10])
        theirs = 1000 * (await asyncio.to_thread(langgraph, [part], 10))[0] / (steps // 10)
        print(f"  LangGraph {theirs:.3f} ms")
        figures.append(_overhead("d-langgraph", f"peer is LangGraph, {steps // 10:,} steps", mine, theirs, steps))
    return figures


def _overhead(id: str, peer_is: str, mine: Sequence[float], theirs: float, steps: int) -> Figure:
    value = statistics.median(mine)
    return Figure(
        id=id,
        name=f"overhead per step over {number(steps)} steps ({SCRIPTED}; {peer_is})",
        value=value,
        wanted=0.1,
        sense="at most",
        value_unit="ms",
        ours=value,
        peer=theirs,
        unit="ms",
        rounds=[[one, theirs] for one in mine],
    )


async def measure(parts: set[str], rounds: int, plans: int, peers: bool) -> list[Figure]:
    figures: list[Figure] = []
    if "a" in parts:
        figures += await measure_lag(rounds)
    if "b" in parts:
        figures += await measure_makespan(plans, peers)
    if "c" in parts:
        figures += await measure_early_start()
    if "d" in parts:
        figures += await measure_overhead(MANY, rounds, peers)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="a,b,c,d", help="parts, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plans", type=int, default=PLANS, help="random plans of part b")
    parser.add_argument("--peer", choices=("langgraph", "none"), default="langgraph")
    given = parser.parse_args()
    figures = asyncio.run(measure(set(given.only.split(",")), given.rounds, given.plans, given.peer == "langgraph"))
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    save("plans", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
