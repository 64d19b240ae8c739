"""Engines by name, imported only when one is opened: the app itself never imports torch or llama.cpp."""

from __future__ import annotations

from importlib import import_module

from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.inferencers.base import Engine, LoadOptions

# The engine whose imports take seconds.
PRELOADED_ENGINE = "pytorch"
_ENGINES = {
    "pytorch": "multi_llm_comparator.inferencers.pytorch_engine:PyTorchEngine",
    "gguf": "multi_llm_comparator.inferencers.gguf_engine:GgufEngine",
    "encoder": "multi_llm_comparator.inferencers.encoder_engine:EncoderEngine",
    "scripted": "multi_llm_comparator.inferencers.scripted:ScriptedEngine",
}


def open_engine(name: str, path: str, options: LoadOptions) -> Engine:
    """Load the model at ``path`` with the engine called ``name``.

    Raises:
        UnsupportedModelError: no such engine.
        ModelLoadError: the engine cannot load it.
    """
    if name not in _ENGINES:
        raise UnsupportedModelError(f"no engine named {name!r}; known are {', '.join(_ENGINES)}")
    module, _, attribute = _ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)(path, options)
    return engine


def preload(name: str) -> None:
    """Import what an engine needs, ahead of the first model: a process kept ready does this while all is idle."""
    module = import_module(_ENGINES[name].partition(":")[0])
    if warm_up := getattr(module, "warm_up", None):
        warm_up()
