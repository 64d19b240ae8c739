"""From an adapter that was asked for to the file that its base's engine takes."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.private_files import make_private_folder
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.gguf_adapter_file import write_gguf_adapter
from multi_llm_comparator.services.scan.adapters import gguf_base
from multi_llm_comparator.services.scan.entry import stamps

Asked = TypeVar("Asked", bound=GenerationRequest | ScoreRequest | TokenRequest)
# In the home folder: adapters of peft as GGUF files. What is not there is made again.
CACHE_NAME = "adapters"
MAX_CACHE_FILES = 200
MAX_CACHE_BYTES = 8 * 2**30
# Raised when the same adapter would become another file.
_VERSION = 1


async def adapted(model: ModelInfo, request: Asked, home: Path) -> tuple[ModelInfo, Asked]:
    """What is to be loaded for a model that was asked, and the request as its engine takes it.

    Raises:
        InvalidParameterError: a scale of an adapter is asked of a model that is none.
        MultiLLMError: see :func:`adapter_file`.
    """
    if model.base is not None:
        return model.base, replace(request, adapter=await asyncio.to_thread(adapter_file, model, home))
    if request.config.adapter_scale != ModelConfig.adapter_scale:
        raise InvalidParameterError(f"adapter_scale is for adapters, and {model.name!r} is none; leave it at 1")
    return model, replace(request, adapter="")


def adapter_file(model: ModelInfo, home: Path) -> str:
    """What the engine of an adapter's base is to load: the peft folder, or a GGUF file, made now if need be.

    Args:
        model: the adapter, as a scan lists it (with its ``base``).
        home: the workbench's, where files that were made are kept.

    Raises:
        UnsupportedModelError: there is no GGUF form of this adapter; what is in the way is named.
        ModelLoadError: the adapter is damaged or does not fit its base.
        ConversionError: the file could not be written.
    """
    folder = Path(model.path)
    if model.base is None or model.base.model_type is not ModelType.GGUF or not folder.is_dir():
        return str(folder.absolute())
    base = gguf_base(model.base)
    marks = stamps(Path(path) for path in model.config.get("files", ()))
    told = repr((_VERSION, marks, base.architecture, base.heads, base.kv_heads, sorted(base.matrices.items())))
    place = home / CACHE_NAME / f"{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:32]}.gguf"
    if place.is_file():
        return str(place.absolute())
    try:
        make_private_folder(place.parent)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as aside:
            write_gguf_adapter(folder, base, Path(aside) / "adapter.gguf").replace(place)
        _tidy(place.parent, place)
    except OSError as exc:
        raise ConversionError(f"{str(place.parent)!r} could not be written: {exc.strerror or exc}") from exc
    return str(place.absolute())


def _tidy(folder: Path, newest: Path) -> None:
    """Delete the oldest files beyond the bounds; one that an engine holds stays readable to it on any Unix."""
    files = sorted(folder.glob("*.gguf"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for number, path in enumerate(files):
        total += path.stat().st_size
        if path != newest and (number >= MAX_CACHE_FILES or total > MAX_CACHE_BYTES):
            path.unlink(missing_ok=True)
