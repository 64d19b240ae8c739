"""How well theory predicts: predicted over actual makespan of plans that the demo models really solve.

    python -m benchmarks.prediction                   both kinds of the demo models
    python -m benchmarks.prediction --only gguf --part page

Composed questions are asked as on the Plans page: the demo planner writes the plan, small and large solve it meanwhile,
and from the plan all of that is predicted. The plans of the same questions, and hand-made ones, are also solved without
a planner, where there are only the steps to predict. All are run several times by the real engine through the real
gateway, in another order each round. Every run after the first rounds is predicted from the runs before it that are in
the store. The same is done as if its plan had never been run before: then the lengths of its answers are not known from
earlier ones. The error of a perfect oracle is shown as well, which predicts the median of all runs of the same plan:
what the machine itself varies by, no prediction can know. And the predictions of a plan are compared with the median of
its runs, where that does not count.

The composed questions are also asked on the Plans page of the real app in a real browser, which wants the cores too.

Prints a table and writes ``benchmarks/results/prediction.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.prediction_page import asked_on_page
from benchmarks.prediction_plans import hand_made_plans
from benchmarks.real_app import copy_models, database
from benchmarks.results import Figure, number, save, table
from demo.composed import ComposedQuestion, generate
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.plans.calibration import RUNS_LOOKED_AT, Calibration
from multi_llm_comparator.plans.executor import ExecutorOptions, exact_config
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.plans.prediction import predict
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.theory import ModelProfile
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.workbench import scanned_models

# Planner, small and large model of each kind.
KINDS = {
    "gguf": ("demo-planner-F16", "demo-small-F16", "demo-large-F16"),
    "pytorch": ("demo-planner", "demo-small", "demo-large"),
}
WANTED = 0.10
# Runs before this many rounds are over teach only.
LEARNING = 2
QUESTIONS, SEED = 18, 77
# By what their ids begin with.
SORTS = {
    "asked": "composed questions through the planner, which is predicted as well",
    "given": "the plans of these questions, without the planner",
    "hand": "hand-made plans, without a planner",
    "page": "composed questions asked on the Plans page, in a browser on the same machine",
}
FIRST = "first"


@dataclass(frozen=True)
class Job:
    """What is run in every round: a question for the planner, or a hand-made plan."""

    id: str
    question: str
    plan: Plan | None = None


@dataclass(frozen=True)
class Outcome:
    """One run: which job it was, what it took, and what was predicted with and without earlier runs of the job.

    ``new`` is None where that was not tried.
    """

    job: Job
    actual_s: float
    known: float
    new: float | None


class _NoGroups:
    def load(self, name: str) -> dict[str, object]:
        return {}


async def measure(kind: str, rounds: int, threads: int | None = None) -> list[Outcome]:
    """Run all plans ``rounds`` times and predict the later runs."""
    models = scanned_models()
    with tempfile.TemporaryDirectory() as folder:
        async with opened(f"sqlite:///{Path(folder) / 'runs.db'}", models) as registry:
            return await _rounds(registry, _targets(models, kind), rounds, threads)


async def measure_page(kind: str, rounds: int) -> list[Outcome]:
    """Ask all questions ``rounds`` times on the page, and predict as it does.

    The first round, of a fresh workbench, counts apart, without the question that loads the models.
    """
    questions = {q.prompt: n for n, q in enumerate(composed_questions())}
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="mlc-prediction-") as folder:
        home = Path(folder)
        copy_models(get_settings().models_dir, KINDS[kind], home / "models")
        runs = await asked_on_page(home, list(questions), rounds + 1)
        async with opened(database(home), scanned_models()) as registry:
            calibration = Calibration(registry)
            for number, run_id in enumerate(runs):
                if number == 0 or len(questions) <= number < (1 + LEARNING) * len(questions):
                    continue
                run = await registry.get(run_id)
                prediction = (await calibration.outlook(run)).prediction
                if prediction is None and number < len(questions):
                    # The first plans of a fresh workbench: of no model enough is known yet.
                    continue
                assert prediction is not None and prediction.actual_s is not None, run.error
                sort = FIRST if number < len(questions) else "page"
                job = Job(f"{sort} {questions[run.question]}", run.question)
                outcomes.append(Outcome(job, prediction.actual_s, prediction.total_s, None))
    return outcomes


@asynccontextmanager
async def opened(database: str, models: ModelManager) -> AsyncIterator[PlanRegistry]:
    """The runs of a database, and the real engine that solves others."""
    engine = InferenceEngine(models=models, settings=get_settings())
    store = Store(database)
    gateway = Gateway(TaskGroupManager(_NoGroups()), engine)
    registry = PlanRegistry(RunRegistry(store), gateway)
    try:
        yield registry
    finally:
        await registry.runs.aclose()
        await gateway.aclose()
        await engine.aclose()
        store.close()


def composed_questions() -> list[ComposedQuestion]:
    """Questions that no demo model was trained on."""
    return list(generate(SEED, QUESTIONS, "heldout"))


def jobs() -> list[Job]:
    """All that is run: the composed questions, their plans alone, and the hand-made plans."""
    questions = composed_questions()
    asked = [Job(f"asked {n}", q.prompt) for n, q in enumerate(questions)]
    given = [Job(f"given {n}", q.prompt, q.plan) for n, q in enumerate(questions)]
    return [*asked, *given, *(Job(f"hand {n}", "a hand-made plan", p) for n, p in enumerate(hand_made_plans()))]


def _targets(models: ModelManager, kind: str) -> list[str]:
    """Ids of the planner, the small and the large model of a kind: their names are the same in both."""
    found = {(m.model_type.value, Path(m.path).stem): m.id for m in models.get_available_models()}
    return [found[kind, name] for name in KINDS[kind]]


async def _rounds(registry: PlanRegistry, targets: Sequence[str], rounds: int, threads: int | None) -> list[Outcome]:
    planner, small, large = targets
    config = replace(exact_config(), n_threads=threads)
    executor = ExecutorOptions(small_model=small, large_model=large, config=config)
    # Answers are not put together in words: how long that takes is no matter of the schedule.
    options = PlanOptions(
        executor=executor,
        router_model=planner,
        planner_prompt="",
        aggregation="last_step",
        aggregator_config=replace(config, max_tokens=1),
    )
    everything, shuffle = jobs(), random.Random(0)
    calibration = Calibration(registry)
    done: list[tuple[Job, PlanRun]] = []
    outcomes: list[Outcome] = []
    for turn in range(rounds + 1):
        for job in shuffle.sample(everything, len(everything)):
            run = await registry.start(job.question, options, plan=job.plan)
            await registry.runs.wait(run.id)
            # The first round loads the models and warms everything up; it counts for nothing.
            if turn == 0:
                continue
            if turn > LEARNING:
                known = await calibration.profiles((planner, small, large), without=run.id)
                outcomes.append(_predicted(job, run, known, done))
            done.append((job, run))
    return outcomes


def _predicted(
    job: Job, run: PlanRun, known: Mapping[str, ModelProfile], done: Sequence[tuple[Job, PlanRun]]
) -> Outcome:
    tracker = PerformanceTracker()
    for other, earlier in done[-RUNS_LOOKED_AT:]:
        if other != job:
            tracker.track(earlier)
    predictions = [predict(run, known), predict(run, tracker.profiles())]
    totals = [p.total_s for p in predictions if p is not None]
    assert predictions[0] is not None and predictions[0].actual_s is not None, run.error
    return Outcome(job, predictions[0].actual_s, totals[0], totals[1])


def figures_of(kind: str, outcomes: Sequence[Outcome]) -> list[Figure]:
    """Median and 90th percentile of the error for each sort of job, beside an oracle's."""
    figures: list[Figure] = []
    for sort, name in SORTS.items():
        if not (chosen := [o for o in outcomes if o.job.id.startswith(sort)]):
            continue
        figures += _errors(f"{kind}-{sort}", f"{kind} demo models, {name}", chosen)
    if first := [abs(o.known / o.actual_s - 1) for o in outcomes if o.job.id.startswith(FIRST)]:
        what = f"error of the predicted makespan, {kind} demo models, the first {len(first)} plans of a fresh workbench"
        what += " after the one that loads the models, each with only those before it to learn from, median"
        figures.append(_figure(f"{kind}-page-first-median", what, statistics.median(first), wanted=None))
    return figures


def _errors(id: str, who: str, outcomes: Sequence[Outcome]) -> list[Figure]:
    by_job: dict[str, list[float]] = {}
    for one in outcomes:
        by_job.setdefault(one.job.id, []).append(one.actual_s)
    middle = {job: statistics.median(times) for job, times in by_job.items()}
    known = [abs(o.known / o.actual_s - 1) for o in outcomes]
    new = [abs(o.new / o.actual_s - 1) for o in outcomes if o.new is not None]
    oracle = [abs(middle[o.job.id] / o.actual_s - 1) for o in outcomes]
    predicted = {job: statistics.median(o.known for o in outcomes if o.job.id == job) for job in by_job}
    typical = [abs(predicted[job] / middle[job] - 1) for job in by_job]
    long = 1000 * statistics.median(o.actual_s for o in outcomes)
    what = f"error of the predicted makespan, {who}"
    peer = f"median of {len(known)} runs of {number(long)} ms; peer: the median of all runs of the same plan"
    figures = [
        _figure(f"{id}-median", f"{what}, {peer}", statistics.median(known), statistics.median(oracle)),
        _figure(
            f"{id}-typical",
            f"{what}, against the median of all runs of the same plan, median of {len(typical)} plans",
            statistics.median(typical),
        ),
        _figure(f"{id}-p90", f"{what}, 90th percentile", _p90(known), _p90(oracle), wanted=0.3),
    ]
    if new:
        middling = statistics.median(new), statistics.median(oracle)
        figures.append(_figure(f"{id}-new-median", f"{what}, plans never run before, median", *middling, wanted=0.2))
    return figures


def _figure(id: str, name: str, value: float, oracle: float | None = None, wanted: float | None = WANTED) -> Figure:
    return Figure(
        id=id,
        name=name,
        sense="at most",
        value=100 * value,
        ours=100 * value,
        peer=None if oracle is None else 100 * oracle,
        wanted=None if wanted is None else 100 * wanted,
        value_unit="%",
        unit="%",
    )


def _p90(errors: Sequence[float]) -> float:
    return statistics.quantiles(errors, n=10)[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--part", choices=["engine", "page", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=10, help=f"the first {LEARNING} teach only")
    parser.add_argument("--page-rounds", type=int, default=12, help="the same on the page")
    parser.add_argument("--threads", type=int, help="of each model; by default those at work share the cores")
    given = parser.parse_args()
    figures: list[Figure] = []
    for kind in KINDS if given.only == "both" else [given.only]:
        outcomes: list[Outcome] = []
        if given.part != "page":
            outcomes += asyncio.run(measure(kind, given.rounds, given.threads))
        if given.part != "engine":
            outcomes += asyncio.run(measure_page(kind, given.page_rounds))
        figures += figures_of(kind, outcomes)
    for row in table(figures):
        print("  ".join(cell.ljust(12) for cell in row))
    save("prediction", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
