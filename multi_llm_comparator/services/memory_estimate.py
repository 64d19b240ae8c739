"""How much memory a loaded model will take, from what its headers say.

    weights (in the type they are held in) + context (KV cache) + overhead (the process, tokenizer, work buffers)

The constants were measured on Linux with Python 3.11, torch 2.13 (CPU), transformers 5.23 and llama-cpp-python 0.3.36,
as resident set size of a model process after it had answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.cpus import slow_on_cpu
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import MAX_SCORES_BYTES, LoadOptions
from multi_llm_comparator.services.devices import CPU

MB = 10**6
# A process with the worker's modules alone: 39 MB.
WORKER_BYTES = 39 * MB
# ... with torch and transformers, a tiny model loaded and used (its classes, oneDNN's code, thread stacks): 388 MB.
TORCH_PROCESS_BYTES = 388 * MB
# ... with bitsandbytes imported as well: 129 MB more.
BITSANDBYTES_BYTES = 129 * MB
# Quantizing on a CPU leaves the mapped file and about one copy of it in the process: 200M parameters in 16 bit (384 MB)
# took 1,426 MB in 8 bit and 1,369 MB in 4 bit, where weights and process alone are 747 and 665 MB.
QUANTIZING_COPIES = 2
# What a context takes of the room that it would take in 16 bit: 32 numbers and a scale in 34 or 18 bytes.
KV_SHARE = {"f16": 1.0, "q8_0": 34 / 64, "q4_0": 18 / 64}
# A worker with llama.cpp and a tiny model, without its weights and cache: 60 MB for the libraries, 7 for the rest.
LLAMA_CPP_PROCESS_BYTES = 68 * MB
# GPU memory that a CUDA context and its libraries take before the first weight; 400 to 600 MB on recent cards.
CUDA_CONTEXT_BYTES = 500 * MB
# A fast tokenizer of 32,000 words takes 28 MB, of 150,000 words 121 MB; llama.cpp's of 32,000 takes 7 MB.
TOKENIZERS_BYTES_PER_WORD = 830
LLAMA_CPP_BYTES_PER_WORD = 220
# llama.cpp works on so many tokens of a prompt at once; in 32 bit, its buffers then hold about six rows of the
# model's width and three of its feed-forward width for each: 29 MB measured where this gives 30, 7 where it gives 6.
BATCH_TOKENS = 512
ROWS_OF_WIDTH, ROWS_OF_FEED_FORWARD = 6, 3
# Left to a process beyond what can be reckoned.
SPARE_BYTES = 2000 * MB
GPU_LIBRARIES_BYTES = 4000 * MB

_DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_TORCH_NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
# bitsandbytes keeps one byte per weight, or half of one and a 32-bit scale for each 64.
_QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What a model will take on ``device``, in bytes."""

    weights_bytes: int
    kv_cache_bytes: int
    overhead_bytes: int
    device: str

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_cache_bytes + self.overhead_bytes


def estimate_memory(model: ModelInfo, options: LoadOptions, device: str) -> MemoryEstimate:
    """Estimate from ``model.config`` and the file size; a header that says nothing counts as its file."""
    match model.model_type:
        case ModelType.GGUF:
            return _gguf(model, options, device)
        case ModelType.PYTORCH:
            return _pytorch(model, options, device)
        case _:
            return MemoryEstimate(model.size, 0, WORKER_BYTES, CPU)


def memory_bound_bytes(estimate: MemoryEstimate, options: LoadOptions, limit_bytes: int) -> int:
    """RAM that the model's process may take at most: far beyond its estimate, yet no more than all models together may.

    Loading can have weights twice, in two types; every request served together can fill its whole context. All models
    in RAM may take ``limit_bytes``; an estimate that was let in under it may be wrong by a quarter before that counts.
    """
    full_caches = 2 * estimate.kv_cache_bytes * options.parallel
    generous = 3 * (estimate.weights_bytes + estimate.overhead_bytes) + full_caches + SPARE_BYTES
    if estimate.device != CPU:
        # The libraries of a GPU take RAM as well, and its memory is none.
        return generous + GPU_LIBRARIES_BYTES
    return max(min(generous, limit_bytes), estimate.total_bytes + estimate.total_bytes // 4 + SPARE_BYTES // 4)


def _gguf(model: ModelInfo, options: LoadOptions, device: str) -> MemoryEstimate:
    """llama.cpp maps the file and reserves the whole cache at once for all requests it serves together.

    Reproducible answers have caches of their own, at most as much again, made with the first of them and measured then.
    """
    config = model.config
    rows = ROWS_OF_WIDTH * config.get("hidden_size", 0) + ROWS_OF_FEED_FORWARD * config.get("feed_forward_size", 0)
    work = BATCH_TOKENS * rows * 4
    if device == CPU and options.kv_type == "f16":
        # Attention scores of a prompt that fills half of one request's context, so that an idle model and one in a long
        # conversation are both near the figure: a full one of 2,048 tokens took 43 MB (9 heads).
        tokens = options.n_ctx // 2
        work += min(MAX_SCORES_BYTES, 4 * config.get("heads", 0) * tokens * min(BATCH_TOKENS, tokens))
    vocabulary = LLAMA_CPP_BYTES_PER_WORD * config.get("vocab_size", 0)
    process = LLAMA_CPP_PROCESS_BYTES + vocabulary if device == CPU else CUDA_CONTEXT_BYTES
    return MemoryEstimate(
        weights_bytes=(config.get("weight_bytes") or model.size) + config.get("projector_bytes", 0),
        kv_cache_bytes=int(config.get("kv_bytes_per_token", 0) * options.cache_tokens * KV_SHARE[options.kv_type]),
        overhead_bytes=process + work,
        device=device,
    )


def _pytorch(model: ModelInfo, options: LoadOptions, device: str) -> MemoryEstimate:
    """The cache of a PyTorch model grows with its conversations: counted is one that fills half of its context.

    So an idle model and one in a long conversation are both near the figure.
    """
    config = model.config
    number_bytes = held_number_bytes(config, options, device)
    process = TORCH_PROCESS_BYTES + TOKENIZERS_BYTES_PER_WORD * config.get("vocab_size", 0)
    if device.startswith("cuda"):
        process = CUDA_CONTEXT_BYTES
    if options.quantization in _QUANTIZED_BYTES:
        process += BITSANDBYTES_BYTES
        if device == CPU:
            process += QUANTIZING_COPIES * int(config.get("weight_bytes") or model.size)
    n_ctx = min(options.n_ctx, config.get("context_length") or options.n_ctx)
    return MemoryEstimate(
        weights_bytes=_pytorch_weights(model, options, number_bytes),
        kv_cache_bytes=config.get("kv_bytes_per_token", 0) * number_bytes // 2 * n_ctx // 2,
        overhead_bytes=process,
        device=device,
    )


def held_number_bytes(config: dict[str, Any], options: LoadOptions, device: str) -> int:
    """Bytes per number that the model computes with; what a CPU computes slowly becomes float32 by itself."""
    stored = config.get("dtype") or config.get("stored_dtype") or "F32"
    wanted = _TORCH_NAMES.get(options.torch_dtype)
    slow = device == CPU and slow_on_cpu({"F16": "float16", "BF16": "bfloat16"}.get(stored, ""))
    if options.safe or (wanted is None and slow):
        wanted = "F32"
    return _DTYPE_BYTES.get(wanted or stored, 2)


def _pytorch_weights(model: ModelInfo, options: LoadOptions, number_bytes: int) -> int:
    config = model.config
    stored_bytes = int(config.get("weight_bytes") or model.size)
    parameters = config.get("parameters")
    if parameters is None:
        stored_number = _DTYPE_BYTES.get(config.get("dtype", "F32"), 4)
        parameters = stored_bytes // stored_number
    elif config.get("stored_dtype") not in _DTYPE_BYTES:
        return stored_bytes  # quantized in advance: held as stored
    linear = config.get("linear_parameters", 0) if options.quantization in _QUANTIZED_BYTES else 0
    return int((parameters - linear) * number_bytes + linear * _QUANTIZED_BYTES.get(options.quantization, 0))
