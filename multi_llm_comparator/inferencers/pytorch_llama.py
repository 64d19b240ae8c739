"""One decode step of Llama-like models, computed here: transformers' forward pass spends half of its time around the
matrix products.

Llama, Mistral, Qwen2 and Qwen3 share one layer: RMS norm, attention over grouped heads with rotary positions, RMS norm,
a gated feed-forward part, each added to what went in (https://arxiv.org/abs/2302.13971). For one token of each row it
is a chain of matrix products with little between them, so what counts is how few operations that little takes:

- query, key and value are one product, and so are gate and up, unless their weights are packed: unpacked ones lie one
  below the other in one tensor, and the model's own layers keep views of it, so that nothing is held twice;
- the rotary tables are made once, and rotating is one product and one sum for queries and keys together;
- the heads that share a key are the rows of one attention, so keys are not repeated.

Prompts are still read by transformers. :mod:`pytorch_probes` tries a step against it when a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from multi_llm_comparator.inferencers.packed_linear import PackedLinear
from multi_llm_comparator.inferencers.pytorch_batch import BatchCache

# The classes whose layers are computed as below; others look alike and differ in a detail.
MODELS = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
# Kinds of rotary positions whose tables do not depend on how long the text is by now.
_STEADY_ROPES = ("default", "linear", "llama3", "yarn")
_LINEAR = (nn.Linear, PackedLinear)

Linear = Callable[[torch.Tensor], torch.Tensor]
# Several layers with the same inputs, whose outputs come one by one.
Together = Callable[[torch.Tensor], list[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one layer computes with; ``normed_heads`` are Qwen3's norms of query and key."""

    before_attention: Any
    attend: Together
    normed_heads: tuple[Any, Any] | None
    after_attention: Linear
    before_feed: Any
    widen: Together
    narrow: Linear


class LlamaStep:
    """Reads the last token of every row of a batch.

    Args:
        model: one that :func:`why_no_step` has nothing against; its linear layers are rearranged in place.
        n_ctx: positions that the tables are made for.
    """

    def __init__(self, model: Any, n_ctx: int) -> None:
        base = model.model
        config = model.config
        self._embed, self._norm, self._head = base.embed_tokens, base.norm, model.lm_head
        self._eps = float(config.rms_norm_eps)
        first = base.layers[0].self_attn
        self._width = int(first.head_dim)
        self._queries, self._keys = int(config.num_attention_heads), int(config.num_key_value_heads)
        self._scale = float(first.scaling)
        self._layers = [_layer(layer) for layer in base.layers]
        self._cos, self._sin = self._tables(base, model.dtype, n_ctx)

    def _tables(self, base: Any, dtype: torch.dtype, n_ctx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine, and sine with the sign that turning half a head brings, of shape (positions, width)."""
        positions = torch.arange(n_ctx)[None]
        cos, sin = base.rotary_emb(torch.zeros((1, 1), dtype=dtype), positions)
        signs = torch.ones(self._width, dtype=dtype)
        signs[: self._width // 2] = -1
        return cos[0].contiguous(), (sin[0] * signs).contiguous()

    @property
    def n_ctx(self) -> int:
        """Positions that it can compute."""
        return len(self._cos)

    def __call__(self, ids: torch.Tensor, batch: BatchCache, mask: torch.Tensor | None) -> torch.Tensor:
        """The logits after ``ids`` of shape (rows, 1), of shape (rows, vocabulary); ``batch`` gets their keys and
        values. ``mask`` is as :meth:`BatchCache.mask` gives it."""
        rows, queries, keys, width = len(ids), self._queries, self._keys, self._width
        positions = batch.positions[:, 0]
        cos, sin = self._cos[positions][:, None], self._sin[positions][:, None]
        half = width // 2
        hidden = self._embed(ids[:, 0])
        for number, layer in enumerate(self._layers):
            asking = layer.attend(self._normed(hidden, layer.before_attention))
            heads = (asking[0] if len(asking) == 1 else torch.cat(asking, dim=-1)).view(rows, -1, width)
            turned = heads[:, : queries + keys]
            if layer.normed_heads is not None:
                turned = self._norm_heads(turned, layer.normed_heads)
            turned = torch.addcmul(turned * cos, turned.roll(half, -1), sin)
            new = (turned[:, queries:, None], heads[:, queries + keys :, None])
            seen_keys, seen_values = batch.write(number, *new)
            asked = turned[:, :queries].view(rows, keys, queries // keys, width)
            mixed = functional.scaled_dot_product_attention(
                asked, seen_keys, seen_values, attn_mask=mask, scale=self._scale
            )
            hidden = hidden + layer.after_attention(mixed.reshape(rows, -1))
            widened = layer.widen(self._normed(hidden, layer.before_feed))
            gate, up = widened[0].chunk(2, dim=-1) if len(widened) == 1 else widened
            hidden = hidden + layer.narrow(functional.silu(gate) * up)
        logits: torch.Tensor = self._head(self._normed(hidden, self._norm))
        return logits

    def _normed(self, hidden: torch.Tensor, norm: Any) -> torch.Tensor:
        return functional.rms_norm(hidden, norm.weight.shape, norm.weight, self._eps)

    def _norm_heads(self, heads: torch.Tensor, norms: tuple[Any, Any]) -> torch.Tensor:
        asked, known = norms
        return torch.cat(
            (self._normed(heads[:, : self._queries], asked), self._normed(heads[:, self._queries :], known)), dim=1
        )


def why_no_step(model: Any) -> str | None:
    """Why the step above is not for this model; None: it may be."""
    config = model.config
    name = type(model).__name__
    if name not in MODELS or not type(model).__module__.startswith("transformers.models."):
        return f"{name} is none of {', '.join(MODELS)}"
    if config.hidden_act != "silu":
        return f"its feed-forward part uses {config.hidden_act!r}"
    if (rope := str((config.rope_parameters or {}).get("rope_type"))) not in _STEADY_ROPES:
        return f"its positions are of the kind {rope!r}"
    odd = [type(part).__name__ for part in _linear_layers(model) if type(part) not in _LINEAR]
    return f"its linear layers are of the kind {odd[0]}" if odd else None


def _linear_layers(model: Any) -> Sequence[Any]:
    found = [model.lm_head]
    for layer in model.model.layers:
        attention, feed = layer.self_attn, layer.mlp
        found += [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        found += [feed.gate_proj, feed.up_proj, feed.down_proj]
    return found


def _layer(layer: Any) -> _Layer:
    attention, feed = layer.self_attn, layer.mlp
    normed = (attention.q_norm, attention.k_norm) if hasattr(attention, "q_norm") else None
    return _Layer(
        before_attention=layer.input_layernorm,
        attend=_joined(attention.q_proj, attention.k_proj, attention.v_proj),
        normed_heads=normed,
        after_attention=attention.o_proj,
        before_feed=layer.post_attention_layernorm,
        widen=_joined(feed.gate_proj, feed.up_proj),
        narrow=feed.down_proj,
    )


def _joined(*parts: Any) -> Together:
    """Several linear layers with the same inputs: as one, whose outputs lie side by side, or one by one where their
    weights are packed and cannot be put together."""
    if any(type(part) is not nn.Linear for part in parts):
        return lambda inputs: [part(inputs) for part in parts]
    weight = torch.cat([part.weight.detach() for part in parts])
    bias = None if parts[0].bias is None else torch.cat([part.bias.detach() for part in parts])
    begin = 0
    for part in parts:
        end = begin + len(part.weight)
        part.weight = nn.Parameter(weight[begin:end], requires_grad=False)
        if bias is not None:
            part.bias = nn.Parameter(bias[begin:end], requires_grad=False)
        begin = end
    return lambda inputs: [functional.linear(inputs, weight, bias)]
