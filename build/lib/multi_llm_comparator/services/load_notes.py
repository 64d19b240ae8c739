"""What a loaded model has less of than it could have, as its pane, its details and the log say it."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.devices import CPU, device_for, gpus

MAX_NOTES, MAX_NOTE_CHARS = 16, 500
SAFE = "Safe settings: it crashed with the usual ones on this machine. It is slower with them."
_BUILT = {
    ModelType.GGUF: "llama-cpp-python was built without support for it; install a build with support",
    ModelType.PYTORCH: "the installed torch is a build for CPUs only; install one for GPUs",
}


def load_notes(model: ModelInfo, options: LoadOptions, info: dict[str, Any]) -> tuple[str, ...]:
    """What the engine says in ``info["notes"]``, and what only this side of the process knows."""
    notes = [str(note)[:MAX_NOTE_CHARS] for note in info.get("notes") or ()]
    if options.safe:
        notes.insert(0, SAFE)
    # A machine without a GPU lacks nothing that could be had.
    elif (
        options.use_gpu and gpus() and device_for(model.model_type, use_gpu=True) == CPU and model.model_type in _BUILT
    ):
        notes.insert(0, f"On the CPU, though there is a GPU: {_BUILT[model.model_type]}.")
    return tuple(notes[:MAX_NOTES])
