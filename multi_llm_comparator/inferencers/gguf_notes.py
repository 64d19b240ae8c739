"""What is known of a loaded GGUF model, and what it has less of than it could have, in words for whoever looks."""

from __future__ import annotations

import re
from typing import Any

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.chat import ChatTemplate
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.tool_grammar import tool_info

# llama.cpp's file types (llama_ftype in llama.h) whose weights it lays out anew on x86, where AMX is.
_REPACKED_TYPES = frozenset({2, 10, 14, 15, 25})
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
NOT_REPACKED = "Weights not repacked: this build of llama.cpp uses AMX, which crashes on them. It is slower without."


def describe(
    runtime: LlamaRuntime, options: LoadOptions, vocabulary: Vocabulary, template: ChatTemplate, sees: bool
) -> dict[str, Any]:
    """What :attr:`inferencers.base.Engine.info` tells."""
    return {
        "model_type": "gguf",
        "architecture": runtime.architecture,
        "description": runtime.description,
        "device": runtime.device,
        "vocab_size": vocabulary.size,
        "model_size": runtime.parameters,
        "n_ctx": options.n_ctx,
        "n_ctx_train": runtime.n_ctx_train,
        "parallel": options.parallel,
        "chat_template": template.is_present,
        "tools": tool_info(template, vocabulary.special_ids),
        "sees_images": sees,
        "safe": options.safe,
        "notes": runtime_notes(runtime, options, template),
    }


def runtime_notes(runtime: LlamaRuntime, options: LoadOptions, template: ChatTemplate) -> list[str]:
    """Notes on a model as it was loaded; what safe settings take away is said by whoever chose them."""
    lacks_repacking = not runtime.may_repack and not options.safe and runtime.file_type in _REPACKED_TYPES
    notes = [
        _layers_note(runtime.load_report) if runtime.on_gpu else None,
        NOT_REPACKED if lacks_repacking and not runtime.on_gpu else None,
        _context_note(options.n_ctx, runtime.n_ctx_train),
        _sharing_note(options),
        template.note if template.problem else None,
    ]
    return [note for note in notes if note is not None]


def _layers_note(report: str) -> str | None:
    """From what llama.cpp says while it loads."""
    found = _OFFLOADED.search(report)
    if found is None or found[1] == found[2]:
        return None
    return f"{found[1]} of {found[2]} layers are on the GPU, the others on the CPU: the GPU's memory holds no more."


def _context_note(n_ctx: int, trained: int) -> str | None:
    if n_ctx > trained > 0:
        return f"Context of {n_ctx:,} tokens, trained with {trained:,}: text beyond that may lose its sense."
    if n_ctx < trained:
        return f"Context of {n_ctx:,} tokens, {trained:,} are possible: raise it (n_ctx) for longer conversations."
    return None


def _sharing_note(options: LoadOptions) -> str | None:
    room = options.cache_tokens
    if room >= options.n_ctx * options.parallel:
        return None
    return f"{room:,} tokens of context for all answers together: {room // options.n_ctx} of full length fit at once."
