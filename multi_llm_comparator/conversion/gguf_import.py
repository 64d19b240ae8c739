"""From a GGUF file to a checkpoint folder of PyTorch.

The way back of :mod:`gguf_export`: the same names, shapes and rotary layout. Weights are what the file's types give as
numbers, and the tokenizer is built so that it gives llama.cpp's tokens, which is checked before anything is kept.
Nothing of torch or transformers is imported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.gguf_architecture import Architecture
from multi_llm_comparator.conversion.gguf_check import check_tokens
from multi_llm_comparator.conversion.gguf_config import checkpoint_config, generation_config
from multi_llm_comparator.conversion.gguf_rope import ROPE_FREQS
from multi_llm_comparator.conversion.gguf_source import GgufSource
from multi_llm_comparator.conversion.gguf_tensors import Array, as_type, names_in_gguf, separate_rotary
from multi_llm_comparator.conversion.gguf_tokenizer import gguf_vocabulary, tokenizer_config, tokenizer_json
from multi_llm_comparator.conversion.gguf_vocab import CheckpointVocabulary
from multi_llm_comparator.conversion.llama_cpp_child import vocabulary_of
from multi_llm_comparator.conversion.model_card import write_card
from multi_llm_comparator.conversion.places import check_disk, folder_beside, publish_folder
from multi_llm_comparator.conversion.provenance import origin_of_gguf, write_origin
from multi_llm_comparator.conversion.report import ConversionReport, Progress, ignore, part_of
from multi_llm_comparator.conversion.safetensors_writer import write_safetensors
from multi_llm_comparator.core.exceptions import (
    ConversionError,
    InvalidParameterError,
    ModelLoadError,
    UnsupportedModelError,
)
from multi_llm_comparator.services.scan.fields import text

# PyTorch's names of the number types that weights may get, and safetensors' names.
DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


def gguf_to_pytorch(gguf: Path, out: Path, *, dtype: str = "bfloat16", progress: Progress = ignore) -> ConversionReport:
    """Write a Llama-, Qwen2- or Qwen3-type GGUF file as a checkpoint folder, which appears whole or not at all.

    Args:
        gguf: the file; of a split model any part.
        out: the folder to make.
        dtype: bfloat16, float16 or float32. Only float32 holds every value of a quantized file exactly.
        progress: told how far it is.

    Raises:
        InvalidParameterError: another dtype.
        UnsupportedModelError: an architecture, tokenizer or type of weights that cannot be converted; it is named.
        ModelLoadError: the file is damaged, or llama.cpp refuses it.
        ConversionError: ``out`` is there already, or the disk is too small.
    """
    if dtype not in DTYPES:
        raise InvalidParameterError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
    if out.exists():
        raise ConversionError(f"{str(out)!r} is there already; delete or rename it, or give another folder")
    begun = time.monotonic()
    progress("reading", 0.0)
    source = GgufSource(gguf)
    known = vocabulary_of(source.path)
    vocabulary = gguf_vocabulary(source, known)
    ends = _ends(vocabulary, known["ends"])
    config = checkpoint_config(source, vocabulary, ends, dtype)
    weights = _Weights(source, Architecture.from_config(config), DTYPES[dtype])
    check_disk(out.parent, weights.size_bytes, f"{out.name!r} in {dtype}")
    origin = origin_of_gguf(source)
    with folder_beside(out) as folder:
        _write_json(folder / "config.json", {name: value for name, value in config.items() if value is not None})
        _write_json(folder / "generation_config.json", generation_config(source, vocabulary, ends))
        _write_json(folder / "tokenizer.json", tokenizer_json(vocabulary, known), indent=None)
        _write_json(folder / "tokenizer_config.json", tokenizer_config(vocabulary, config["max_position_embeddings"]))
        template = source.metadata.get("tokenizer.chat_template")
        if isinstance(template, str):
            (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        progress("checking", 0.02)
        check_tokens(folder / "tokenizer.json", source.path, vocabulary)
        weights.write(folder, part_of(progress, 0.1, 1.0))
        write_origin(folder, origin, {"types": weights.types, "dtype": dtype})
        write_card(folder, origin, text(source.metadata, "general.license"), dtype, weights.types)
        size = sum(file.stat().st_size for file in folder.iterdir())
        publish_folder(folder, out)
    types = {DTYPES[dtype]: len(weights.shapes)}
    return ConversionReport(out, dtype, size, time.monotonic() - begun, types, {})


def _ends(vocabulary: CheckpointVocabulary, ends: list[int]) -> list[int]:
    """The ids that end an answer in llama.cpp, the one called eos first."""
    eos = vocabulary.special_ids.get("eos")
    first = [eos] if eos is not None else []
    found = first + [token for token in ends if token != eos]
    if not found:
        raise UnsupportedModelError("the file names no token that ends an answer; convert the model again")
    return found


class _Weights:
    """The tensors of a GGUF file as transformers names them."""

    def __init__(self, source: GgufSource, architecture: Architecture, type_name: str) -> None:
        self._source, self._architecture, self._type_name = source, architecture, type_name
        self._names = names_in_gguf(architecture)
        self.shapes = architecture.tensors()
        self._check()
        self._elements = sum(tensor.elements for tensor in source.tensors.values())

    @property
    def size_bytes(self) -> int:
        return self._elements * (4 if self._type_name == "F32" else 2)

    @property
    def types(self) -> dict[str, int]:
        """How many tensors the file holds of which type."""
        found: dict[str, int] = {}
        for tensor in self._source.tensors.values():
            found[tensor.type_name] = found.get(tensor.type_name, 0) + 1
        return found

    def write(self, folder: Path, progress: Progress) -> None:
        self._progress, self._done = progress, 0
        write_safetensors(folder, self.shapes, self._type_name, ((n, self._pieces(n)) for n in self.shapes))

    def _pieces(self, name: str) -> Iterator[Array]:
        architecture = self._architecture
        heads = 0
        if architecture.permutes_rotary and (".q_proj." in name or ".k_proj." in name):
            heads = architecture.heads if ".q_proj." in name else architecture.kv_heads
        tensor = self._source.tensors[self._names[name]]
        for piece in tensor.pieces(architecture.head_dim if heads else 1):
            values = piece
            if heads:
                values = separate_rotary(piece, piece.shape[0] // architecture.head_dim)
            yield as_type(values, self._type_name, name)
            self._done += piece.size
            self._progress("writing", self._done / self._elements)

    def _check(self) -> None:
        """Raises ModelLoadError for what is missing or misshapen, UnsupportedModelError for what has no place."""
        tensors = self._source.tensors
        for name, target in self._names.items():
            if target not in tensors:
                raise ModelLoadError(f"the file has no tensor {target!r}, which its metadata ask for")
            if tensors[target].shape != self.shapes[name]:
                raise ModelLoadError(
                    f"tensor {target!r} has shape {tensors[target].shape}; its metadata ask for {self.shapes[name]}"
                )
        foreign = tensors.keys() - set(self._names.values()) - {ROPE_FREQS}
        if foreign:
            raise UnsupportedModelError(
                f"tensor {min(foreign)[:80]!r} has no place in a {self._architecture.arch} checkpoint of PyTorch"
            )


def _write_json(path: Path, data: dict[str, Any], indent: int | None = 2) -> None:
    path.write_text(json.dumps(data, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")
