"""The one set of services behind all pages of this process."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.conversion.first_forms import FirstForms
from multi_llm_comparator.conversion.jobs import ConversionJobs
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.groups import FreshAnswers, Gateway, TaskGroupManager
from multi_llm_comparator.plans.calibration import Calibration
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.services.bridge import Bridge, get_bridge
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.tracking.store import Store


@dataclass(frozen=True)
class Workbench:
    """What a page may ask: the models found, the engine that runs them, the stored runs, the live comparisons,
    the gateway that answers for groups of models, the plans at work through it, what those tell of the models, the
    conversions at work, and what is being made of the first model."""

    settings: Settings
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
    settings = get_settings()
    bridge = get_bridge()
    models = ModelManager(settings.models_dir)
    models.scan_models()
    engine = InferenceEngine(models=models, settings=settings)
    store = Store(settings.resolved_database_url)
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
    plans = PlanRegistry(store, gateway)
    hub = HubClient(settings.models_dir)
    calibration = Calibration(plans)
    conversions = ConversionJobs(models.scan_models)
    first_forms = FirstForms(settings.models_dir, conversions, lambda: is_answering(engine), models.scan_models)
    return Workbench(
        settings, models, engine, store, comparisons, hub, bridge, gateway, plans, calibration, conversions, first_forms
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
    workbench.models.scan_models()


def close_workbench() -> None:
    """End what runs, then every model process. Harmless when nothing was opened."""
    global _current
    with _lock:
        workbench, _current = _current, None
    if workbench is None:
        return
    workbench.bridge.run(workbench.comparisons.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.plans.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.hub.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.first_forms.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.conversions.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.gateway.aclose(), timeout_s=10)
    workbench.bridge.run(workbench.engine.aclose(), timeout_s=20)
    workbench.bridge.close()
    workbench.store.close()
