"""What the API answers with: whoever starts it hands this over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager

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
    """

    models: ModelManager
    engine: InferenceEngine
    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    default_model: str = ""
    n_ctx: int = ModelConfig.n_ctx

    async def scanned(self) -> None:
        """Wait until models are known: a server that has just started answers for them too."""
        if not self.models.available_models and self.models.is_scanning:
            await asyncio.to_thread(self.models.wait_for_scan, SCAN_PATIENCE_S)

    async def there(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, done on the gateway's event loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


@contextlib.asynccontextmanager
async def opened(*, default_model: str = "", n_ctx: int = ModelConfig.n_ctx) -> AsyncIterator[Served]:
    """The models of this machine on the running event loop, without pages or stored runs; in the end every model
    process is ended."""
    settings = get_settings()
    models = ModelManager(settings.models_dir)
    models.announce_scan()
    engine = InferenceEngine(models=models, settings=settings)
    groups = TaskGroupManager()
    groups.load_or_empty()
    gateway = Gateway(
        groups,
        engine,
        local_names=models.unique_name,
        local_context=models.context_length,
        local_trouble=engine.trouble_with,
    )
    scan = asyncio.create_task(asyncio.to_thread(models.scan_models), name="scan for models")
    await gateway.start()
    await engine.start()
    try:
        loop = asyncio.get_running_loop()
        yield Served(models=models, engine=engine, gateway=gateway, loop=loop, default_model=default_model, n_ctx=n_ctx)
    finally:
        models.end_scan()
        await asyncio.gather(scan, return_exceptions=True)
        await gateway.aclose()
        await engine.aclose()
