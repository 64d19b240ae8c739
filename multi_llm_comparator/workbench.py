"""The workbench of the pages: opened once for the process, on the background event loop."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from multi_llm_comparator.conversion.first_forms import FirstForms
from multi_llm_comparator.conversion.jobs import ConversionJobs
from multi_llm_comparator.core.home import HomeLock, open_home
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.evaluation.cooperation_worth import Worths
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.on_cluster import spread_with
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.tasks.base import Task
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.sources import HUB
from multi_llm_comparator.groups import FreshAnswers, Gateway, TaskGroupManager
from multi_llm_comparator.groups.named_answers import NamedAnswers
from multi_llm_comparator.groups.scoring import GatewayScorer
from multi_llm_comparator.jobs.machine import ThisMachine
from multi_llm_comparator.jobs.registry import JobRegistry
from multi_llm_comparator.known_questions import known_by
from multi_llm_comparator.plans.plan_source import PlanSource
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.roles import FindLocal, Reach
from multi_llm_comparator.plans.saved import PREFIX as PLAN
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.routing import IntelligentRouter
from multi_llm_comparator.routing.surroundings import FOLDER as ROUTING_FOLDER
from multi_llm_comparator.routing.surroundings import surroundings
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.bridge import Bridge, get_bridge
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.database import database_file
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.hub_data import fetched
from multi_llm_comparator.wiring import Services, full_gateway, wired

# Who asks for a scan is shown what it found, as long as it does not take longer than a page may.
PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Workbench(Services):
    """What a page may ask besides: ``lock`` keeps the home for this process, ``bridge`` leads to the event loop."""

    lock: HomeLock
    hub: HubClient
    bridge: Bridge
    conversions: ConversionJobs
    first_forms: FirstForms
    data: DataProcess


def _services(
    settings: Settings, models: ModelManager, make_gateway: Callable[[InferenceEngine], Gateway], *, origin: str = ""
) -> dict[str, Any]:
    """The fields of :class:`Services`. Raises StoreError: the database cannot be used."""
    store = Store(settings.resolved_database_url)
    engine = InferenceEngine(models=models, settings=settings)
    gateway = make_gateway(engine)
    runs = RunRegistry(store, origin=origin)
    plans = PlanRegistry(runs, gateway)
    cooperations = CooperationRegistry(runs, gateway)
    saved = SavedCooperations(lambda: available_members(models, gateway.groups))
    named: dict[str, TextSource] = {PLAN: PlanSource(plans), COOPERATE: CooperationSource(cooperations, saved)}
    answers, fresh = NamedAnswers(gateway, named), NamedAnswers(FreshAnswers(gateway), named)
    comparisons = ComparisonRegistry(runs, fresh, models.find, model_fingerprint)
    votes = VoteRegistry(runs, fresh, models.find, model_fingerprint)
    runs.when_deleted(SharedLinks(settings.home).forget_runs)
    jobs = JobRegistry(runs, settings.home / "jobs", ThisMachine(engine))
    engine.memory_manager.other_work = jobs.held_bytes
    evaluations = EvaluationRegistry(
        runs,
        Sources(
            fresh,
            GatewayScorer(gateway, engine),
            lambda target: models.find(target) is not None,
            known_by(models),
            spread_with(models.find),
        ),
        open_tasks,
        in_flight=max(1, settings.parallel_requests),
    )
    worths = Worths(evaluations, lambda target: found.id if (found := models.find(target)) else target)
    cooperations.measured = worths.weights
    return {
        "settings": settings,
        "models": models,
        "engine": engine,
        "gateway": gateway,
        "answers": answers,
        "router": IntelligentRouter(
            surroundings(
                gateway=gateway,
                models=models,
                engine=engine,
                answers=answers,
                saved=saved,
                folder=settings.home / ROUTING_FOLDER,
            )
        ),
        "store": store,
        "usage": UsageWriter(store.usage, settings.usage_days),
        "runs": runs,
        "comparisons": comparisons,
        "plans": plans,
        "jobs": jobs,
        "calibration": Calibration(plans),
        "distillations": DistillationRegistry(runs, answers),
        "cooperations": cooperations,
        "saved_cooperations": saved,
        "applications": ServiceRegistry(
            runs,
            ServiceSources(
                answers,
                Documents(settings.home / "services"),
                counted_by(engine, models),
                in_flight=max(1, settings.parallel_requests),
            ),
        ),
        "mlflow": feed_of(settings, runs),
        "votes": votes,
        "shared": SharedRuns(
            comparisons,
            votes,
            models.get_available_models,
            model_fingerprint,
            lambda name: is_named(gateway.groups.config, name),
        ),
        "evaluations": evaluations,
        "worths": worths,
    }


def open_tasks(choice: TaskChoice) -> list[Task]:
    """The data of a published task. Raises DocumentError: it cannot be read."""
    return load_tasks(choice.name, choice.data or HUB, choice.options)


# --- for commands ---------------------------------------------------------------------------------------------------


class _HeldGroups:
    """Groups that are made, not read from a file."""

    def __init__(self, groups: dict[str, Any]) -> None:
        self._groups = groups

    def load(self, name: str) -> dict[str, Any]:
        return self._groups


def scanned_models() -> ModelManager:
    """The models of this machine."""
    models = ModelManager(get_settings().models_dir)
    models.scan_models()
    return models


def finder(models: ModelManager) -> FindLocal:
    """Finds a model by id, name or folder."""

    def find(name: str) -> str | None:
        if models.find(name) is not None:
            return name
        path = Path(name).expanduser()
        here = [m for m in models.get_available_models() if path.exists() and Path(m.path).resolve() == path.resolve()]
        return here[0].id if here else None

    return find


def local_names(models: ModelManager) -> list[str]:
    """What can be loaded here, by name: what a mistyped one is compared with."""
    return [model.name for model in models.get_available_models() if model.is_loadable]


@contextlib.asynccontextmanager
async def opened(models: ModelManager, reach: Reach) -> AsyncIterator[Services]:
    """What a command works with, on its own event loop; at the end every model process is ended."""
    for variable, key in reach.keys.items():
        os.environ[variable] = key.get_secret_value()

    def gateway(engine: InferenceEngine) -> Gateway:
        return Gateway(TaskGroupManager(_HeldGroups(reach.groups)), engine, local_trouble=engine.trouble_with)

    services = Services(**_services(get_settings(), models, gateway, origin=COMMAND_LINE))
    try:
        yield services
    finally:
        await services.jobs.aclose()
        if services.mlflow is not None:
            await services.mlflow.aclose()
        await services.runs.aclose()
        await services.gateway.aclose()
        await services.engine.aclose()
        services.store.close()


# --- for the API alone ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened_alone(models: ModelManager) -> AsyncIterator[Services]:
    """What the API without pages works with, on its own event loop; at the end every model process is ended.

    Raises:
        StoreError: the database cannot be used.
    """
    groups = TaskGroupManager()
    groups.load_or_empty()

    def gateway(engine: InferenceEngine) -> Gateway:
        return _full_gateway(models, groups, engine)

    services = Services(**_services(get_settings(), models, gateway, origin=SERVER))
    await services.gateway.start()
    await services.engine.start()
    try:
        yield services
    finally:
        if services.mlflow is not None:
            await services.mlflow.aclose()
        await services.runs.aclose()
        await services.gateway.aclose()
        await services.engine.aclose()
        await services.usage.aclose()
        services.store.close()


def _full_gateway(
    models: ModelManager, groups: TaskGroupManager, engine: InferenceEngine, folder: Path | None = None
) -> Gateway:
    return Gateway(
        groups,
        engine,
        folder=folder,
        local_names=models.unique_name,
        local_context=models.context_length,
        local_trouble=engine.trouble_with,
    )


# --- for the pages --------------------------------------------------------------------------------------------------

# Who asks for a scan is shown what it found, as long as it does not take longer than a page may.
PATIENCE_S = 1.0

_current: Workbench | None = None
_lock = threading.Lock()


def get_workbench() -> Workbench:
    """The workbench of this process, opened on first use."""
    global _current
    with _lock:
        if _current is None:
            _current = _open()
        return _current


def already_open() -> Workbench | None:
    """The workbench of this process, if the pages have opened it."""
    with _lock:
        return _current


def _open() -> Workbench:
    """Raises ConfigurationError, StoreError: the home or the database cannot be used, or is in use; nothing is open."""
    settings = get_settings()
    open_home(settings.home)
    lock = HomeLock(settings.home, database_file(settings.resolved_database_url))
    lock.take()
    try:
        return _opened(settings, lock)
    except BaseException:
        lock.release()
        raise


def _opened(settings: Settings, lock: HomeLock) -> Workbench:
    models, groups = ModelManager(settings.models_dir), TaskGroupManager()
    groups.load_or_empty()

    def gateway(engine: InferenceEngine) -> Gateway:
        return full_gateway(models, groups, engine, settings.home / "gateway")

    services = wired(settings, models, gateway)
    bridge, engine = get_bridge(), services.engine
    bridge.submit(services.gateway.start())
    bridge.submit(services.jobs.open())
    # A large folder takes its time; the pages say meanwhile what is being done.
    bridge.submit(_scan_and_load(models, engine))
    conversions = ConversionJobs(models.scan_models)
    hub = HubClient(settings.models_dir)
    first_forms = FirstForms(settings.models_dir, conversions, lambda: is_answering(engine), models.scan_models)
    return Workbench(
        **vars(services),
        lock=lock,
        hub=hub,
        bridge=bridge,
        conversions=conversions,
        first_forms=first_forms,
        data=DataProcess(fetch=lambda spec: fetched(spec, hub, settings.home)),
    )


async def _scan_and_load(models: ModelManager, engine: InferenceEngine) -> None:
    await asyncio.to_thread(models.scan_models)
    await engine.load_at_start()


def is_answering(engine: InferenceEngine) -> bool:
    """Whether a model is being loaded or asked at this moment."""
    return any(model.active or model.state == "loading" for model in engine.loaded_models())


def prepare_first_model(*, bring: bool = False) -> None:
    """Make the other forms of the first model in the background, unless the settings say not to. ``bring``: fetch it
    first where it is missing."""
    workbench = get_workbench()

    async def start() -> None:
        workbench.first_forms.start(bring=bring)

    if workbench.settings.first_model:
        workbench.bridge.submit(start())


def apply_settings() -> None:
    """Bring changed settings into effect: memory limits at once, model places by scanning again."""
    workbench = get_workbench()
    settings = get_settings()
    memory = workbench.engine.memory_manager
    memory.max_memory_gb, memory.mode = settings.max_memory_gb, settings.memory_mode
    keep_as(settings)
    scan_again()


def keep_as(settings: Settings) -> None:
    """Keep models in memory as these settings say."""
    workbench = get_workbench()
    workbench.bridge.run(workbench.engine.follow(settings), timeout_s=10)


def scan_again() -> None:
    """Look for models anew, in the background; :attr:`ModelManager.is_scanning` says until when."""
    workbench = get_workbench()
    workbench.models.announce_scan()
    workbench.bridge.submit(asyncio.to_thread(workbench.models.scan_models))
    workbench.models.wait_for_scan(PATIENCE_S)


def close_workbench() -> None:
    """End what runs, then every model process. Harmless when nothing was opened."""
    global _current
    with _lock:
        workbench, _current = _current, None
    if workbench is None:
        return
    workbench.models.end_scan()
    workbench.bridge.run(workbench.jobs.aclose(), timeout_s=10)
    if workbench.mlflow is not None:
        workbench.bridge.run(workbench.mlflow.aclose(), timeout_s=20)
    workbench.bridge.run(workbench.runs.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.hub.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.first_forms.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.data.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.conversions.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.gateway.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.engine.aclose(), timeout_s=20)
    workbench.bridge.run(workbench.usage.aclose(), timeout_s=10)
    workbench.bridge.close()
    workbench.store.close()
    workbench.lock.release()
