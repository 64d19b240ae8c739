"""How well a plan's time is predicted: real models, plans of seconds, each predicted from the runs before it.

    python -m benchmarks.prediction                   small: Q4_0, large: PyTorch
    python -m benchmarks.prediction --large Q8_0 --rounds 3

SmolLM2-135M-Instruct solves plans that are given by hand, in another order each round, through the real gateway and
engine; the answers are not aggregated. As on the Plans page, each run is predicted from those that are in the store
before it. What counts is every run after the first five: the error of the predicted time from the question to the end,
without loading. Plans that had never run before are shown apart; so is the error of an oracle that always says the
median of all runs of the same plan, for what the machine itself varies by no prediction can know.

Prints a table and writes ``benchmarks/results/prediction.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.prediction_plans import given_plans
from benchmarks.real_models import real_models
from benchmarks.results import Figure, number, save, table
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store

LEARNING = 5
ROUNDS = 6
WORKERS = 4
WANTED, WANTED_P90, WANTED_NEW = 0.2, 0.4, 0.4


@dataclass(frozen=True)
class Outcome:
    """One run: which plan it was, whether that had run before, what it took and what was predicted."""

    plan: int
    is_new: bool
    actual_s: float
    predicted_s: float

    @property
    def error(self) -> float:
        """As a share of what it took; without a sign."""
        return abs(self.predicted_s / self.actual_s - 1)


class _NoGroups:
    def load(self, name: str) -> dict[str, object]:
        return {}


async def measure(small: str, large: str, folder: Path, rounds: int) -> list[Outcome]:
    """Run all plans ``rounds`` times; the outcomes of all runs after the first :data:`LEARNING`."""
    models = ModelManager(folder)
    models.scan_models()
    engine = InferenceEngine(models=models, settings=get_settings())
    gateway = Gateway(TaskGroupManager(_NoGroups()), engine)
    with tempfile.TemporaryDirectory(prefix="mlc-prediction-") as home:
        store = Store(f"sqlite:///{Path(home) / 'runs.db'}")
        registry = PlanRegistry(RunRegistry(store), gateway)
        try:
            return await _measured(registry, small, large, rounds)
        finally:
            await registry.runs.aclose()
            await gateway.aclose()
            await engine.aclose()
            store.close()


async def _measured(registry: PlanRegistry, small: str, large: str, rounds: int) -> list[Outcome]:
    executor = ExecutorOptions(small_model=small, large_model=large, workers=WORKERS)
    options = PlanOptions(executor=executor, router_model="", aggregation="last_step")
    plans, shuffle, calibration = given_plans(), random.Random(0), Calibration(registry)
    outcomes: list[Outcome] = []
    for turn in range(rounds):
        for place, chosen in enumerate(shuffle.sample(range(len(plans)), len(plans))):
            run = await registry.start(f"Plan {chosen}", options, plan=plans[chosen])
            await registry.runs.wait(run.id)
            prediction = (await calibration.outlook(run)).prediction
            if turn * len(plans) + place < LEARNING:
                continue
            assert prediction is not None and prediction.actual_s is not None, run.error
            outcomes.append(Outcome(chosen, turn == 0, prediction.actual_s, prediction.total_s))
            print(f"plan {chosen}: {prediction.actual_s:.2f} s, predicted {prediction.total_s:.2f} s", flush=True)
    return outcomes


def figures_of(outcomes: Sequence[Outcome], large: str) -> list[Figure]:
    """Median and 90th percentile of the error, and the median of plans that had never run before."""
    by_plan: dict[int, list[float]] = defaultdict(list)
    for one in outcomes:
        by_plan[one.plan].append(one.actual_s)
    oracle = [abs(statistics.median(by_plan[o.plan]) / o.actual_s - 1) for o in outcomes]
    errors, new = [o.error for o in outcomes], [o.error for o in outcomes if o.is_new]
    seconds = number(statistics.median(o.actual_s for o in outcomes))
    what = f"error of the predicted time, SmolLM2-135M as Q4_0 and {large}"
    runs = f"{len(outcomes)} runs of {seconds} s after the first {LEARNING}"
    figures = [
        _figure("median", f"{what}, median of {runs}; peer: the median of all runs of the same plan",
                statistics.median(errors), statistics.median(oracle), WANTED),
        _figure("p90", f"{what}, 90th percentile", _p90(errors), _p90(oracle), WANTED_P90),
    ]  # fmt: skip
    if new:
        middle = statistics.median(new)
        figures.append(
            _figure("new-median", f"{what}, median of {len(new)} plans never run before", middle, wanted=WANTED_NEW)
        )
    return figures


def _figure(id: str, name: str, error: float, oracle: float | None = None, wanted: float | None = None) -> Figure:
    return Figure(
        id=id,
        name=name,
        sense="at most",
        value=100 * error,
        ours=100 * error,
        peer=None if oracle is None else 100 * oracle,
        wanted=None if wanted is None else 100 * wanted,
        value_unit="%",
        unit="%",
    )


def _p90(errors: Sequence[float]) -> float:
    return statistics.quantiles(errors, n=10)[-1] if len(errors) > 1 else errors[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", choices=["PyTorch", "Q8_0"], default="PyTorch")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry", action="store_true", help="write no result")
    given = parser.parse_args()
    models = real_models()
    large = models.pytorch if given.large == "PyTorch" else models.gguf[given.large]
    outcomes = asyncio.run(measure(models.gguf["Q4_0"], large, models.folder, given.rounds))
    figures = figures_of(outcomes, given.large)
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    if not given.dry:
        save("prediction", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
