"""The workbench of the pages: opened once for the process, on the background event loop."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from functools import partial

from multi_llm_comparator.conversion.first_forms import FirstForms
from multi_llm_comparator.conversion.jobs import ConversionJobs
from multi_llm_comparator.core.home import HomeLock, open_home
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.evaluation.export_check import check_conversion
from multi_llm_comparator.groups import Gateway, TaskGroupManager
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
    conversions = ConversionJobs(models.scan_models, check=partial(check_conversion, models))
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
    workbench.bridge.run(workbench.engine.take_settings(get_settings()), timeout_s=10)
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
    workbench.bridge.run(workbench.runs.settle(), timeout_s=10)
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
