"""LoRA adapters beside a loaded PyTorch model: one base in memory, each row of a batch with its own adapter.

Of the rows of one forward pass, the matrices of all their adapters lie stacked. For a linear layer with inputs x

    y += ((x @ A.T) * mask) @ B         A: (ranks, inputs), B: (ranks, outputs), mask: (rows, ranks)

where the mask holds, for each row, its adapter's scale at that adapter's ranks and 0 elsewhere; alpha / r is in B. So a
batch costs two narrow products a layer, however many adapters are in it. LoRA: https://arxiv.org/abs/2106.09685.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from weakref import ref

import torch
from torch import nn

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.inferencers.adapter_config import (
    PICKLED_NAME,
    matrix_pairs,
    read_adapter_settings,
    tensor_names,
    weights_file,
)
from multi_llm_comparator.inferencers.pytorch_errors import as_load_error

# What all adapters of a model may take together: so much, or this share of the model's own weights.
MIN_BANK_BYTES = 64 * 2**20
BANK_SHARE = 0.25
MAX_ADAPTERS = 64
_BANK = "_adapter_bank"

Stamp = tuple[str, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class LoadedAdapter:
    """An adapter in memory: for each module A of (rank, inputs) and B of (rank, outputs), B with its scaling."""

    stamp: Stamp
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]]

    @property
    def size_bytes(self) -> int:
        return sum(matrix.nbytes for pair in self.pairs.values() for matrix in pair)


@dataclass(frozen=True, slots=True)
class RowAdapter:
    """What a row is computed with. ``key`` tells apart what may not share keys and values."""

    adapter: LoadedAdapter
    scale: float

    @property
    def key(self) -> tuple[Stamp, float]:
        return self.adapter.stamp, self.scale


@dataclass(frozen=True, slots=True)
class AllRows:
    """Any number of rows that are all computed with the same adapter."""

    adapter: RowAdapter | None


class AdaptedRow(Protocol):
    """A row of a forward pass; ``adapter`` None is the base alone."""

    @property
    def adapter(self) -> RowAdapter | None: ...


@dataclass(eq=False)
class _Stack:
    """The matrices of some adapters, one below the other, for each module that one of them adapts."""

    adapters: tuple[LoadedAdapter, ...]
    matrices: dict[str, tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, adapters: tuple[LoadedAdapter, ...]) -> _Stack:
        stack = cls(adapters)
        for module in dict.fromkeys(name for adapter in adapters for name in adapter.pairs):
            pairs = [adapter.pairs.get(module) for adapter in adapters]
            there = [pair for pair in pairs if pair is not None]
            ranks = tuple(0 if pair is None else len(pair[0]) for pair in pairs)
            if len(there) == 1:
                stack.matrices[module] = (*there[0], ranks)
            else:
                stack.matrices[module] = (
                    torch.cat([first for first, _ in there]),
                    torch.cat([second for _, second in there]),
                    ranks,
                )
        return stack


class _Pass:
    """One forward pass: which rows have which adapters, at which scale."""

    def __init__(self, stack: _Stack, scales: torch.Tensor) -> None:
        self._stack, self._scales = stack, scales
        # Alone and at full strength, as in most panes, nothing is to be masked.
        self._is_plain = len(stack.adapters) == 1 and bool((scales == 1).all())
        self._masks: dict[tuple[int, ...], torch.Tensor] = {}

    def add_to(self, module: str, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """``outputs`` of (rows, tokens, width) and what the adapters add to them."""
        found = self._stack.matrices.get(module)
        if found is None:
            return outputs
        first, second, ranks = found
        narrow = nn.functional.linear(inputs, first)
        if not self._is_plain:
            narrow = narrow.view(len(self._scales), -1, len(first)) * self._mask(ranks)
        added = torch.addmm(outputs.reshape(-1, outputs.shape[-1]), narrow.reshape(-1, len(first)), second)
        return added.view(outputs.shape)

    def _mask(self, ranks: tuple[int, ...]) -> torch.Tensor:
        """Of shape (rows, 1, ranks)."""
        if ranks not in self._masks:
            widths = torch.tensor(ranks, device=self._scales.device)
            self._masks[ranks] = self._scales.repeat_interleave(widths, dim=1)[:, None]
        return self._masks[ranks]


class AdapterBank:
    """The adapters of one model: loaded when first asked for, the least recently used leave when there are too many."""

    def __init__(self, model: nn.Module) -> None:
        self._of = ref(model)  # the model holds its bank
        self._loaded: dict[Stamp, LoadedAdapter] = {}
        self._hooked: set[str] = set()
        self._kept: list[LoadedAdapter] = []
        self._stack: _Stack | None = None
        self._pass: _Pass | None = None
        weights = sum(weight.nbytes for weight in model.parameters())
        self.max_bytes = max(MIN_BANK_BYTES, int(BANK_SHARE * weights))

    @property
    def _model(self) -> Any:
        return self._of()

    @property
    def size_bytes(self) -> int:
        return sum(adapter.size_bytes for adapter in self._loaded.values())

    @property
    def paths(self) -> list[str]:
        """What is loaded, the least recently used first."""
        return [path for path, _, _ in self._loaded]

    def take(self, path: str, scale: float, in_use: Collection[LoadedAdapter]) -> RowAdapter | None:
        """The adapter in the folder ``path``, loaded if it is not; None where ``scale`` leaves nothing of it.

        Args:
            in_use: those that may not leave for it.

        Raises:
            ModelLoadError: it is damaged, or was not made for this model.
            UnsupportedModelError: a kind of adapter that cannot be computed here.
            InsufficientMemoryError: those in use leave no room for it.
        """
        stamp = stamp_of(path)
        adapter = self._loaded.pop(stamp, None)
        if adapter is None:
            adapter = self._load(path, stamp)
            self._make_room(adapter, in_use)
            self._hook(adapter)
        self._loaded[stamp] = adapter
        return RowAdapter(adapter, scale) if scale else None

    @contextlib.contextmanager
    def rows(self, rows: Sequence[AdaptedRow]) -> Iterator[None]:
        """Forward passes within compute these rows, in this order, each with its adapter; one :class:`AllRows` stands
        for however many."""
        used = tuple(dict.fromkeys(row.adapter.adapter for row in rows if row.adapter is not None))
        if not used:
            yield
            return
        if self._stack is None or self._stack.adapters != used:
            self._stack = _Stack.of(used)
        sample = next(iter(used[0].pairs.values()))[0]
        scales = [[_scale(row, adapter) for adapter in used] for row in rows]
        self._pass = _Pass(self._stack, torch.tensor(scales, dtype=sample.dtype, device=sample.device))
        try:
            yield
        finally:
            self._pass = None

    def keep(self, adapter: RowAdapter | None) -> None:
        """Until :meth:`release` this one does not leave for others."""
        if adapter is not None:
            self._kept.append(adapter.adapter)

    def release(self, adapter: RowAdapter | None) -> None:
        """What was kept may leave."""
        if adapter is not None and adapter.adapter in self._kept:
            self._kept.remove(adapter.adapter)

    def clear(self) -> None:
        """Free them all."""
        self._loaded.clear()
        self._stack = self._pass = None

    def _make_room(self, adapter: LoadedAdapter, in_use: Collection[LoadedAdapter]) -> None:
        for stamp, other in list(self._loaded.items()):
            if self.size_bytes + adapter.size_bytes <= self.max_bytes and len(self._loaded) < MAX_ADAPTERS:
                break
            if other not in in_use and other not in self._kept:
                del self._loaded[stamp]
                self._stack = None
        if self.size_bytes + adapter.size_bytes > self.max_bytes or len(self._loaded) >= MAX_ADAPTERS:
            raise InsufficientMemoryError(
                f"the adapter takes {size(adapter.size_bytes)}, and of the {size(self.max_bytes)} that "
                f"adapters of this model may take, those at work hold {size(self.size_bytes)}; wait for them, "
                "or merge the adapter into its base"
            )

    def _load(self, path: str, stamp: Stamp) -> LoadedAdapter:
        settings = read_adapter_settings(Path(path))
        tensors = _read(path, self.max_bytes)
        ranks = matrix_pairs({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        pairs = {}
        for module, rank in ranks.items():
            first, second = (tensors[name] for name in tensor_names(module))
            self._check_fits(module, first, second)
            scaled = second.float().T.contiguous() * settings.scaling(module, rank)
            pairs[module] = (self._held(first), self._held(scaled))
        return LoadedAdapter(stamp, pairs)

    def _held(self, matrix: torch.Tensor) -> torch.Tensor:
        held = matrix.to(device=self._model.device, dtype=self._model.dtype).contiguous()
        if not bool(held.isfinite().all()):
            raise ModelLoadError("the adapter holds values that are no numbers; fetch it again")
        return held

    def _check_fits(self, module: str, first: torch.Tensor, second: torch.Tensor) -> None:
        try:
            layer = self._model.get_submodule(module)
        except AttributeError:
            raise ModelLoadError(
                f"the adapter was made for another model: this one has no module {module[:120]!r}; choose its base"
            ) from None
        # A layer's own names for its widths: nn.Linear and what quantises it, and GPT-2's, whose weights lie the other
        # way round.
        inputs, outputs = getattr(layer, "in_features", None), getattr(layer, "out_features", None)
        if inputs is None and type(layer).__name__ == "Conv1D":
            inputs, outputs = layer.nx, layer.nf
        if inputs is None:
            raise UnsupportedModelError(
                f"an adapter of {module[:120]!r}, a {type(layer).__name__}; only linear layers can be adapted here: "
                "merge it into its base with peft, and use the merged model"
            )
        if (first.shape[1], second.shape[0]) != (inputs, outputs):
            raise ModelLoadError(
                f"the adapter was made for another model: its matrices for {module[:120]!r} take {first.shape[1]} "
                f"inputs and give {second.shape[0]} outputs, where this model has {inputs} and {outputs}"
            )

    def _hook(self, adapter: LoadedAdapter) -> None:
        for module in adapter.pairs:
            if module not in self._hooked:
                self._hooked.add(module)
                self._model.get_submodule(module).register_forward_hook(self._adding(module))

    def _adding(self, module: str) -> Any:
        def add(_layer: nn.Module, inputs: tuple[Any, ...], outputs: torch.Tensor) -> torch.Tensor | None:
            return None if self._pass is None else self._pass.add_to(module, inputs[0], outputs)

        return add


def adapters_of(model: nn.Module) -> AdapterBank:
    """The adapters of a model: the same bank for all that compute with it."""
    bank = model.__dict__.get(_BANK)
    if not isinstance(bank, AdapterBank):
        bank = model.__dict__[_BANK] = AdapterBank(model)
    return bank


def stamp_of(path: str) -> Stamp:
    """An adapter's folder and the state of its weights: another state is another adapter.

    Raises:
        ModelLoadError: it has no weights.
    """
    status = weights_file(Path(path)).stat()
    return path, status.st_size, status.st_mtime_ns


def _scale(row: AdaptedRow, adapter: LoadedAdapter) -> float:
    return row.adapter.scale if row.adapter is not None and row.adapter.adapter is adapter else 0.0


def _read(path: str, max_bytes: int) -> dict[str, torch.Tensor]:
    """The tensors of an adapter, by their names in the file."""
    file = weights_file(Path(path))
    # In 32 bit it may be twice what it will be in memory.
    if file.stat().st_size > 2 * max_bytes:
        raise InsufficientMemoryError(
            f"the adapter's file has {size(file.stat().st_size)}; adapters of this model may take "
            f"{size(max_bytes)}: merge it into its base"
        )
    try:
        if file.name != PICKLED_NAME:
            from safetensors.torch import load_file

            return dict(load_file(file))
        loaded = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
            raise ModelLoadError(f"{file.name!r} holds more than tensors; fetch the adapter as safetensors")
        return loaded
    except Exception as exc:
        # Whatever a stranger's file makes these libraries raise.
        raise as_load_error(exc, path) from exc
