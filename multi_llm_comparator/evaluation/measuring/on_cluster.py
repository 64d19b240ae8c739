"""An evaluation whose local models answer on a Ray cluster: items go to its actors, everything else stays here.

Ray places the actors; nothing of ours schedules across machines. What is asked, stored, resumed and scored is the same
as without a cluster, for an actor is only somebody else who answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from multi_llm_comparator import __version__
from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, error_from_name
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.evaluation.measuring.asking import Sources, Spread
from multi_llm_comparator.evaluation.measuring.cluster_actor import ClusterActor, Refused
from multi_llm_comparator.evaluation.measuring.spec import MAX_ACTORS, Cluster

# Until the cluster has a place for every actor.
PLACE_TIMEOUT_S = 300.0
CLOSE_TIMEOUT_S = 20.0
REACH_TIMEOUT_S = 10.0
MISSING = "Ray is not installed here: pip install '.[ray]'"


def spread_with(find: Callable[[str], ModelInfo | None]) -> Spread:
    """How evaluations reach a cluster; ``find`` knows the local models."""

    @contextlib.asynccontextmanager
    async def spread(cluster: Cluster, targets: Sequence[str], here: Sources) -> AsyncIterator[Sources]:
        models = {target: model for target in targets if (model := find(target)) is not None}
        async with _connected(cluster.address), _actors(cluster, models) as actors:
            there = _OnActors(actors, models, here)
            yield replace(here, texts=there, scorer=there, width=len(actors))

    return spread


class _OnActors:
    """Asks the least busy actor for local models; everybody else as before."""

    def __init__(self, actors: Sequence[Any], models: Mapping[str, ModelInfo], here: Sources) -> None:
        self._actors, self._busy = actors, [0] * len(actors)
        self._models, self._here = models, here

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        if target not in self._models:
            async with contextlib.aclosing(self._here.texts.stream(target, request)) as events:
                async for event in events:
                    yield event
            return
        try:
            with self._place() as actor:
                told = await _result(actor.events.remote(target, request))
        except InferenceError as exc:
            told = [Failed.of(request.id, exc)]
        for event in told:
            yield event

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        if target not in self._models:
            assert self._here.scorer is not None
            return await self._here.scorer.score(target, request)
        with self._place() as actor:
            result: ScoreResult | Refused = await _result(actor.score.remote(target, request))
        if isinstance(result, Refused):
            raise error_from_name(result.error_type, result.message)
        return result

    @contextlib.contextmanager
    def _place(self) -> Iterator[Any]:
        number = self._busy.index(min(self._busy))
        self._busy[number] += 1
        try:
            yield self._actors[number]
        finally:
            self._busy[number] -= 1


async def _result(reference: Any) -> Any:
    """What an actor returns.

    Raises:
        InferenceError: it is gone, or broke.
    """
    from ray.exceptions import RayError

    try:
        return await asyncio.wrap_future(reference.future())
    except RayError as exc:
        raise InferenceError(f"the cluster lost the answer: {str(exc)[:300]}; ask what failed again") from exc


@contextlib.asynccontextmanager
async def _actors(cluster: Cluster, models: dict[str, ModelInfo]) -> AsyncIterator[list[Any]]:
    import ray

    def start() -> list[Any]:
        count = cluster.actors or min(MAX_ACTORS, max(1, sum(bool(node["Alive"]) for node in ray.nodes())))
        remote = ray.remote(ClusterActor)
        options = {"num_cpus": 1, "scheduling_strategy": "SPREAD", "max_restarts": 2}
        return [remote.options(**options).remote(models) for _ in range(count)]

    actors = await asyncio.to_thread(start)
    try:
        await _placed(actors, cluster.address)
        yield actors
    finally:
        with contextlib.suppress(InferenceError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*(_result(actor.aclose.remote()) for actor in actors), return_exceptions=True)
        await asyncio.to_thread(lambda: [ray.kill(actor) for actor in actors])


async def _placed(actors: Sequence[Any], address: str) -> None:
    """Raises ConfigurationError: there is no place for all, or another version of the workbench."""
    try:
        async with asyncio.timeout(PLACE_TIMEOUT_S):
            versions = set(await asyncio.gather(*(_result(actor.version.remote()) for actor in actors)))
    except TimeoutError as exc:
        raise ConfigurationError(
            f"the Ray cluster at {address!r} had no place for {len(actors)} actors of one core each within "
            f"{PLACE_TIMEOUT_S:g} s; ask for fewer"
        ) from exc
    except InferenceError as exc:
        raise ConfigurationError(f"the Ray cluster at {address!r} cannot run the workbench: {exc}") from exc
    if versions != {__version__}:
        raise ConfigurationError(
            f"the Ray cluster at {address!r} has version {', '.join(sorted(versions))} of the workbench, this program "
            f"has {__version__}: their results would not be the same"
        )


@dataclass
class _Connection:
    """Ray knows one cluster for each program: evaluations that run at once share it."""

    address: str = ""
    users: int = 0


_connection, _lock = _Connection(), threading.Lock()


@contextlib.asynccontextmanager
async def _connected(address: str) -> AsyncIterator[None]:
    """Raises ConfigurationError: Ray is missing, nobody answers there, or this program is connected elsewhere."""
    await asyncio.to_thread(_connect, address)
    try:
        yield
    finally:
        await asyncio.to_thread(_disconnect)


def _connect(address: str) -> None:
    switch_off_telemetry()
    try:
        import ray
    except ImportError as exc:
        raise ConfigurationError(MISSING) from exc
    with _lock:
        if _connection.users and _connection.address != address:
            raise ConfigurationError(
                f"an evaluation runs on the cluster at {_connection.address!r}; wait for its end before one on another"
            )
        if not _connection.users:
            try:
                _reach(address)
                ray.init(address=address, configure_logging=False, log_to_driver=False)
            # Nobody answers there, another version of Ray or Python, or no address.
            except (OSError, RuntimeError, ValueError) as exc:
                ray.shutdown()
                why = (str(exc) or type(exc).__name__)[:300]
                raise ConfigurationError(f"the Ray cluster at {address!r} does not answer: {why}") from exc
            _connection.address = address
        _connection.users += 1


def _reach(address: str) -> None:
    """Raises OSError: nobody listens there. Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), REACH_TIMEOUT_S):
        pass


def _disconnect() -> None:
    import ray

    with _lock:
        _connection.users -= 1
        if not _connection.users:
            ray.shutdown()
