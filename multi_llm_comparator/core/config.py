"""Generation parameters and where they are kept."""

from __future__ import annotations

import json
import math
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
LOAD_FIELDS = ("n_ctx", "n_threads", "use_gpu", "low_cpu_mem_usage", "torch_dtype", "quantization", "trust_remote_code")


# Below it nothing is left to chance: that is said as 0. The pages begin at 0.1.
MIN_TEMPERATURE = 0.01
ADAPTER_SCALES = (-4.0, 4.0)
MIN_CONTEXT, MAX_CONTEXT = 16, 10_000_000


@dataclass(frozen=False)
class ModelConfig:
    """Parameters of one model: how it is loaded and how it generates.

    ``temperature`` 0 means greedy. ``seed`` None draws a fresh one. ``n_ctx`` is the context of one conversation, in
    tokens; ``n_threads`` None shares the machine's cores among the models that are decoding. ``quantization`` is for
    PyTorch checkpoints (bitsandbytes); a GGUF file carries its own. ``pad_token_id`` is taken for compatibility and
    changes nothing: no engine here pads a prompt. ``reproducible`` asks for the same tokens from the same weights,
    prompt, parameters and seed on the same machine, whatever else runs, at a price in speed. ``adapter_scale`` is how
    much of a LoRA adapter is added to its base, for targets that are adapters: 0 is the base, 1 the adapter as tuned.
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
    adapter_scale: Annotated[float, Field(exclude_if=lambda scale: scale == 1.0)] = 1.0
    quantization: str = "none"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        self.stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0 or not self.do_sample

    def validate(self) -> None:
        """Check every parameter.

        Raises:
            InvalidParameterError: the first parameter found wrong, with its allowed range. It is a ValueError too.
        """
        limit = get_settings().max_tokens_limit
        if self.temperature != 0:
            _between(
                "temperature",
                self.temperature,
                MIN_TEMPERATURE,
                2.0,
                f"0 (greedy) or between {MIN_TEMPERATURE} and 2.0",
            )
        _whole_between("max_tokens", self.max_tokens, 1, limit)
        _between("top_p", self.top_p, 0.0, 1.0)
        _whole_between("top_k", self.top_k, 0, 1_000_000)
        _between("repeat_penalty", self.repeat_penalty, 0.1, 2.0)
        _between("presence_penalty", self.presence_penalty, -2.0, 2.0)
        _between("adapter_scale", self.adapter_scale, *ADAPTER_SCALES)
        _whole_between("n_ctx", self.n_ctx, MIN_CONTEXT, MAX_CONTEXT)
        for name, low, high in (
            ("n_threads", 1, 1024),
            ("seed", 0, 2**32 - 1),
            ("pad_token_id", 0, 2**31 - 1),
            ("eos_token_id", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if value is not None:
                _whole_between(name, value, low, high)
        if not isinstance(self.reproducible, bool):
            raise InvalidParameterError(f"reproducible must be true or false, not {self.reproducible!r}")
        _one_of("quantization", self.quantization, QUANTIZATIONS)
        _one_of("torch_dtype", self.torch_dtype, TORCH_DTYPES)
        if len(self.stop) > 16 or any(not isinstance(s, str) or not 0 < len(s) <= 256 for s in self.stop):
            raise InvalidParameterError("stop must be at most 16 texts of 1 to 256 characters")

    def load_options(self) -> dict[str, Any]:
        """The part that decides how the model is loaded; equal options can share one loaded model."""
        return {name: getattr(self, name) for name in LOAD_FIELDS}

    def to_dict(self) -> dict[str, Any]:
        """As plain data. An adapter's strength is left out where it is the usual one: most models are no adapters."""
        data = asdict(self)
        if self.adapter_scale == 1.0:
            del data["adapter_scale"]
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
