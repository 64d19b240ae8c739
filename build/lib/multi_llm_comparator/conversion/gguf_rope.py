"""Rotary position parameters of a transformers configuration, in GGUF's terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.exceptions import UnsupportedModelError

if TYPE_CHECKING:
    from gguf import GGUFWriter

    from multi_llm_comparator.conversion.gguf_source import GgufSource

ROPE_FREQS = "rope_freqs.weight"
# Llama 3.1 to 3.3 and all that were made from them. A GGUF file holds only what follows from these.
LLAMA3_LOW, LLAMA3_HIGH = 1.0, 4.0
LLAMA3_TRAINED = [2**power for power in range(4, 21)]

# transformers falls back to these when a configuration says nothing.
DEFAULT_THETA = 10_000.0
YARN_BETA_FAST, YARN_BETA_SLOW = 32.0, 1.0


@dataclass(frozen=True)
class Rope:
    """``kind`` is one of default, linear, yarn, llama3; ``settings`` are its numbers, named as in transformers."""

    theta: float
    kind: str
    settings: dict[str, float]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Rope:
        """Read ``rope_parameters`` (transformers 5) or ``rope_theta`` with ``rope_scaling`` (before).

        Raises:
            UnsupportedModelError: a kind that llama.cpp does not compute the same way; it is named.
        """
        given = config.get("rope_parameters") or config.get("rope_scaling") or {}
        if not isinstance(given, dict) or any(isinstance(value, dict) for value in given.values()):
            raise UnsupportedModelError("rotary parameters that differ between layers cannot be exported to GGUF")
        kind = str(given.get("rope_type") or given.get("type") or "default")
        if kind not in ("default", "linear", "yarn", "llama3"):
            raise UnsupportedModelError(
                f"rope type {kind!r} cannot be exported to GGUF; known are default, linear, yarn and llama3"
            )
        theta = positive_number(given, "rope_theta", positive_number(config, "rope_theta", DEFAULT_THETA))
        partial = positive_number(given, "partial_rotary_factor", positive_number(config, "partial_rotary_factor", 1.0))
        if partial != 1.0:
            raise UnsupportedModelError(f"partial_rotary_factor {partial!r} cannot be exported to GGUF; only 1.0 can")
        return cls(theta, kind, _settings(kind, given, config))

    def add_metadata(self, writer: GGUFWriter) -> None:
        from gguf import RopeScalingType

        writer.add_rope_freq_base(self.theta)
        if self.kind == "linear":
            writer.add_rope_scaling_type(RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(self.settings["factor"])
        elif self.kind == "yarn":
            writer.add_rope_scaling_type(RopeScalingType.YARN)
            writer.add_rope_scaling_factor(self.settings["factor"])
            writer.add_rope_scaling_orig_ctx_len(int(self.settings["original_max_position_embeddings"]))

    def frequency_divisors(self, head_dim: int) -> NDArray[np.float32] | None:
        """What each of the ``head_dim / 2`` frequencies is divided by, for the tensor ``rope_freqs.weight``.

        None unless the kind is llama3: long waves are slowed by ``factor``, short ones kept, with a smooth
        passage between, as Llama 3.1 defines it.
        """
        if self.kind != "llama3":
            return None
        factor, low, high = (self.settings[n] for n in ("factor", "low_freq_factor", "high_freq_factor"))
        trained = self.settings["original_max_position_embeddings"]
        waves = 2 * math.pi * self.theta ** (np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
        # Share of the original frequency that stays: 0 for long waves, 1 for short ones.
        kept = np.clip((trained / waves - low) / (high - low), 0.0, 1.0)
        return (1.0 / ((1.0 - kept) / factor + kept)).astype(np.float32)


def rope_from_gguf(source: GgufSource, head_dim: int) -> dict[str, Any]:
    """``rope_parameters`` of config.json, from a GGUF file.

    Raises:
        UnsupportedModelError: a kind that transformers does not compute the same way; it is named.
    """
    arch, metadata = source.architecture, source.metadata
    kind = str(metadata.get(f"{arch}.rope.scaling.type") or "none")
    theta = shortest(metadata.get(f"{arch}.rope.freq_base"), DEFAULT_THETA)
    if ROPE_FREQS in source.tensors:
        if kind != "none":
            raise UnsupportedModelError(f"frequencies of its own together with rope type {kind!r} cannot be converted")
        return _llama3(np.concatenate(list(source.tensors[ROPE_FREQS].pieces())), theta, head_dim)
    if kind == "none":
        return {"rope_type": "default", "rope_theta": theta}
    if kind not in ("linear", "yarn"):
        raise UnsupportedModelError(f"rope type {kind!r} cannot be converted; known are linear, yarn and llama3")
    found = {"rope_type": kind, "rope_theta": theta, "factor": shortest(metadata.get(f"{arch}.rope.scaling.factor"), 1)}
    if kind == "yarn":
        for name in ("attn_factor", "yarn_log_multiplier", "yarn_ext_factor", "yarn_attn_factor"):
            if metadata.get(f"{arch}.rope.scaling.{name}"):
                raise UnsupportedModelError(f"yarn with '{arch}.rope.scaling.{name}' cannot be converted")
        found["original_max_position_embeddings"] = metadata.get(f"{arch}.rope.scaling.original_context_length")
    return found


def _llama3(divisors: NDArray[np.float32], theta: float, head_dim: int) -> dict[str, Any]:
    """The settings that make these divisors: the factor is the largest, the length trained with is found by trying."""
    given = {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": shortest(divisors.max(), 1),
        "low_freq_factor": LLAMA3_LOW,
        "high_freq_factor": LLAMA3_HIGH,
    }
    for trained in LLAMA3_TRAINED:
        given["original_max_position_embeddings"] = trained
        made = Rope(theta, "llama3", {k: float(v) for k, v in given.items() if isinstance(v, int | float)})
        wanted = made.frequency_divisors(head_dim)
        if wanted is not None and wanted.shape == divisors.shape and np.allclose(wanted, divisors, rtol=1e-4):
            return given
    raise UnsupportedModelError("its rotary frequencies are stretched otherwise than Llama 3 does; cannot be converted")


def shortest(value: Any, default: float) -> float:
    """A number kept in 32 bits as the shortest decimal that means it."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating) or not math.isfinite(value):
        return float(default)
    return float(str(np.float32(value)))


def _settings(kind: str, given: dict[str, Any], config: dict[str, Any]) -> dict[str, float]:
    if kind == "default":
        return {}
    names = {"linear": ("factor",), "yarn": ("factor",), "llama3": ("factor", "low_freq_factor", "high_freq_factor")}
    settings = {name: positive_number(given, name, None) for name in names[kind]}
    if kind == "linear":
        return settings
    trained = positive_number(
        given, "original_max_position_embeddings", positive_number(config, "max_position_embeddings", None)
    )
    settings["original_max_position_embeddings"] = trained
    if kind == "yarn":
        _check_yarn(given)
    return settings


def _check_yarn(given: dict[str, Any]) -> None:
    """llama.cpp derives these from the factor; other values would silently change the model."""
    usual = {"beta_fast": YARN_BETA_FAST, "beta_slow": YARN_BETA_SLOW, "truncate": True}
    for name in ("beta_fast", "beta_slow", "truncate", "attention_factor", "mscale", "mscale_all_dim"):
        value = given.get(name)
        if value is not None and value != usual.get(name):
            raise UnsupportedModelError(
                f"yarn with {name} = {value!r} cannot be exported to GGUF; leave it at its default"
            )


def positive_number(given: dict[str, Any], name: str, default: float | None) -> float:
    """A number above 0 from a configuration. Raises UnsupportedModelError, naming it."""
    value = given.get(name)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise UnsupportedModelError(f"config.json must give {name!r} as a number above 0, not {value!r}")
    return float(value)
