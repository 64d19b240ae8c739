"""Generation parameters and where they are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import ConfigurationError, InvalidParameterError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.settings import get_settings

QUANTIZATIONS = ("none", "8bit", "4bit")
TORCH_DTYPES = ("auto", "float32", "float16", "bfloat16")
# Parameters that belong to the loaded model rather than to one request: changing one means loading again.
LOAD_FIELDS = (
    "n_ctx",
    "n_threads",
    "use_gpu",
    "gpu_layers",
    "kv_type",
    "low_cpu_mem_usage",
    "torch_dtype",
    "quantization",
    "trust_remote_code",
)
# What a GGUF model's context is kept in, by llama.cpp's names.
KV_TYPES = ("f16", "q8_0", "q4_0")
MAX_GPU_LAYERS = 1024


# Below it nothing is left to chance: that is said as 0. The pages begin at 0.1.
MIN_TEMPERATURE = 0.01
ADAPTER_SCALES = (-4.0, 4.0)
MIN_CONTEXT, MAX_CONTEXT = 16, 10_000_000
MAX_LOGIT_BIASES = 1024
MAX_TOP_LOGPROBS = 20
MAX_DRY = 5.0


def _left_out(usual: Any) -> Any:
    """A field that plain data has only where it is not as ``usual``: files and runs from before it stay as they are."""
    return Field(exclude_if=lambda value: value == usual)


@dataclass(frozen=False)
class ModelConfig:
    """Parameters of one model: how it is loaded and how it generates.

    ``temperature`` 0 means greedy. ``seed`` None draws a fresh one. ``n_ctx`` is the context of one conversation, in
    tokens; ``n_threads`` None shares the machine's cores among the models that are decoding. ``quantization`` is for
    PyTorch checkpoints (bitsandbytes); a GGUF file carries its own. For GGUF files ``gpu_layers`` of their layers go to
    a GPU (None: as many as there are) and ``kv_type`` is what the context is kept in, 16 bit for reproducible answers
    whatever it says. ``pad_token_id`` is taken for compatibility and
    changes nothing: no engine here pads a prompt. ``reproducible`` asks for the same tokens from the same weights,
    prompt, parameters and seed on the same machine, whatever else runs, at a price in speed. ``adapter_scale`` is how
    much of a LoRA adapter is added to its base, for targets that are adapters: 0 is the base, 1 the adapter as tuned.

    How a token is drawn, in this order: ``logit_bias`` is added to the logits of its token ids (-100 forbids one, 100
    forces it); DRY (``dry_multiplier``, 0 for none) makes tokens dearer that would go on repeating what the answer said
    before; repeat, frequency and presence penalty look at the last 64 tokens of the answer; ``top_k``, ``typical_p``
    (locally typical sampling, arXiv 2202.00666; 1 for all), ``top_p`` and ``min_p`` (a token must have this share of
    the likeliest one's probability; 0 for all) leave tokens out; then temperature.

    ``top_logprobs`` asks for the log-probability of each token of the answer, with as many of the likeliest beside it;
    None asks for none. ``enable_thinking`` is given to the chat template where it knows such a switch; None leaves it
    to the template. After ``thinking_budget`` tokens of thought the thought is ended; None sets no bound.
    """

    temperature: float = 0.7
    max_tokens: int = 512
    top_p: float = 0.9

    do_sample: bool = True
    pad_token_id: int | None = None
    eos_token_id: int | None = None

    top_k: int = 40
    repeat_penalty: float = 1.1
    n_ctx: int = 2048
    n_threads: int | None = None
    use_gpu: bool = True

    low_cpu_mem_usage: bool = True
    torch_dtype: str = "auto"

    seed: int | None = None
    stop: tuple[str, ...] = ()
    system_prompt: str = ""
    presence_penalty: float = 0.0
    reproducible: bool = False
    adapter_scale: Annotated[float, _left_out(1.0)] = 1.0
    quantization: str = "none"
    trust_remote_code: bool = False

    min_p: Annotated[float, _left_out(0.0)] = 0.0
    typical_p: Annotated[float, _left_out(1.0)] = 1.0
    frequency_penalty: Annotated[float, _left_out(0.0)] = 0.0
    dry_multiplier: Annotated[float, _left_out(0.0)] = 0.0
    logit_bias: Annotated[Mapping[int, float] | None, _left_out(None)] = None
    top_logprobs: Annotated[int | None, _left_out(None)] = None
    enable_thinking: Annotated[bool | None, _left_out(None)] = None
    thinking_budget: Annotated[int | None, _left_out(None)] = None
    gpu_layers: Annotated[int | None, _left_out(None)] = None
    kv_type: Annotated[str, _left_out("f16")] = "f16"

    def __post_init__(self) -> None:
        self.stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        # JSON's names are texts. What is no mapping of numbers is refused by `validate`.
        if isinstance(self.logit_bias, Mapping):
            self.logit_bias = {_as_id(token): bias for token, bias in self.logit_bias.items()} or None

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0 or not self.do_sample

    def validate(self) -> None:
        """Check every parameter.

        Raises:
            InvalidParameterError: the first parameter found wrong, with its allowed range. It is a ValueError too.
        """
        self._check_numbers(get_settings().max_tokens_limit)
        if not isinstance(self.reproducible, bool):
            raise InvalidParameterError(f"reproducible must be true or false, not {self.reproducible!r}")
        if not isinstance(self.enable_thinking, bool | None):
            raise InvalidParameterError(f"enable_thinking must be true, false or null, not {self.enable_thinking!r}")
        _check_bias(self.logit_bias)
        _one_of("quantization", self.quantization, QUANTIZATIONS)
        _one_of("torch_dtype", self.torch_dtype, TORCH_DTYPES)
        _one_of("kv_type", self.kv_type, KV_TYPES)
        if len(self.stop) > 16 or any(not isinstance(s, str) or not 0 < len(s) <= 256 for s in self.stop):
            raise InvalidParameterError("stop must be at most 16 texts of 1 to 256 characters")

    def _check_numbers(self, max_tokens_limit: int) -> None:
        if self.temperature != 0:
            allowed = f"0 (greedy) or between {MIN_TEMPERATURE} and 2.0"
            _between("temperature", self.temperature, MIN_TEMPERATURE, 2.0, allowed)
        for name, low, high in (
            ("top_p", 0.0, 1.0),
            ("repeat_penalty", 0.1, 2.0),
            ("presence_penalty", -2.0, 2.0),
            ("frequency_penalty", -2.0, 2.0),
            ("min_p", 0.0, 1.0),
            ("typical_p", 0.0, 1.0),
            ("dry_multiplier", 0.0, MAX_DRY),
            ("adapter_scale", *ADAPTER_SCALES),
        ):
            _between(name, getattr(self, name), low, high)
        _whole_between("max_tokens", self.max_tokens, 1, max_tokens_limit)
        _whole_between("top_k", self.top_k, 0, 1_000_000)
        _whole_between("n_ctx", self.n_ctx, MIN_CONTEXT, MAX_CONTEXT)
        for name, least, most in (
            ("n_threads", 1, 1024),
            ("gpu_layers", 0, MAX_GPU_LAYERS),
            ("seed", 0, 2**32 - 1),
            ("pad_token_id", 0, 2**31 - 1),
            ("eos_token_id", 0, 2**31 - 1),
            ("top_logprobs", 0, MAX_TOP_LOGPROBS),
            ("thinking_budget", 0, max_tokens_limit),
        ):
            if (value := getattr(self, name)) is not None:
                _whole_between(name, value, least, most)

    def load_options(self) -> dict[str, Any]:
        """The part that decides how the model is loaded; equal options can share one loaded model."""
        return {name: getattr(self, name) for name in LOAD_FIELDS}

    def to_dict(self) -> dict[str, Any]:
        """As plain data. What few requests ask for is left out where it is as usual."""
        data = asdict(self)
        for name in LEFT_OUT:
            if data[name] == getattr(ModelConfig, name):
                del data[name]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Build from plain data, refusing unknown names.

        Raises:
            ConfigurationError: a name that no parameter has.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ConfigurationError(f"unknown parameter {unknown[0]!r}; known are {', '.join(sorted(known))}")
        return cls(**data)


# Fields that plain data has only where they are not as usual.
LEFT_OUT = (
    "gpu_layers",
    "kv_type",
    "adapter_scale",
    "min_p",
    "typical_p",
    "frequency_penalty",
    "dry_multiplier",
    "logit_bias",
    "top_logprobs",
    "enable_thinking",
    "thinking_budget",
)


def _as_id(token: Any) -> Any:
    return int(token) if isinstance(token, str) and token.isdecimal() and len(token) < 12 else token


def _check_bias(biases: Any) -> None:
    if biases is None:
        return
    if not isinstance(biases, Mapping) or len(biases) > MAX_LOGIT_BIASES:
        raise InvalidParameterError(f"logit_bias must be at most {MAX_LOGIT_BIASES} token ids with their biases")
    for token, bias in biases.items():
        _whole_between("a token id of logit_bias", token, 0, 2**31 - 1)
        _between("a bias of logit_bias", bias, -100.0, 100.0)


def _between(name: str, value: float, low: float, high: float, says: str | None = None) -> None:
    wrong_kind = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong_kind or math.isnan(value) or not low <= value <= high:
        raise InvalidParameterError(f"{name} must be {says or f'between {low} and {high}'}, not {value!r}")


def _whole_between(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidParameterError(f"{name} must be a whole number between {low} and {high}, not {value!r}")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidParameterError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


MAX_FILE_BYTES = 4 * 2**20


class ConfigManager:
    """Keeps one :class:`ModelConfig` per model id in a JSON file."""

    def __init__(self, config_path: str | Path = "~/.multi_llm_comparator/config.json") -> None:
        self.config_path = Path(config_path).expanduser()
        self.config_path.parent.mkdir(parents=True, exist_ok=True)

    def load_config(self) -> dict[str, ModelConfig]:
        """Read all stored configurations; an absent file means none.

        Raises:
            ConfigurationError: the file is not what :meth:`save_config` writes; it names the file and the entry.
        """
        if not self.config_path.exists():
            return {}
        try:
            data = load_json(self.config_path, MAX_FILE_BYTES)
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"{str(self.config_path)!r} is not readable as JSON: {exc}") from exc
        if not isinstance(data, dict):
            raise ConfigurationError(f"{str(self.config_path)!r} must hold one object, model id to parameters")
        return {model_id: self._entry(model_id, entry) for model_id, entry in data.items()}

    def _entry(self, model_id: str, entry: Any) -> ModelConfig:
        try:
            if not isinstance(entry, dict):
                raise ConfigurationError(f"must be an object, not {type(entry).__name__}")
            config = ModelConfig.from_dict(entry)
            config.validate()
        except (ConfigurationError, TypeError) as exc:
            raise ConfigurationError(f"{str(self.config_path)!r}, model {model_id!r}: {exc}") from exc
        return config

    def save_config(self, configs: dict[str, ModelConfig]) -> None:
        """Write all configurations, replacing the file in one step so that a crash leaves the old one whole."""
        data = {model_id: config.to_dict() for model_id, config in configs.items()}
        write_atomically(self.config_path, json.dumps(data, indent=2, ensure_ascii=False))
