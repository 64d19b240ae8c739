"""How much memory a model will take, whether it fits, and what must leave first."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import psutil

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, InvalidParameterError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.readable import gb
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.devices import (
    CPU,
    device_for,
    free_ram_bytes,
    gpu_process_bytes,
    gpus,
    ram_bytes,
    same_memory,
)
from multi_llm_comparator.services.memory_estimate import MemoryEstimate, estimate_memory, memory_bound_bytes

__all__ = ["Footprint", "MemoryEstimate", "MemoryManager", "MemoryMode"]

MemoryMode = Literal["auto", "parallel", "in_turn", "one_at_a_time"]
RAM_SHARE = 0.8
GPU_SHARE = 0.9
# The kernel walks through all pages of a process to tell which are shared: 10 ms, and more for a large model.
_SHARED_MEMORY_KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """A loaded model as the memory manager sees it; ``idle_since`` None means that it is busy.

    Of ``bytes``, a model that is still loading has yet to take ``coming_bytes``. One that ``is_pinned`` stays.
    """

    key: str
    device: str
    bytes: int
    idle_since: float | None
    coming_bytes: int = 0
    is_pinned: bool = False

    @property
    def may_leave(self) -> bool:
        return self.idle_since is not None and not self.is_pinned


class MemoryManager:
    """Decides what is loaded, by the numbers.

    Args:
        max_memory_gb: RAM for all models together, in GB (10**9 bytes). None means 80% of the machine's (or its
            container's) RAM, and not more than is free now. GPUs are used up to 90%.
        mode: ``parallel`` loads models beside each other and refuses what does not fit beside the busy ones;
            ``one_at_a_time`` keeps a single one; ``auto`` is parallel as far as they fit, else one after another;
            with ``in_turn`` requests are answered one after another, and models stay as far as they fit.
    """

    def __init__(self, max_memory_gb: float | None = None, mode: MemoryMode = "auto") -> None:
        if max_memory_gb is not None and not max_memory_gb > 0:
            raise InvalidParameterError(f"max_memory_gb must be above 0, not {max_memory_gb!r}")
        if mode not in (modes := get_args(MemoryMode)):
            raise InvalidParameterError(f"mode must be one of {', '.join(map(repr, modes))}, not {mode!r}")
        self.max_memory_gb = max_memory_gb
        self.mode: MemoryMode = mode
        # Asked for the RAM that other work of ours holds, and what of that it has yet to take.
        self.other_work: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def estimate(self, model: ModelInfo, options: LoadOptions) -> MemoryEstimate:
        """What the model will take when it is loaded and used, from its headers alone."""
        return estimate_memory(model, options, device_for(model.model_type, use_gpu=options.use_gpu))

    def limit_bytes(self, device: str) -> int:
        """Memory of a device that models may take together."""
        gpu = next((gpu for gpu in gpus() if device != "mps" and same_memory(gpu.name, device)), None)
        if gpu is not None:
            return int(gpu.total_bytes * GPU_SHARE)
        return int(self.max_memory_gb * 1e9) if self.max_memory_gb is not None else int(ram_bytes() * RAM_SHARE)

    def process_limit_bytes(self, estimate: MemoryEstimate, options: LoadOptions) -> int:
        """RAM beyond which a model's process is ended: its files, not the machine, decide what it would take."""
        return memory_bound_bytes(estimate, options, self.limit_bytes(CPU))

    def plan_load(self, estimate: MemoryEstimate, loaded: Sequence[Footprint]) -> tuple[str, ...]:
        """Which models must be unloaded first, least recently used first; only idle ones are named.

        Raises:
            InsufficientMemoryError: it does not fit even then, with the numbers.
        """
        beside = [item for item in loaded if same_memory(item.device, estimate.device)]
        idle = sorted((item for item in beside if item.may_leave), key=lambda item: item.idle_since or 0.0)
        busy = [item for item in beside if not item.may_leave]
        free = self._free_bytes(estimate.device, beside)
        leaving: list[str] = []
        if self.mode == "one_at_a_time":
            leaving, free = [item.key for item in idle], free + sum(item.bytes for item in idle)
            idle = []
            if busy:
                raise self._refusal(estimate, free, busy)
        for item in idle:
            if free >= estimate.total_bytes:
                break
            leaving.append(item.key)
            free += item.bytes
        if free < estimate.total_bytes:
            raise self._refusal(estimate, free, busy)
        return tuple(leaving)

    def must_wait(self, estimate: MemoryEstimate, loaded: Sequence[Footprint]) -> bool:
        """Whether a model that does not fit now will once the busy ones have ended, and may wait for that."""
        beside = [item for item in loaded if same_memory(item.device, estimate.device)]
        busy = [item for item in beside if item.idle_since is None and not item.is_pinned]
        if self.mode == "parallel" or not busy:
            return False
        if self.mode == "one_at_a_time" and any(item.is_pinned for item in beside):
            return False
        will_leave = sum(item.bytes for item in beside if not item.is_pinned)
        return self._free_bytes(estimate.device, beside) + will_leave >= estimate.total_bytes

    def _free_bytes(self, device: str, beside: Sequence[Footprint]) -> int:
        under_limit = self.limit_bytes(device) - sum(item.bytes for item in beside)
        if device.startswith("cuda"):
            return under_limit
        held, coming = self.other_work()
        if self.max_memory_gb is not None:
            return under_limit - held
        # What is free now is promised to those that are still loading, and to work that has just begun.
        return min(under_limit - held, free_ram_bytes() - coming - sum(item.coming_bytes for item in beside))

    def _refusal(self, estimate: MemoryEstimate, free: int, busy: Sequence[Footprint]) -> InsufficientMemoryError:
        needed, limit = estimate.total_bytes, self.limit_bytes(estimate.device)
        numbers = (
            f"needs {gb(needed)} (weights {gb(estimate.weights_bytes)}, context {gb(estimate.kv_cache_bytes)}, "
            f"overhead {gb(estimate.overhead_bytes)}) on {estimate.device!r}, where {gb(max(0, free))} of at most "
            f"{gb(limit)} can be had"
        )
        held_by_work = 0 if estimate.device.startswith("cuda") else self.other_work()[0]
        if busy or held_by_work:
            pinned = [item for item in busy if item.is_pinned]
            at_work = [item for item in busy if not item.is_pinned]
            models = f"{len(at_work)} busy model(s) hold {gb(sum(item.bytes for item in at_work))}" if at_work else ""
            kept = f"{len(pinned)} pinned model(s) hold {gb(sum(item.bytes for item in pinned))}" if pinned else ""
            work = f"tunings and other jobs hold {gb(held_by_work)}" if held_by_work else ""
            what = "unpin or unload them" if kept and not models and not work else "wait for them, or stop them"
            advice = f"{' and '.join(filter(None, (models, kept, work)))}: {what}"
        else:
            advice = "choose a smaller model, a shorter context or a quantization, or raise the memory limit"
        return InsufficientMemoryError(
            f"not enough memory: {numbers}; {advice}", needed_bytes=needed, available_bytes=max(0, free)
        )

    def process_bytes(self, pid: int, device: str) -> int | None:
        """Memory that a model process holds now: on its GPU, or resident in RAM; None when it is gone."""
        if device.startswith("cuda"):
            on_gpu = gpu_process_bytes(pid)
            if on_gpu is not None:
                return on_gpu
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return None

    def forked_bytes(self, pid: int, template: int, forks: int) -> int | None:
        """RAM of one of ``forks`` model processes of a template: its own, and its part of what they share.

        So all forks together have what they and the template take, and each less the more there are.
        """
        tick = int(time.monotonic() / _SHARED_MEMORY_KEPT_S)
        own, shared = _proportional_bytes(pid, tick), _proportional_bytes(template, tick)
        return None if own is None else own + (shared or 0) // max(1, forks)

    def cleanup(self) -> None:
        """Let go of what Python still holds; a model's own memory goes with its process."""
        self.measure_anew()
        gc.collect()

    def measure_anew(self) -> None:
        """A process has ended: what others share with it is theirs alone. Nothing else waits for it, so it is quick."""
        _proportional_bytes.cache_clear()


@lru_cache(maxsize=64)
def _proportional_bytes(pid: int, tick: int) -> int | None:
    """RAM of a process in which a page that several share counts in parts (Linux: PSS); None when it is gone."""
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return None
