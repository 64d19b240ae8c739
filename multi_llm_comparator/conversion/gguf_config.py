"""The metadata of a GGUF file as config.json and generation_config.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from multi_llm_comparator.conversion.gguf_rope import rope_from_gguf, shortest
from multi_llm_comparator.conversion.gguf_source import GgufSource
from multi_llm_comparator.conversion.gguf_vocab import CheckpointVocabulary
from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.services.scan.fields import whole

# GGUF's architecture to transformers' model type and class.
MODEL_TYPES = {
    "llama": ("llama", "LlamaForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
}
# Settings that change what is computed and that a configuration of these types cannot say.
_FOREIGN = (
    "expert_count",
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.sliding_window",
    "logit_scale",
    "embedding_scale",
    "residual_scale",
)
_SAMPLING = {
    "temperature": "temp",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "penalty_repeat",
}


def checkpoint_config(
    source: GgufSource, vocabulary: CheckpointVocabulary, ends: list[int], dtype: str
) -> dict[str, Any]:
    """The content of config.json.

    Args:
        source: the file.
        vocabulary: its vocabulary.
        ends: ids that end an answer, the usual one first.
        dtype: the number type the weights will have, as PyTorch names it.

    Raises:
        UnsupportedModelError: an architecture, or a variant of one, that is not known here; it is named.
    """
    arch = source.architecture
    if arch not in MODEL_TYPES:
        raise UnsupportedModelError(
            f"the architecture {arch!r} cannot be converted to PyTorch here; known are {', '.join(MODEL_TYPES)}. "
            "Another quantization of it can be made all the same"
        )
    model_type, model_class = MODEL_TYPES[arch]
    hidden, heads = _needed(source, "embedding_length"), _needed(source, "attention.head_count")
    head_dim = whole(source.metadata, f"{arch}.attention.key_length") or hidden // heads
    _check_variant(source, head_dim)
    config: dict[str, Any] = {
        "architectures": [model_class],
        "model_type": model_type,
        "vocab_size": len(vocabulary.tokens),
        "hidden_size": hidden,
        "intermediate_size": _needed(source, "feed_forward_length"),
        "num_hidden_layers": _needed(source, "block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": whole(source.metadata, f"{arch}.attention.head_count_kv") or heads,
        "head_dim": head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": _needed(source, "context_length"),
        "rms_norm_eps": shortest(source.metadata.get(f"{arch}.attention.layer_norm_rms_epsilon"), 1e-5),
        "rope_parameters": rope_from_gguf(source, head_dim),
        "tie_word_embeddings": "output.weight" not in source.tensors,
        "attention_dropout": 0.0,
        "use_cache": True,
        "dtype": dtype,
        "bos_token_id": vocabulary.special_ids.get("bos"),
        "eos_token_id": ends[0] if len(ends) == 1 else ends,
        "pad_token_id": vocabulary.special_ids.get("pad"),
    }
    return config | _biases(source, model_type)


def generation_config(source: GgufSource, vocabulary: CheckpointVocabulary, ends: list[int]) -> dict[str, Any]:
    """The content of generation_config.json, with the sampling that the file recommends, if it does."""
    config: dict[str, Any] = {
        "bos_token_id": vocabulary.special_ids.get("bos"),
        "eos_token_id": ends[0] if len(ends) == 1 else ends,
        "pad_token_id": vocabulary.special_ids.get("pad"),
    }
    named = {name: source.metadata.get(f"general.sampling.{key}") for name, key in _SAMPLING.items()}
    sampling = {name: shortest(value, 0.0) for name, value in named.items() if _is_number(value)}
    if "top_k" in sampling:
        sampling["top_k"] = int(sampling["top_k"])
    if sampling.get("temperature") == 0.0:
        sampling = {"do_sample": False}
    elif sampling:
        sampling["do_sample"] = True
    return {name: value for name, value in (config | sampling).items() if value is not None}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _needed(source: GgufSource, name: str) -> int:
    value = whole(source.metadata, f"{source.architecture}.{name}")
    if not value:
        given = source.metadata.get(f"{source.architecture}.{name}")
        raise UnsupportedModelError(
            f"'{source.architecture}.{name}' must be one whole number above 0, not {str(given)[:40]}"
        )
    return value


def _check_variant(source: GgufSource, head_dim: int) -> None:
    arch, metadata = source.architecture, source.metadata
    for name in _FOREIGN:
        if metadata.get(f"{arch}.{name}"):
            raise UnsupportedModelError(
                f"'{arch}.{name}' is {metadata[f'{arch}.{name}']!r}, which a {arch} checkpoint of PyTorch cannot say"
            )
    for name in ("attention.value_length", "rope.dimension_count"):
        given = whole(metadata, f"{arch}.{name}")
        if given is not None and given != head_dim:
            raise UnsupportedModelError(f"'{arch}.{name}' is {given}, where heads of width {head_dim} need {head_dim}")
    if isinstance(metadata.get(f"{arch}.attention.head_count_kv"), list):
        raise UnsupportedModelError("its layers have different numbers of heads, which PyTorch's class does not have")


def _biases(source: GgufSource, model_type: str) -> dict[str, Any]:
    if model_type == "qwen2":
        return {"use_sliding_window": False}
    if model_type == "qwen3":
        return {"attention_bias": False, "use_sliding_window": False}
    return {
        "attention_bias": "blk.0.attn_q.bias" in source.tensors,
        "mlp_bias": "blk.0.ffn_gate.bias" in source.tensors,
    }
