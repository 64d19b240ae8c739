"""How well theory foretells: predicted over actual makespan of plans that the demo models really solve.

    python -m benchmarks.prediction                   both kinds of the demo models
    python -m benchmarks.prediction --only gguf

Hand-made plans are run several times by the real engine through the real gateway, in another order each round. Every
run after the first rounds is predicted from the runs before it that are in the store. The same is done as if the
predicted plan had never been run before: then the lengths of its answers are not known from earlier ones. The error of
a perfect prophet is shown as well, who predicts the median of all runs of the same plan: what the machine itself varies
by, no prediction can know. Prints a table and writes ``benchmarks/results/prediction.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.prediction_plans import hand_made_plans
from benchmarks.results import Figure, save, table
from multi_llm_comparator.cli.workplace import scanned_models
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.plans.calibration import RUNS_LOOKED_AT, calibrated_profiles
from multi_llm_comparator.plans.executor import ExecutorOptions, exact_config
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.plans.prediction import predict
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.theory import ModelProfile
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store

KINDS = {"gguf": ("demo-small-F16", "demo-large-F16"), "pytorch": ("demo-small", "demo-large")}
WANTED = 0.10
# Runs before this many rounds are over teach only.
LEARNING = 2


@dataclass(frozen=True)
class Outcome:
    """One run: which plan it was, what it took, and what was foretold with and without earlier runs of the plan."""

    plan: int
    actual_s: float
    known: float
    new: float


class _NoGroups:
    def load(self, name: str) -> dict[str, object]:
        return {}


async def measure(kind: str, rounds: int, threads: int | None = None) -> list[Outcome]:
    """Run all plans ``rounds`` times and predict the later runs."""
    models = scanned_models()
    engine = InferenceEngine(models=models, settings=get_settings())
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'runs.db'}")
        gateway = Gateway(TaskGroupManager(_NoGroups()), engine)
        registry = PlanRegistry(store, gateway)
        try:
            return await _rounds(registry, _targets(models, kind), rounds, threads)
        finally:
            await registry.aclose()
            await gateway.aclose()
            await engine.aclose()
            store.close()


def _targets(models: ModelManager, kind: str) -> tuple[str, str]:
    """Ids of the small and the large model of a kind: their names are the same in both."""
    found = {(m.model_type.value, Path(m.path).stem): m.id for m in models.get_available_models()}
    small, large = KINDS[kind]
    return found[kind, small], found[kind, large]


async def _rounds(registry: PlanRegistry, targets: tuple[str, str], rounds: int, threads: int | None) -> list[Outcome]:
    small, large = targets
    config = replace(exact_config(), n_threads=threads)
    executor = ExecutorOptions(small_model=small, large_model=large, config=config)
    # Answers are not put together in words: that is not part of the makespan.
    options = PlanOptions(
        executor=executor, router_model=large, aggregation="last_step", aggregator_config=replace(config, max_tokens=1)
    )
    plans, shuffle = hand_made_plans(), random.Random(0)
    done: list[tuple[int, PlanRun]] = []
    outcomes: list[Outcome] = []
    for number in range(rounds + 1):
        for index in shuffle.sample(range(len(plans)), len(plans)):
            run = await registry.start("a hand-made plan", options, plan=plans[index])
            await registry.wait(run.id)
            # The first round loads the models and warms everything up; it counts for nothing.
            if number == 0:
                continue
            if number > LEARNING:
                known = await calibrated_profiles(registry, targets, without=run.id)
                outcomes.append(_foretold(index, run, known, done))
            done.append((index, run))
    return outcomes


def _foretold(
    index: int, run: PlanRun, known: Mapping[str, ModelProfile], done: Sequence[tuple[int, PlanRun]]
) -> Outcome:
    tracker = PerformanceTracker()
    for other, earlier in done[-RUNS_LOOKED_AT:]:
        if other != index:
            tracker.track(earlier)
    predictions = [predict(run, known), predict(run, tracker.profiles())]
    makespans = [p.schedule.makespan_s for p in predictions if p is not None]
    assert predictions[0] is not None and predictions[0].actual_s is not None, run.error
    return Outcome(index, predictions[0].actual_s, makespans[0], makespans[1])


def figures_of(kind: str, outcomes: Sequence[Outcome]) -> list[Figure]:
    """Median and 90th percentile of the error, beside a prophet's."""
    by_plan: dict[int, list[float]] = {}
    for one in outcomes:
        by_plan.setdefault(one.plan, []).append(one.actual_s)
    middle = {plan: statistics.median(times) for plan, times in by_plan.items()}
    known, new, prophet = (
        [abs(value / o.actual_s - 1) for o, value in zip(outcomes, values, strict=True)]
        for values in ([o.known for o in outcomes], [o.new for o in outcomes], [middle[o.plan] for o in outcomes])
    )
    what = f"error of the predicted makespan, {kind} demo models"
    peer = "peer: the median of all runs of the same plan"
    return [
        _figure(f"{kind}-median", f"{what}, median of {len(known)} runs ({peer})", _median(known), _median(prophet)),
        _figure(f"{kind}-p90", f"{what}, 90th percentile", _p90(known), _p90(prophet), wanted=0.3),
        _figure(f"{kind}-new-median", f"{what}, plans never run before, median", _median(new), _median(prophet), 0.2),
    ]


def _figure(id: str, name: str, value: float, prophet: float, wanted: float = WANTED) -> Figure:
    percent = {"value": 100 * value, "ours": 100 * value, "peer": 100 * prophet, "wanted": 100 * wanted}
    return Figure(id=id, name=name, sense="at most", value_unit="%", unit="%", **percent)


def _median(errors: Sequence[float]) -> float:
    return statistics.median(errors)


def _p90(errors: Sequence[float]) -> float:
    return statistics.quantiles(errors, n=10)[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--rounds", type=int, default=6, help=f"the first {LEARNING} teach only")
    parser.add_argument("--threads", type=int, help="of each model; by default those at work share the cores")
    given = parser.parse_args()
    figures: list[Figure] = []
    for kind in KINDS if given.only == "both" else [given.only]:
        figures += figures_of(kind, asyncio.run(measure(kind, given.rounds, given.threads)))
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    save("prediction", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
