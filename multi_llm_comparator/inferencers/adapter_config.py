"""What a LoRA adapter of peft says of itself, and which kinds of adapters can be computed here.

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint. A setting that would have to be honoured and is
not known here is refused by name: an adapter that is half honoured answers, and answers wrongly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import DocumentError, ModelLoadError, UnsupportedModelError

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME, PICKLED_NAME = "adapter_model.safetensors", "adapter_model.bin"
MAX_CONFIG_BYTES = 2**20
MAX_RANK = 4096
# What peft takes for the rank and for alpha where the file does not say.
DEFAULT = 8
MAX_PATTERNS = 4096
# One matrix pair for each linear layer: a model of 200 layers with 7 each, and experts, stays below.
MAX_PAIRS = 32_768
PREFIX = "base_model.model."
_ENDINGS = (".lora_A.weight", ".lora_B.weight")
# How the adapter began, where that left the base's own weights as they are.
_PLAIN_BEGINNINGS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
# Settings of peft that change what is computed, each with what it is called.
_CHANGES = {
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
    "lora_bias": "biases in its matrices",
    "layer_replication": "repeated layers",
    "modules_to_save": "modules that were trained whole",
    "trainable_token_indices": "trained token embeddings",
    "target_parameters": "adapted parameters that are no layers",
    "alora_invocation_tokens": "activation by tokens (aLoRA)",
    "arrow_config": "routing between adapters (Arrow)",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "velora_config": "VeLoRA",
    "megatron_config": "Megatron's layers",
}
_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """The part of ``adapter_config.json`` that decides what is computed.

    ``base`` is the model that the adapter was made for, as its maker called it; it may be empty.
    """

    rank: int
    alpha: float
    alphas: Mapping[str, float] = field(default_factory=dict)
    uses_rslora: bool = False
    base: str = ""

    def scaling(self, module: str, rank: int) -> float:
        """What the product of the two matrices of ``module`` is multiplied by: alpha / r, or alpha / sqrt(r)."""
        alpha = self.alpha
        for name, own in self.alphas.items():
            if module == name or module.endswith(f".{name}"):
                alpha = own
                break
        return alpha / (math.sqrt(rank) if self.uses_rslora else rank)


def read_adapter_settings(folder: Path) -> AdapterSettings:
    """Read ``adapter_config.json`` of a peft folder.

    Raises:
        ModelLoadError: it is absent or damaged.
        UnsupportedModelError: a kind of adapter that cannot be computed here; what is in the way is named.
    """
    try:
        data = load_json(folder / CONFIG_NAME, MAX_CONFIG_BYTES)
    except (OSError, DocumentError) as exc:
        raise ModelLoadError(f"{CONFIG_NAME!r} of {folder.name!r} cannot be read: {exc}; fetch it again") from exc
    if not isinstance(data, dict):
        raise ModelLoadError(f"{CONFIG_NAME!r} of {folder.name!r} must hold an object; fetch it again")
    return adapter_settings(data)


def adapter_settings(data: Mapping[str, Any]) -> AdapterSettings:
    """The same from the file's content."""
    kind = data.get("peft_type")
    if kind != "LORA":
        raise UnsupportedModelError(f"an adapter of the kind {str(kind)[:40]!r}; only LoRA can be used here")
    for name, called in _CHANGES.items():
        if data.get(name):
            raise UnsupportedModelError(f"an adapter with {called} ({name!r}), which {_MERGE}")
    if data.get("bias") not in (None, "none"):
        raise UnsupportedModelError(f"an adapter that trained biases (bias={str(data['bias'])[:40]!r}), which {_MERGE}")
    begun = data.get("init_lora_weights", True)
    if not any(begun is plain or begun == plain for plain in _PLAIN_BEGINNINGS):
        raise UnsupportedModelError(
            f"an adapter that began with {str(begun)[:40]!r}, which changes the base's weights: save it again with "
            "peft's path_initial_model_for_weight_conversion, as a plain LoRA"
        )
    base = data.get("base_model_name_or_path")
    return AdapterSettings(
        rank=_rank(data.get("r", DEFAULT)),
        alpha=_number(data.get("lora_alpha", DEFAULT), "lora_alpha"),
        alphas=_alphas(data.get("alpha_pattern") or {}),
        uses_rslora=bool(data.get("use_rslora")),
        base=base[:512] if isinstance(base, str) else "",
    )


_MERGE = "is not computed beside a base here: merge it into its base with peft, and use the merged model"


def _rank(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_RANK:
        raise ModelLoadError(f"{CONFIG_NAME!r} must give 'r' as a whole number from 1 to {MAX_RANK}, not {value!r:.40}")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelLoadError(f"{CONFIG_NAME!r} must give {name!r} as a number, not {value!r:.40}")
    return float(value)


def _alphas(patterns: Any) -> dict[str, float]:
    """``alpha_pattern`` without its regular expressions: a stranger's could take forever to match."""
    if not isinstance(patterns, dict) or len(patterns) > MAX_PATTERNS:
        raise ModelLoadError(f"{CONFIG_NAME!r} must give 'alpha_pattern' as an object of at most {MAX_PATTERNS} names")
    found = {}
    for pattern, alpha in patterns.items():
        name = pattern.removeprefix("^").replace("\\.", ".")
        if not _NAME.fullmatch(name):
            raise UnsupportedModelError(
                f"an adapter whose 'alpha_pattern' holds the regular expression {pattern[:80]!r}; name the modules "
                "themselves there"
            )
        found[name] = _number(alpha, "alpha_pattern")
    return found


def matrix_pairs(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Which modules an adapter's tensors belong to, and the rank of each.

    Args:
        shapes: every tensor of the file: A has (rank, inputs), B has (outputs, rank).

    Raises:
        UnsupportedModelError: a tensor that is no matrix of a linear layer's pair.
        ModelLoadError: half of a pair is missing, or the two do not fit each other.
    """
    modules: dict[str, None] = {}
    for name, shape in shapes.items():
        module = module_of(name)
        if module is None or len(shape) != 2:
            raise UnsupportedModelError(f"an adapter with the tensor {name[:120]!r}, which {_MERGE}")
        modules[module] = None
    if not modules:
        raise ModelLoadError("an adapter without tensors; fetch it again")
    if len(modules) > MAX_PAIRS:
        raise ModelLoadError(f"an adapter of {len(modules)} modules; more than {MAX_PAIRS} are refused")
    return {module: _rank_of(module, shapes) for module in modules}


def _rank_of(module: str, shapes: Mapping[str, tuple[int, ...]]) -> int:
    first, second = (shapes.get(name) for name in tensor_names(module))
    if first is None or second is None:
        raise ModelLoadError(f"an adapter with half of a pair of matrices for {module[:120]!r}; fetch it again")
    if first[0] != second[1] or not 0 < first[0] <= MAX_RANK:
        raise ModelLoadError(f"an adapter whose matrices {first} and {second} for {module[:120]!r} do not fit together")
    return first[0]


def tensor_names(module: str) -> tuple[str, str]:
    """What the two matrices of a module are called in the file."""
    first, second = _ENDINGS
    return f"{PREFIX}{module}{first}", f"{PREFIX}{module}{second}"


def module_of(name: str) -> str | None:
    """The base's module that a tensor belongs to, None for what is no matrix of a pair."""
    for ending in _ENDINGS:
        if name.startswith(PREFIX) and name.endswith(ending):
            return name[len(PREFIX) : -len(ending)]
    return None


def weights_file(folder: Path) -> Path:
    """The file that holds the matrices: safetensors if there is one.

    Raises:
        ModelLoadError: there is none.
    """
    for name in (WEIGHTS_NAME, PICKLED_NAME):
        if (folder / name).is_file():
            return folder / name
    raise ModelLoadError(f"an adapter without weights ({WEIGHTS_NAME!r}); fetch those too")


def sorted_modules(modules: Iterable[str]) -> list[str]:
    """In the order of layers: ``layers.2`` before ``layers.10``."""
    return sorted(modules, key=lambda name: [part.zfill(8) if part.isdigit() else part for part in name.split(".")])
