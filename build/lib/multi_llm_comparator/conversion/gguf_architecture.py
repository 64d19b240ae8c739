"""The shape of a checkpoint: which architecture, how large, and which tensors that makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.conversion.gguf_rope import Rope, positive_number
from multi_llm_comparator.core.exceptions import UnsupportedModelError

if TYPE_CHECKING:
    from gguf import GGUFWriter

# transformers' model type to GGUF's architecture. Mistral is a Llama there.
ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
CLASSES = tuple(f"{name}ForCausalLM" for name in ("Llama", "Mistral", "Qwen2", "Qwen3"))
MAX_SIZE = 2**31 - 1
MAX_LAYERS = 1024
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes in elements. ``arch`` is GGUF's name; ``context_length`` is what positions and attention window allow."""

    arch: str
    vocab_size: int
    hidden_size: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_length: int
    norm_eps: float
    rope: Rope
    tied: bool
    query_bias: bool
    output_bias: bool
    mlp_bias: bool

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Architecture:
        """Read ``config.json``.

        Raises:
            UnsupportedModelError: another architecture, or a variant of these that GGUF cannot hold; it is named.
        """
        model_type = _model_type(config)
        _check_variant(config)
        hidden, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
        kv_heads = _size(config, "num_key_value_heads", heads)
        head_dim = _size(config, "head_dim", 128 if model_type == "qwen3" else hidden // heads or None)
        if heads % kv_heads or head_dim % 2:
            raise UnsupportedModelError(
                f"{heads} heads over {kv_heads} key heads of width {head_dim} do not fit together"
            )
        bias = bool(config.get("attention_bias", False)) and model_type == "llama"
        return cls(
            arch=ARCHITECTURES[model_type],
            vocab_size=_size(config, "vocab_size"),
            hidden_size=hidden,
            feed_forward=_size(config, "intermediate_size"),
            layers=_size(config, "num_hidden_layers", limit=MAX_LAYERS),
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            context_length=_context_length(config, model_type),
            norm_eps=positive_number(config, "rms_norm_eps", 1e-6),
            rope=_rope(config, model_type),
            tied=bool(config.get("tie_word_embeddings", False)),
            query_bias=bias or model_type == "qwen2",
            output_bias=bias,
            mlp_bias=bool(config.get("mlp_bias", False)) and model_type == "llama",
        )

    @property
    def permutes_rotary(self) -> bool:
        """Whether GGUF keeps the two rotary halves of q and k interleaved, where transformers keeps them apart."""
        return self.arch == "llama"

    def tensors(self) -> dict[str, Shape]:
        """Every tensor that the checkpoint must hold, by transformers' name, in the order they are written."""
        wanted: dict[str, Shape] = {"model.embed_tokens.weight": (self.vocab_size, self.hidden_size)}
        for layer in range(self.layers):
            wanted |= {f"model.layers.{layer}.{name}": shape for name, shape in self._layer().items()}
        wanted["model.norm.weight"] = (self.hidden_size,)
        if not self.tied:
            wanted["lm_head.weight"] = (self.vocab_size, self.hidden_size)
        return wanted

    def _layer(self) -> dict[str, Shape]:
        hidden, inner = self.hidden_size, self.feed_forward
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
        mlp = {"gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
        found: dict[str, Shape] = {"input_layernorm.weight": (hidden,)}
        for name, shape in attention.items():
            found |= _linear(f"self_attn.{name}", shape, self.query_bias)
        if self.arch == "qwen3":
            found |= {"self_attn.q_norm.weight": (self.head_dim,), "self_attn.k_norm.weight": (self.head_dim,)}
        found |= _linear("self_attn.o_proj", (hidden, queries), self.output_bias)
        found["post_attention_layernorm.weight"] = (hidden,)
        for name, shape in mlp.items():
            found |= _linear(f"mlp.{name}", shape, self.mlp_bias)
        return found

    def add_metadata(self, writer: GGUFWriter) -> None:
        writer.add_vocab_size(self.vocab_size)
        writer.add_context_length(self.context_length)
        writer.add_embedding_length(self.hidden_size)
        writer.add_feed_forward_length(self.feed_forward)
        writer.add_block_count(self.layers)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_key_length(self.head_dim)
        writer.add_value_length(self.head_dim)
        writer.add_layer_norm_rms_eps(self.norm_eps)
        writer.add_rope_dimension_count(self.head_dim)
        self.rope.add_metadata(writer)


def _linear(name: str, shape: tuple[int, int], bias: bool) -> dict[str, Shape]:
    weight: dict[str, Shape] = {f"{name}.weight": shape}
    return weight | {f"{name}.bias": shape[:1]} if bias else weight


def _model_type(config: dict[str, Any]) -> str:
    model_type = str(config.get("model_type", ""))
    if model_type not in ARCHITECTURES:
        raise UnsupportedModelError(
            f"model type {model_type!r} cannot be exported to GGUF here; known are {', '.join(sorted(ARCHITECTURES))}. "
            "For others use convert_hf_to_gguf.py of llama.cpp"
        )
    classes = config.get("architectures") or []
    classes = classes if isinstance(classes, list) else [classes]
    if classes and not any(str(name).endswith("ForCausalLM") for name in classes):
        raise UnsupportedModelError(f"{str(classes[0])!r} does not generate text; only ...ForCausalLM can be exported")
    return model_type


def _check_variant(config: dict[str, Any]) -> None:
    if config.get("quantization_config"):
        raise UnsupportedModelError("the checkpoint is quantised already; export the original 16- or 32-bit weights")
    if config.get("hidden_act", "silu") != "silu":
        raise UnsupportedModelError(f"activation {config['hidden_act']!r} cannot be exported to GGUF; only 'silu' can")
    if config["model_type"] == "qwen3" and config.get("attention_bias"):
        raise UnsupportedModelError("a qwen3 checkpoint with attention_bias cannot be exported to GGUF")


def _context_length(config: dict[str, Any], model_type: str) -> int:
    """Positions the model answers alike in llama.cpp, which attends to everything: at most the sliding window."""
    length = _size(config, "max_position_embeddings", 2048)
    slides = model_type == "mistral" or (model_type != "llama" and config.get("use_sliding_window", False))
    window = config.get("sliding_window") if slides else None
    return min(length, _size(config, "sliding_window")) if window is not None else length


def _rope(config: dict[str, Any], model_type: str) -> Rope:
    rope = Rope.from_config(config)
    if rope.kind == "llama3" and ARCHITECTURES[model_type] != "llama":
        raise UnsupportedModelError(f"rope type 'llama3' cannot be exported to GGUF for model type {model_type!r}")
    return rope


def _size(config: dict[str, Any], name: str, default: int | None = None, *, limit: int = MAX_SIZE) -> int:
    value = config.get(name)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= limit:
        raise UnsupportedModelError(
            f"config.json must give {name!r} as a whole number from 1 to {limit}, not {value!r}"
        )
    return value
