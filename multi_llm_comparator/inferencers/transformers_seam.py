"""The inside of transformers that this project leans on: names and classes that a release may change without notice.

Nothing else in ``inferencers`` names them. ``tests/inferencers/test_transformers_seam.py`` looks at each one, so that a
release that changes one fails there, with its name, and not in a model that has become slow.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# isort: off
from multi_llm_comparator.inferencers import pytorch_environment as _environment  # noqa: F401 - read before transformers

# isort: on
import torch
from transformers import __version__
from transformers.cache_utils import Cache as Cache
from transformers.cache_utils import CacheLayerMixin as CacheLayerMixin
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

VERSION: str = __version__
# Keys and values of one row, layer by layer, each of shape (1, heads, tokens, width).
RowState = list[tuple[torch.Tensor, torch.Tensor]]

# What a forward pass calls its memory, of its argument and of its result: `cache` since transformers 5.24, where
# `past_key_values` and `cache_params` are deprecated. A checkpoint's own code may keep those; RWKV has its own.
CACHE_NAMES = ("cache", "past_key_values", "cache_params", "state")
# What a batch of rows of different lengths needs to be told.
BATCH_NAMES = ("attention_mask", "position_ids")
# The classes that a checkpoint names when its tokenizer.json says it all.
GENERIC_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")

# What a configuration may choose by itself: these are in transformers.
PLAIN_KERNELS = {
    "_attn_implementation": ("eager", "sdpa"),
    "_experts_implementation": ("eager", "batched_mm", "grouped_mm"),
}


class Forward:
    """A model's forward pass, by whichever names it gives its arguments."""

    def __init__(self, model: Any) -> None:
        self._model = model
        accepted = self._accepted = inspect.signature(model.forward).parameters
        self.cache_name = next((name for name in CACHE_NAMES if name in accepted), None)
        # Logits of all tokens of a prompt would be a gigabyte and more.
        self._can_keep = "logits_to_keep" in accepted
        self.unknown = [name for name in BATCH_NAMES if name not in accepted]

    @property
    def keeps(self) -> bool:
        """Whether the model keeps anything of what it has read."""
        return self.cache_name is not None

    def __call__(
        self,
        ids: torch.Tensor,
        cache: Any = None,
        *,
        positions: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, Any]:
        """Read ``ids`` of shape (rows, tokens) after what ``cache`` holds.

        Returns:
            The logits after the last token, of shape (rows, vocabulary), and the cache, which holds the new tokens too.
        """
        logits, cache = self.lines(ids, cache, 1, positions=positions, mask=mask)
        return logits[:, -1], cache

    def seeing(self, ids: torch.Tensor, cache: Any, images: Mapping[str, Any]) -> tuple[torch.Tensor, Any]:
        """Read a whole prompt with images: ``ids`` of shape (1, tokens) and what its processor made beside them.

        Returns:
            The logits after the last token, of shape (1, vocabulary), and the cache.
        """
        arguments: dict[str, Any] = {"logits_to_keep": 1} if self._can_keep else {}
        if self.cache_name is not None:
            arguments |= {"use_cache": True, self.cache_name: cache}
        arguments |= {name: value for name, value in images.items() if name in self._accepted}
        out = self._model(input_ids=ids, **arguments)
        return out.logits[:, -1], None if self.cache_name is None else _cache_in(out)

    def lines(
        self,
        ids: torch.Tensor,
        cache: Any,
        which: int | torch.Tensor,
        *,
        positions: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, Any]:
        """Like calling it, with the logits after each of the last ``which`` tokens, or after those at these places, of
        shape (lines,): (rows, lines, vocabulary)."""
        arguments: dict[str, Any] = {"logits_to_keep": which} if self._can_keep else {}
        if self.cache_name is not None:
            arguments |= {"use_cache": True, self.cache_name: cache}
        if positions is not None:
            arguments["position_ids"] = positions
        if mask is not None:
            arguments["attention_mask"] = mask
        out = self._model(input_ids=ids, **arguments)
        logits: torch.Tensor = out.logits
        if isinstance(which, int):
            logits = logits[:, -which:]
        elif not self._can_keep:
            logits = logits[:, which]
        return logits, None if self.cache_name is None else _cache_in(out)


class ImageOffsets:
    """Models that number the parts of an image by rows and columns (M-RoPE: Qwen2-VL and later) keep in themselves how
    far the places of later tokens are from their count. That belongs to the row: with others it would be wrong."""

    def __init__(self, model: Any) -> None:
        self._holder = _holder_of_offsets(model)

    @contextmanager
    def of(self, row: Any) -> Iterator[None]:
        """Have the model use those of ``row`` (its ``image_offsets``), and note what it makes of them."""
        if self._holder is None:
            yield
            return
        self._holder.rope_deltas = row.image_offsets
        yield
        row.image_offsets = self._holder.rope_deltas


def _holder_of_offsets(model: Any) -> Any:
    return next((part for part in (model, model.base_model) if hasattr(part, "rope_deltas")), None)


def _cache_in(out: Any) -> Any:
    """The cache in a result, whose name need not be the argument's where a checkpoint brings its own code."""
    return next(found for name in CACHE_NAMES if (found := getattr(out, name, None)) is not None)


def new_cache(state: RowState | None = None) -> Any:
    """A cache of plain layers that grows with what is read, empty or holding ``state``."""
    return DynamicCache() if state is None else DynamicCache(state)


def state_of(cache: Any) -> RowState:
    """What such a cache holds."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def layer_kinds(model: Any) -> list[type]:
    """The kind of cache that each layer of the model keeps, as its configuration tells."""
    return [type(layer) for layer in DynamicCache(config=model.config).layers]


def why_not_plain(model: Any, n_ctx: int) -> str | None:
    """Why not all layers keep all keys and values of a context of so many tokens, as far as the configuration tells.

    None: they do.
    """
    if model.config.is_encoder_decoder:
        return "it is an encoder with a decoder"
    if _holder_of_offsets(model) is not None:
        return "it numbers the parts of images by rows and columns (M-RoPE)"
    layers = DynamicCache(config=model.config).layers
    windows = [layer.sliding_window for layer in layers if type(layer) is DynamicSlidingWindowLayer]
    odd = {type(layer).__name__ for layer in layers} - {DynamicLayer.__name__, DynamicSlidingWindowLayer.__name__}
    if odd:
        return f"it keeps its memory as {', '.join(sorted(odd))}"
    if windows and min(windows) < n_ctx:
        window = min(windows)
        return f"{len(windows)} of its layers look back only {window} tokens; with n_ctx={window} it has a batch"
    return None


def adds_mask(model: Any) -> bool:
    """Whether the model's attention adds its mask to the scores; else it takes True for "may attend", as sdpa does."""
    return bool(attention_of(model) != "sdpa")


def attention_of(model: Any) -> str:
    """The kind of attention in use: sdpa, eager, ..."""
    kind: str = model.config._attn_implementation
    return kind


def drop_wishes(config: Any) -> list[str]:
    """Take out of a configuration by which kernels the model wants to be computed: they may be code to be fetched.

    Returns:
        The wishes that were dropped.
    """
    dropped: dict[str, None] = {}
    for part in (config, *(getattr(config, name, None) for name in config.sub_configs)):
        for name, plain in PLAIN_KERNELS.items():
            wish = getattr(part, name, None)
            if wish is not None and wish not in plain:
                dropped[str(wish)] = None
                setattr(part, name, None)
    return list(dropped)


def causal_lm_types() -> tuple[set[str], dict[str, Any]]:
    """The types of models that transformers knows, and of those the classes that generate text, by type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return set(CONFIG_MAPPING_NAMES), dict(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def seeing_types() -> dict[str, Any]:
    """Of the types of models that read images and text and write text, the classes, by type."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return dict(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)


def import_kinds(names: Sequence[str]) -> None:
    """Import what loading these types of models needs, which takes longer than the loading."""
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto  # noqa: F401
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    for name in names:
        import_module(f"transformers.models.{name}.modeling_{name}")
        get_checkpoint_conversion_mapping(name)  # builds a table that every load needs, once per process


def is_fast_tokenizer(tokenizer: Any) -> bool:
    """Whether the tokenizer is one of the ``tokenizers`` library, whose model can be held to a constraint."""
    return getattr(tokenizer, "backend_tokenizer", None) is not None
