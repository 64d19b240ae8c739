"""What the JSON files beside PyTorch weights say: config.json, generation_config.json, tokenizer files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.reading import read_text
from multi_llm_comparator.inferencers.checkpoint_files import TOKENIZER_FILES
from multi_llm_comparator.services.scan.fields import recommended, section, text, texts, whole
from multi_llm_comparator.services.scan.reading import read_json

_TOKENIZERS = (*TOKENIZER_FILES, "tiktoken.model")
# Where a template asks whether there are tools, or goes through them.
_TOOLS = re.compile(r"\{%[-+]?\s*(?:if|elif|for)\b[^%]{0,200}?\btools\b")
MAX_TEMPLATE_BYTES = 2**20
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}
# What transformers needs beside itself to run a checkpoint quantized in advance.
_QUANTIZER_PACKAGES = {
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "compressed-tensors": "compressed_tensors",
    "bitsandbytes": "bitsandbytes",
    "hqq": "hqq",
    "quanto": "optimum",
    "torchao": "torchao",
}
_WRITES_TEXT = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


# Types of encoders that AutoModel loads as they are.
_ENCODERS = frozenset({"bert", "camembert", "distilbert", "electra", "modernbert", "mpnet", "roberta", "xlm-roberta"})
EMBEDS_ONLY = "it makes embeddings (/v1/embeddings) and writes no text"


def is_encoder(config: Mapping[str, Any]) -> bool:
    """Whether a checkpoint makes vectors of texts and writes none."""
    writes = any(name.endswith(_WRITES_TEXT) for name in texts(config, "architectures"))
    return text(config, "model_type") in _ENCODERS and not writes and config.get("is_decoder") is not True


# What a checkpoint's processor of images is kept in.
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json", "image_processor_config.json")
NO_PROCESSOR = f"it was made to see images, and cannot without its {PROCESSOR_FILES[0]!r}; fetch that too"


def was_made_to_see(config: Mapping[str, Any]) -> bool:
    """Whether a checkpoint that writes text also takes images."""
    has_vision = any(section(config, name) for name in ("vision_config", "vision_tower_config", "image_config"))
    writes = any(name.endswith(_WRITES_TEXT) for name in texts(config, "architectures"))
    return has_vision and writes and config.get("is_encoder_decoder") is not True


def describe_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture part of ``ModelInfo.config`` from a config.json; models that also see keep theirs nested."""
    config = {**config, **section(config, "text_config")}
    architectures = texts(config, "architectures")
    return {
        "architecture": architectures[0] if architectures else text(config, "model_type"),
        "context_length": whole(config, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx"),
        "layers": _layers(config),
        "hidden_size": _width(config),
        "feed_forward_size": whole(config, "intermediate_size", "ffn_dim", "n_inner"),
        "vocab_size": whole(config, "vocab_size"),
        "dtype": _DTYPES.get((text(config, "dtype", "torch_dtype") or "").removeprefix("torch.")),
        "kv_bytes_per_token": _kv_bytes(config),
    }


def _layers(config: Mapping[str, Any]) -> int | None:
    return whole(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers")


def _width(config: Mapping[str, Any]) -> int | None:
    return whole(config, "hidden_size", "n_embd", "d_model", "dim")


def _kv_bytes(config: Mapping[str, Any]) -> int | None:
    """Bytes that one token takes in a 16-bit KV cache; layers without attention (``layer_types``) take none."""
    layers, width = _layers(config), _width(config)
    heads = whole(config, "num_attention_heads", "n_head", "n_heads", "num_heads")
    if layers is None or width is None or not heads:
        return None
    kinds = texts(config, "layer_types")
    if kinds and len(kinds) == layers:
        layers = sum(kind.endswith("attention") and kind != "linear_attention" for kind in kinds)
    kv_heads = whole(config, "num_key_value_heads", "n_head_kv", "num_kv_heads")
    if kv_heads is None:
        kv_heads = 1 if config.get("multi_query") is True else heads
    size = whole(config, "head_dim") or width // heads
    return layers * kv_heads * size * 2 * 2


def quantized_bits(config: Mapping[str, Any]) -> tuple[str, int | None] | None:
    """How a checkpoint was quantized in advance, as (method, bits), or None."""
    quantization = section(config, "quantization_config") or section(
        section(config, "text_config"), "quantization_config"
    )
    method = text(quantization, "quant_method")
    bits = whole(quantization, "bits", "w_bit", "nbits")
    if quantization.get("load_in_4bit") is True or quantization.get("load_in_8bit") is True:
        method, bits = method or "bitsandbytes", 4 if quantization.get("load_in_4bit") is True else 8
    return (method, bits) if method else None


def config_problem(config: Mapping[str, Any]) -> str | None:
    """Why a checkpoint with this config.json cannot be run as a text model."""
    if "model_type" not in config and "architectures" not in config:
        if "_class_name" in config:
            return "part of an image or audio pipeline (diffusers), not a language model"
        return "its config.json names neither 'model_type' nor 'architectures'; it is not a transformers checkpoint"
    if config.get("is_encoder_decoder") is True:
        return "an encoder-decoder model; only decoder models are supported"
    architectures = texts(config, "architectures")
    if architectures and not any(name.endswith((*_WRITES_TEXT, "Model")) for name in architectures):
        return f"its architecture {architectures[0]!r} does not write text; models ending in 'ForCausalLM' do"
    quantized = quantized_bits(config)
    package = _QUANTIZER_PACKAGES.get(quantized[0]) if quantized else None
    if quantized and package and find_spec(package) is None:
        return f"quantized with {quantized[0]!r}, which needs the package {package!r}; install it, or get other weights"
    return None


def config_warnings(config: Mapping[str, Any]) -> list[str]:
    """What a person should know before loading."""
    if config.get("auto_map"):
        return ["brings its own Python code, which runs only if 'trust_remote_code' is switched on for it"]
    kind = (text(config, "model_type") or "").replace("-", "_")
    spec = find_spec("transformers")
    roots = spec.submodule_search_locations if spec else None
    if kind.isidentifier() and roots and not any((Path(root) / "models" / kind).is_dir() for root in roots):
        return [f"the installed transformers may not know its architecture {kind!r}"]
    return []


def tokenizer_problem(names: frozenset[str]) -> str | None:
    """``names`` are the files of the checkpoint's folder."""
    if any(fnmatchcase(name, pattern) for pattern in _TOKENIZERS for name in names):
        return None
    return "it has no tokenizer (tokenizer.json or tokenizer.model); fetch that too"


def names_tools(template: object) -> bool:
    """Whether a chat template in Jinja, or one of several by name, has a place for tools. It is looked at as text:
    templates of others are only ever run in a model's own process."""
    several = template if isinstance(template, list) else [{"template": template}]
    texts_of_them = [one.get("template") for one in several if isinstance(one, dict)]
    return any(isinstance(one, str) and _TOOLS.search(one) is not None for one in texts_of_them)


def template_names_tools(folder: Path, names: frozenset[str]) -> bool:
    """The same of a checkpoint's template, wherever it stands."""
    if "chat_template.jinja" in names:
        try:
            return names_tools(read_text(folder / "chat_template.jinja", MAX_TEMPLATE_BYTES))
        except (OSError, ValueError):
            return False
    files = [name for name in ("tokenizer_config.json", "chat_template.json") if name in names]
    return any(names_tools(_read_or_empty(folder / name).get("chat_template")) for name in files)


def has_chat_template(folder: Path, names: frozenset[str]) -> bool:
    """Whether transformers would find a chat template there."""
    if "chat_template.jinja" in names:
        return True
    for name in ("tokenizer_config.json", "chat_template.json"):
        if name in names and _read_or_empty(folder / name).get("chat_template"):
            return True
    return False


def generation_defaults(folder: Path, names: frozenset[str]) -> dict[str, Any]:
    """What generation_config.json recommends, under ModelConfig's names."""
    if "generation_config.json" not in names:
        return {}
    stored = _read_or_empty(folder / "generation_config.json")
    renamed = {"temperature": "temperature", "top_k": "top_k", "top_p": "top_p", "repetition_penalty": "repeat_penalty"}
    values = {ours: stored[theirs] for theirs, ours in renamed.items() if theirs in stored}
    if stored.get("do_sample") is False:
        values["temperature"] = 0.0
    return recommended(values)


def _read_or_empty(path: Path) -> dict[str, Any]:
    """For files that a model runs without: what is wrong with them is the loader's to say."""
    try:
        return read_json(path)
    except ModelLoadError:
        return {}
