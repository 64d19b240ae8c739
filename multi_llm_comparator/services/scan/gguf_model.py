"""What a GGUF header means: architecture, size, quantization, and why the file might not run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.fields import recommended, text, whole
from multi_llm_comparator.services.scan.gguf_header import GgufHeader, GgufTensor, block_sizes
from multi_llm_comparator.services.scan.hf_config import names_tools
from multi_llm_comparator.services.scan.origin import NAME_KEY, SOURCE_KEY, THROUGH_KEY, told_origin

# Kinds of files that share the format but are no model to talk to, by ``general.type``.
_OTHER_KINDS = {
    "adapter": "a LoRA adapter, not a model; load its base model, or merge the two",
    "mmproj": "the vision part of a model that sees images, not a language model",
    "imatrix": "an importance matrix for quantizing, not a model",
    "vocab": "a vocabulary only: a tokenizer without weights",
}
_NO_TEXT = {
    "clip": _OTHER_KINDS["mmproj"],
    **dict.fromkeys(
        ("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"),
        "an embedding model: it turns text into vectors and cannot write",
    ),
    **dict.fromkeys(("gemma-embedding", "llama-embed"), "an embedding model: it cannot write"),
    **dict.fromkeys(("t5", "t5encoder"), "an encoder-decoder model; only decoder models are supported"),
    "wavtokenizer-dec": "part of a speech model, not a language model",
}
# Models that were made to see; others tell it by a chat template that knows images.
_SEEING = frozenset({"qwen2vl", "qwen3vl", "qwen3vlmoe", "cogvlm", "llama4"})
_SEES = re.compile(r"""["']image["']""")
_SAMPLING = {
    "temperature": "general.sampling.temp",
    "top_k": "general.sampling.top_k",
    "top_p": "general.sampling.top_p",
    "repeat_penalty": "general.sampling.penalty_repeat",
}


def describe_gguf(headers: Sequence[GgufHeader]) -> dict[str, Any]:
    """Turn the headers of all parts of one model, first part first, into ``ModelInfo.config``."""
    metadata, lengths = headers[0].metadata, headers[0].array_lengths
    architecture = text(metadata, "general.architecture")
    tensors = [tensor for header in headers for tensor in header.tensors]
    config: dict[str, Any] = {
        "file_format": f"GGUF v{headers[0].version}",
        "architecture": architecture,
        "title": text(metadata, "general.name"),
        "parameters": sum(t.elements for t in tensors) or None,
        "chat_template": text(metadata, "tokenizer.chat_template") is not None,
        "vocab_size": lengths.get("tokenizer.ggml.tokens") or whole(metadata, f"{architecture}.vocab_size"),
        "base_model": text(metadata, "general.base_model.0.name"),
        "converted_from": told_origin(metadata, NAME_KEY, THROUGH_KEY),
        "source_fingerprint": text(metadata, SOURCE_KEY),
        "generation": recommended({name: metadata[key] for name, key in _SAMPLING.items() if key in metadata}),
        **_dimensions(metadata, architecture),
        **_weights(tensors, metadata),
    }
    found = {key: value for key, value in config.items() if value is not None and value != {}}
    problem = _problem(headers, architecture, found)
    if architecture == "clip" or text(metadata, "general.type") == "mmproj":
        found |= _projector_facts(metadata)
    elif _SEES.search(str(metadata.get("tokenizer.chat_template", ""))) or architecture in _SEEING:
        found["may_see"] = True
    if names_tools(metadata.get("tokenizer.chat_template")):
        found["names_tools"] = True
    if text(metadata, "general.type") == "adapter":
        found |= {"is_adapter": True, **_adapter_facts(headers[0])}
    return {**found, "problem": problem} if problem else found


def _projector_facts(metadata: dict[str, Any]) -> dict[str, Any]:
    """Of the vision part of a model: how many numbers it gives for each part of an image, where it says so."""
    size = whole(metadata, "clip.vision.projection_dim", "clip.projection_dim")
    return {"is_projector": True, **({"projection_size": size} if size else {})}


def _adapter_facts(header: GgufHeader) -> dict[str, Any]:
    """The rank of a LoRA adapter, or what is wrong with its file."""
    try:
        kind = text(header.metadata, "adapter.type")
        if kind != "lora":
            raise ModelLoadError(f"an adapter of the kind {kind!r}; only LoRA can be used here")
        check_tensors(header)
    except ModelLoadError as exc:
        return {"adapter_problem": str(exc)}
    ranks = {tensor.shape[1] for tensor in header.tensors if tensor.name.endswith(".lora_a") and len(tensor.shape) > 1}
    return {"rank": max(ranks)} if ranks else {"adapter_problem": "an adapter without matrices; fetch it again"}


def _dimensions(metadata: dict[str, Any], architecture: str | None) -> dict[str, int | None]:
    def of(name: str) -> int | None:
        return whole(metadata, f"{architecture}.{name}")

    layers, width, heads = of("block_count"), of("embedding_length"), of("attention.head_count")
    return {
        "context_length": of("context_length"),
        "layers": layers,
        "hidden_size": width,
        "feed_forward_size": of("feed_forward_length"),
        "heads": heads,
        "kv_bytes_per_token": _kv_bytes(metadata, architecture, layers, width, heads),
    }


def _kv_bytes(
    metadata: dict[str, Any], architecture: str | None, layers: int | None, width: int | None, heads: int | None
) -> int | None:
    """Bytes that one token takes in a 16-bit KV cache, over all layers.

    Heads may be given per layer, as a list; hybrid models have layers without any.
    """
    if layers is None or width is None:
        return None
    per_layer = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    if isinstance(per_layer, list):
        kv_heads = sum(n for n in per_layer if isinstance(n, int) and 0 < n < 2**20)
    else:
        kv_heads = layers * (whole({"n": per_layer}, "n") or 0)
    first = metadata.get(f"{architecture}.attention.head_count")
    if isinstance(first, list):
        heads = max((n for n in first if isinstance(n, int)), default=0)
    size = width // heads if heads else 0
    key = whole(metadata, f"{architecture}.attention.key_length")
    value = whole(metadata, f"{architecture}.attention.value_length")
    return kv_heads * ((size if key is None else key) + (size if value is None else value)) * 2


def _weights(tensors: Sequence[GgufTensor], metadata: dict[str, Any]) -> dict[str, Any]:
    by_type: Counter[str] = Counter()
    for tensor in tensors:
        name, per_block, block_bytes = block_sizes().get(tensor.type_id, (f"type {tensor.type_id}", 1, 0))
        by_type[name] += tensor.elements // per_block * block_bytes
    return {"weight_bytes": by_type.total() or None, "quantization": _quantization(by_type, metadata)}


def _quantization(by_type: Counter[str], metadata: dict[str, Any]) -> str | None:
    """The usual name: the declared file type as long as such tensors are there, else the type of most bytes."""
    if not by_type:
        return None
    from gguf.constants import LlamaFileType

    declared = whole(metadata, "general.file_type")
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in LlamaFileType}
    name = names.get(declared) if declared is not None else None
    if name and any(name == found or name.startswith(f"{found}_") for found in by_type):
        return str(name)
    return by_type.most_common(1)[0][0]


def _problem(headers: Sequence[GgufHeader], architecture: str | None, config: dict[str, Any]) -> str | None:
    """Why this cannot be loaded, most telling reason first, or None."""
    metadata = headers[0].metadata
    kind = text(metadata, "general.type") or "model"
    if kind in _OTHER_KINDS:
        base = config.get("base_model")
        return _OTHER_KINDS[kind] + (f" (its base is {base!r})" if base else "")
    if "parameters" not in config:
        has_words = "tokenizer.ggml.tokens" in headers[0].array_lengths
        return _OTHER_KINDS["vocab"] if has_words else "it holds no tensors: there is nothing to run"
    if architecture is None:
        return "it does not name its architecture ('general.architecture'); convert the model again"
    if architecture in _NO_TEXT:
        return _NO_TEXT[architecture]
    try:
        for header in headers:
            check_tensors(header)
    except ModelLoadError as exc:
        return str(exc)
    if whole(metadata, f"{architecture}.block_count") is None:
        return f"it does not say how many layers it has ('{architecture}.block_count'); convert the model again"
    if text(metadata, "tokenizer.ggml.model") in (None, "no_vocab", "none"):
        return "it has no tokenizer; convert the model again, with its vocabulary"
    return None


def check_tensors(header: GgufHeader) -> None:
    """Check that the tensors fit their types, lie end to end as llama.cpp demands, and are all there.

    Raises:
        ModelLoadError: naming the first tensor that is wrong, or how many bytes are missing.
    """
    expected, seen = 0, set()
    for tensor in header.tensors:
        label = tensor.name[:80]
        if tensor.type_id not in block_sizes():
            raise ModelLoadError(f"tensor {label!r} has unknown type {tensor.type_id}; the file is damaged or newer")
        type_name, per_block, block_bytes = block_sizes()[tensor.type_id]
        if (tensor.shape[0] if tensor.shape else 1) % per_block:
            raise ModelLoadError(f"tensor {label!r} has rows of {tensor.shape[0]}, which {type_name} cannot hold")
        if tensor.name in seen:
            raise ModelLoadError(f"tensor {label!r} appears twice; the file is damaged")
        if tensor.offset != expected:
            raise ModelLoadError(f"tensor {label!r} begins at {tensor.offset}, not at {expected}; the file is damaged")
        seen.add(tensor.name)
        end = expected + tensor.elements // per_block * block_bytes
        expected = -(-end // header.alignment) * header.alignment
        missing = header.data_offset + end - header.file_size
        if missing > 0:
            raise ModelLoadError(_cut_off(header, missing))


def _cut_off(header: GgufHeader, least_missing: int) -> str:
    needed = header.data_offset + sum(
        -(-(t.elements // n * size) // header.alignment) * header.alignment
        for t in header.tensors
        for _, n, size in [block_sizes().get(t.type_id, ("", 1, 0))]
    )
    missing = max(least_missing, needed - header.file_size)
    return f"cut off: {missing:,} of {needed:,} bytes are missing; fetch it again"
