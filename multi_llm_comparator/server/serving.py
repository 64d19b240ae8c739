"""What the API answers with: whoever starts it hands this over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway
from multi_llm_comparator.headless import opened_alone
from multi_llm_comparator.jobs.registry import JobRegistry
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.routing import IntelligentRouter
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import UsageWriter
from multi_llm_comparator.wiring import Services

T = TypeVar("T")
# A first scan of large folders takes seconds; requests that come meanwhile wait so long for it.
SCAN_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """The models and the gateway over them.

    Attributes:
        loop: the event loop that the gateway belongs to; the server may run on another.
        default_model: answers requests that name none; "" refuses them.
        n_ctx: tokens of context of a local model, where a request does not say.
        store: where keys, usage and runs are kept; None where nothing is.
        usage: where it is noted what was asked; None where nothing is kept.
        runs: the stored runs and those at work; ``plans`` and ``cooperations`` make some of them, ``calibration``
            predicts those of plans.
        saved_cooperations: what can be asked as ``cooperate:NAME``.
        answers: resolves every name; None leaves all to the gateway.
        router: decides who answers where nobody is named; None makes one over the rest.
        applications: services on documents, data and decisions.
        jobs: tunings and other long work, and their queue.
    """

    models: ModelManager
    engine: InferenceEngine
    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    default_model: str = ""
    n_ctx: int = ModelConfig.n_ctx
    store: Store | None = None
    usage: UsageWriter | None = None
    runs: RunRegistry | None = None
    plans: PlanRegistry | None = None
    calibration: Calibration | None = None
    cooperations: CooperationRegistry | None = None
    saved_cooperations: SavedCooperations | None = None
    answers: TextSource | None = None
    router: IntelligentRouter | None = None
    applications: ServiceRegistry | None = None
    jobs: JobRegistry | None = None

    async def scanned(self) -> None:
        """Wait until models are known: a server that has just started answers for them too."""
        if not self.models.available_models and self.models.is_scanning:
            await asyncio.to_thread(self.models.wait_for_scan, SCAN_PATIENCE_S)

    async def there(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, done on the gateway's event loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


@contextlib.asynccontextmanager
async def opened(*, default_model: str = "", n_ctx: int = ModelConfig.n_ctx) -> AsyncIterator[Served]:
    """The models of this machine on the running event loop, without pages; in the end every model process is ended."""
    models = ModelManager(get_settings().models_dir)
    models.announce_scan()
    async with opened_alone(models) as work:
        scan = asyncio.create_task(asyncio.to_thread(models.scan_models), name="scan for models")
        loading = asyncio.create_task(_load_after(scan, work), name="models that are loaded at the start")
        try:
            yield served_from(work, asyncio.get_running_loop(), default_model=default_model, n_ctx=n_ctx)
        finally:
            models.end_scan()
            loading.cancel()
            await asyncio.gather(scan, loading, return_exceptions=True)


async def _load_after(scan: asyncio.Task[Any], work: Services) -> None:
    await asyncio.wait({scan})
    await work.engine.load_at_start()


def served_from(
    work: Services, loop: asyncio.AbstractEventLoop, *, default_model: str = "", n_ctx: int = ModelConfig.n_ctx
) -> Served:
    """What the API shows of all that is open; ``loop`` is the one that it was opened for."""
    return Served(
        models=work.models,
        engine=work.engine,
        gateway=work.gateway,
        loop=loop,
        default_model=default_model,
        n_ctx=n_ctx,
        usage=work.usage,
        runs=work.runs,
        plans=work.plans,
        calibration=work.calibration,
        cooperations=work.cooperations,
        saved_cooperations=work.saved_cooperations,
        answers=work.answers,
        router=work.router,
        applications=work.applications,
        jobs=work.jobs,
        store=work.store,
    )
