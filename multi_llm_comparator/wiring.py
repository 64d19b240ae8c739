"""The one place where everything is put together: for the pages, for commands, and for the API alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.applications.sources import Documents, ServiceSources, counted_by
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.cooperation.available import available_members
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.source import CooperationSource
from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.evaluation.cooperation_worth import Worths
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.on_cluster import spread_with
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.tasks.base import Task
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.sources import HUB
from multi_llm_comparator.groups import FreshAnswers, Gateway, TaskGroupManager
from multi_llm_comparator.groups.metered import Metered
from multi_llm_comparator.groups.named_answers import NamedAnswers
from multi_llm_comparator.groups.scoring import GatewayScorer
from multi_llm_comparator.jobs.machine import ThisMachine
from multi_llm_comparator.jobs.registry import JobRegistry
from multi_llm_comparator.known_questions import known_by
from multi_llm_comparator.plans.plan_source import PlanSource
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.saved import PREFIX as PLAN
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.routing import IntelligentRouter
from multi_llm_comparator.routing.surroundings import FOLDER as ROUTING_FOLDER
from multi_llm_comparator.routing.surroundings import surroundings
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.mlflow_feed import MlflowFeed
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.sharing.here import is_named
from multi_llm_comparator.sharing.links import SharedLinks
from multi_llm_comparator.sharing.shared_runs import SharedRuns
from multi_llm_comparator.told_runs import feed_of
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import UsageWriter
from multi_llm_comparator.training.data.distillations import DistillationRegistry
from multi_llm_comparator.voting.registry import VoteRegistry


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What every kind of run stands on: the models found, the engine that runs them, the gateway that answers for
    groups of them, the stored runs, the runs of this process, and what was asked for whom."""

    settings: Settings
    models: ModelManager
    engine: InferenceEngine
    gateway: Gateway
    store: Store
    runs: RunRegistry
    usage: UsageWriter


@dataclass(frozen=True, kw_only=True)
class Services(Foundation):
    """What answers and what is kept: the kinds of runs, and what plans and evaluations tell of the models. ``answers``
    resolves every name: the gateway's, and those of plans and cooperations."""

    answers: TextSource
    comparisons: ComparisonRegistry
    plans: PlanRegistry
    jobs: JobRegistry
    calibration: Calibration
    distillations: DistillationRegistry
    evaluations: EvaluationRegistry
    router: IntelligentRouter
    cooperations: CooperationRegistry
    saved_cooperations: SavedCooperations
    applications: ServiceRegistry
    mlflow: MlflowFeed | None
    votes: VoteRegistry
    shared: SharedRuns
    worths: Worths


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What resolves names, and the run kinds that are names themselves; ``fresh`` takes no answer from the cache."""

    plans: PlanRegistry
    cooperations: CooperationRegistry
    saved: SavedCooperations
    answers: NamedAnswers
    fresh: NamedAnswers


def wired(
    settings: Settings, models: ModelManager, make_gateway: Callable[[InferenceEngine], Gateway], *, origin: str = ""
) -> Services:
    """Everything over these models, put together; nothing is started.

    Args:
        make_gateway: what answers for groups, over the engine that it is given.
        origin: where runs are started, as lists show it; "" for the pages.

    Raises:
        StoreError: the database cannot be used.
    """
    base = _foundation(settings, models, make_gateway, origin)
    names, runs = _names(base), base.runs
    comparisons = ComparisonRegistry(runs, names.fresh, models.find, model_fingerprint)
    votes = VoteRegistry(runs, names.fresh, models.find, model_fingerprint)
    jobs = _jobs(base)
    evaluations = _evaluations(base, names)
    worths = Worths(evaluations, lambda target: found.id if (found := models.find(target)) else target)
    names.cooperations.measured = worths.weights
    return Services(
        **vars(base),
        answers=names.answers,
        comparisons=comparisons,
        plans=names.plans,
        jobs=jobs,
        calibration=Calibration(names.plans),
        distillations=DistillationRegistry(runs, names.answers),
        evaluations=evaluations,
        router=_router(base, names),
        cooperations=names.cooperations,
        saved_cooperations=names.saved,
        applications=_applications(base, names),
        mlflow=feed_of(settings, runs),
        votes=votes,
        shared=_shared(base, comparisons, votes),
        worths=worths,
    )


def _foundation(
    settings: Settings, models: ModelManager, make_gateway: Callable[[InferenceEngine], Gateway], origin: str
) -> Foundation:
    store = Store(settings.resolved_database_url)
    engine = InferenceEngine(models=models, settings=settings)
    runs = RunRegistry(store, origin=origin)
    runs.when_deleted(SharedLinks(settings.home).forget_runs)
    return Foundation(
        settings=settings,
        models=models,
        engine=engine,
        gateway=make_gateway(engine),
        store=store,
        runs=runs,
        usage=UsageWriter(store.usage, settings.usage_days),
    )


def _names(base: Foundation) -> _Names:
    def metered(source: TextSource) -> Metered:
        return Metered(source, base.gateway, base.usage, base.models.unique_name)

    usual = metered(base.gateway)
    plans, cooperations = PlanRegistry(base.runs, usual), CooperationRegistry(base.runs, usual)
    saved = SavedCooperations(lambda: available_members(base.models, base.gateway.groups))
    named: dict[str, TextSource] = {PLAN: PlanSource(plans), COOPERATE: CooperationSource(cooperations, saved)}
    return _Names(
        plans=plans,
        cooperations=cooperations,
        saved=saved,
        answers=NamedAnswers(usual, named),
        fresh=NamedAnswers(metered(FreshAnswers(base.gateway)), named),
    )


def _jobs(base: Foundation) -> JobRegistry:
    """Jobs, whose memory the models leave free."""
    jobs = JobRegistry(base.runs, base.settings.home / "jobs", ThisMachine(base.engine))
    base.engine.memory_manager.other_work = jobs.held_bytes
    return jobs


def _evaluations(base: Foundation, names: _Names) -> EvaluationRegistry:
    sources = Sources(
        names.fresh,
        GatewayScorer(base.gateway, base.engine),
        lambda target: base.models.find(target) is not None,
        known_by(base.models),
        spread_with(base.models.find),
    )
    return EvaluationRegistry(base.runs, sources, open_tasks, in_flight=max(1, base.settings.parallel_requests))


def _router(base: Foundation, names: _Names) -> IntelligentRouter:
    return IntelligentRouter(
        surroundings(
            gateway=base.gateway,
            models=base.models,
            engine=base.engine,
            answers=names.answers,
            saved=names.saved,
            folder=base.settings.home / ROUTING_FOLDER,
        )
    )


def _applications(base: Foundation, names: _Names) -> ServiceRegistry:
    sources = ServiceSources(
        names.answers,
        Documents(base.settings.home / "services"),
        counted_by(base.engine, base.models),
        in_flight=max(1, base.settings.parallel_requests),
    )
    return ServiceRegistry(base.runs, sources)


def _shared(base: Foundation, comparisons: ComparisonRegistry, votes: VoteRegistry) -> SharedRuns:
    return SharedRuns(
        comparisons,
        votes,
        base.models.get_available_models,
        model_fingerprint,
        lambda name: is_named(base.gateway.groups.config, name),
    )


def full_gateway(
    models: ModelManager,
    groups: TaskGroupManager,
    engine: InferenceEngine,
    folder: Path | None = None,
    local: TextSource | None = None,
) -> Gateway:
    """A gateway over the groups of a file and over local models, which go by their own names. ``local`` answers for
    these in place of the engine."""
    return Gateway(
        groups,
        local or engine,
        folder=folder,
        local_names=models.unique_name,
        local_context=models.context_length,
        local_trouble=engine.trouble_with,
    )


def open_tasks(choice: TaskChoice) -> list[Task]:
    """The data of a published task. Raises DocumentError: it cannot be read."""
    return load_tasks(choice.name, choice.data or HUB, choice.options)
