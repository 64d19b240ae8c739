"""The one set of services behind all pages of this process."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.conversion.first_forms import FirstForms
from multi_llm_comparator.conversion.jobs import ConversionJobs
from multi_llm_comparator.core.home import HomeLock, open_home
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.groups import FreshAnswers, Gateway, TaskGroupManager
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.services.bridge import Bridge, get_bridge
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.tracking.database import database_file
from multi_llm_comparator.tracking.store import Store


@dataclass(frozen=True)
class Workbench:
    """What a page may ask: the models found, the engine that runs them, the stored runs, the live comparisons,
    the gateway that answers for groups of models, the plans at work through it, what those tell of the models, the
    conversions at work, and what is being made of the first model. ``lock`` keeps the home for this process."""

    settings: Settings
    lock: HomeLock
    models: ModelManager
    engine: InferenceEngine
    store: Store
    comparisons: ComparisonRegistry
    hub: HubClient
    bridge: Bridge
    gateway: Gateway
    plans: PlanRegistry
    calibration: Calibration
    conversions: ConversionJobs
    first_forms: FirstForms


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
    store = Store(settings.resolved_database_url)
    bridge = get_bridge()
    models = ModelManager(settings.models_dir)
    engine = InferenceEngine(models=models, settings=settings)
    groups = TaskGroupManager()
    groups.load_or_empty()
    gateway = Gateway(
        groups,
        engine,
        folder=settings.home / "gateway",
        local_names=models.unique_name,
        local_context=models.context_length,
        local_trouble=engine.trouble_with,
    )
    comparisons = ComparisonRegistry(store, FreshAnswers(gateway), models.find, model_fingerprint)
    bridge.submit(gateway.start())
    # A large folder takes its time; the pages say meanwhile what is being done.
    bridge.submit(asyncio.to_thread(models.scan_models))
    plans = PlanRegistry(store, gateway)
    hub = HubClient(settings.models_dir)
    calibration = Calibration(plans)
    conversions = ConversionJobs(models.scan_models)
    first_forms = FirstForms(settings.models_dir, conversions, lambda: is_answering(engine), models.scan_models)
    return Workbench(
        settings,
        lock,
        models,
        engine,
        store,
        comparisons,
        hub,
        bridge,
        gateway,
        plans,
        calibration,
        conversions,
        first_forms,
    )


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
    scan_again()


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
    workbench.bridge.run(workbench.comparisons.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.plans.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.hub.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.first_forms.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.conversions.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.gateway.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.engine.aclose(), timeout_s=20)
    workbench.bridge.close()
    workbench.store.close()
    workbench.lock.release()
