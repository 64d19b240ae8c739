"""What an answer needs beside its text to be made again: exactly which model, and which versions of what."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from multi_llm_comparator import __version__
from multi_llm_comparator.comparison.snapshots import ModelFacts
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo

logger = logging.getLogger(__name__)

ModelLookup = Callable[[str], ModelInfo | None]
Fingerprint = Callable[[ModelInfo], str | None]

_LIBRARIES = ("torch", "transformers", "llama-cpp-python", "bitsandbytes")
_METADATA = ("architecture", "parameters", "quantization", "context_length", "layers", "file_format", "chat_template")


class Fingerprints:
    """Hashes model files in a thread; panes that ask for the same model at the same time share the work."""

    def __init__(self, compute: Fingerprint) -> None:
        self._compute = compute
        self._running: dict[str, asyncio.Task[str | None]] = {}

    async def of(self, info: ModelInfo) -> str | None:
        """The hash of a model's weights; None when its files cannot be read, which is logged."""
        task = self._running.get(info.path)
        if task is None:
            task = self._running[info.path] = asyncio.create_task(self._hash(info))
            task.add_done_callback(lambda done: self._running.pop(info.path))
        return await asyncio.shield(task)

    async def _hash(self, info: ModelInfo) -> str | None:
        try:
            return await asyncio.to_thread(self._compute, info)
        except (OSError, MultiLLMError) as exc:
            logger.warning("no fingerprint of %r: %s", info.path, exc)
            return None


@cache
def versions() -> dict[str, str]:
    """Versions by name, from the installed packages' own records: nothing heavy is imported."""
    found = {
        "multi-llm-comparator": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def model_facts(target: str, info: ModelInfo | None, fingerprint: str | None = None) -> ModelFacts:
    """What is known of the model behind a target; of a target that is not a local model, the target."""
    if info is None:
        return ModelFacts(id=target, name=target)
    known = {key: info.config.get(key) for key in _METADATA}
    facts = ModelFacts(
        id=info.id,
        name=info.name,
        path=info.path,
        model_type=info.model_type.value,
        size_bytes=info.size,
        metadata={key: value for key, value in known.items() if isinstance(value, str | int | float)},
    )
    return replace(facts, fingerprint=fingerprint)
