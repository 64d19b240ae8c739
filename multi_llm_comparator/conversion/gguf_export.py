"""From a transformers checkpoint to one GGUF file.

The layout is that of llama.cpp's own converter: tensor names and metadata keys come from the ``gguf`` package,
quantised types are made by llama.cpp. Nothing of torch or transformers is imported.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_architecture import Architecture
from multi_llm_comparator.conversion.gguf_check import check_tokens
from multi_llm_comparator.conversion.gguf_tensors import TensorPlan, check_stored, lossless_type, stored_tensors
from multi_llm_comparator.conversion.gguf_vocab import Vocabulary, read_vocabulary
from multi_llm_comparator.conversion.llama_cpp_child import quantize_with_llama_cpp
from multi_llm_comparator.core.exceptions import InvalidParameterError, ModelLoadError, UnsupportedModelError
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header
from multi_llm_comparator.services.scan.gguf_model import check_tensors

if TYPE_CHECKING:
    from gguf import GGUFWriter

# llama.cpp's file type and, for quantised ones, how many weights of a row share a scale.
FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}
QUANTIZED = {
    "Q4_0": (2, 32),
    "Q4_1": (3, 32),
    "Q5_0": (8, 32),
    "Q5_1": (9, 32),
    "Q8_0": (7, 32),
    "Q4_K_S": (14, 256),
    "Q4_K_M": (15, 256),
    "Q5_K_S": (16, 256),
    "Q5_K_M": (17, 256),
    "Q6_K": (18, 256),
}
QUANTIZATIONS = (*FILE_TYPES, *QUANTIZED)
SOURCE_KEY = "multi_llm_comparator.source.sha256"
EXPORT_VERSION = 1


def export_gguf(checkpoint: Path, out: Path, quantization: str = "F16") -> Path:
    """Write a Llama-, Mistral-, Qwen2- or Qwen3-type checkpoint as one GGUF file, replacing ``out`` in one step.

    Args:
        checkpoint: directory with config.json, safetensors weights and tokenizer.json.
        out: the file to write; its folder is made if absent.
        quantization: one of :data:`QUANTIZATIONS`.

    Returns:
        ``out``.

    Raises:
        InvalidParameterError: an unknown quantization.
        UnsupportedModelError: a kind of model, tokenizer or width that cannot be exported; what is in the way is named.
        ModelLoadError: files are missing or corrupt, or llama.cpp failed.
    """
    kind = quantization.upper()
    if kind not in QUANTIZATIONS:
        raise InvalidParameterError(f"quantization must be one of {', '.join(QUANTIZATIONS)}, not {quantization!r}")
    files = CheckpointFiles(Path(checkpoint))
    architecture = Architecture.from_config(files.config)
    stored = stored_tensors(files.weights)
    check_stored(stored, architecture.tensors(), tied=architecture.tied)
    _check_widths(architecture, kind)
    vocabulary = read_vocabulary(files, architecture.vocab_size)
    plan = TensorPlan(architecture, stored, kind if kind in FILE_TYPES else lossless_type(stored))
    out.parent.mkdir(parents=True, exist_ok=True)
    with _beside(out) as plain:
        _write(plain, files, architecture, vocabulary, plan)
        check_tokens(files.folder / "tokenizer.json", plain, vocabulary)
        if kind in FILE_TYPES:
            _publish(plain, out)
        else:
            with _beside(out) as quantized:
                quantize_with_llama_cpp(plain, quantized, QUANTIZED[kind][0], os.cpu_count() or 1)
                _publish(quantized, out)
    return out


def source_fingerprint(checkpoint: Path) -> str:
    """What :func:`exported_from` gives for a file made from this very checkpoint by this version of the export.

    Raises:
        ModelLoadError: ``checkpoint`` is not a checkpoint directory.
    """
    return f"{EXPORT_VERSION}:{CheckpointFiles(Path(checkpoint)).fingerprint()}"


def exported_from(path: Path) -> str | None:
    """The fingerprint of the checkpoint that a GGUF file was exported from; None if it has none or is not whole."""
    try:
        header = read_gguf_header(path)
        check_tensors(header)
    except (OSError, ModelLoadError):
        return None
    source = header.metadata.get(SOURCE_KEY)
    return source if isinstance(source, str) else None


def _check_widths(architecture: Architecture, kind: str) -> None:
    if kind in FILE_TYPES:
        return
    block = QUANTIZED[kind][1]
    for name, shape in architecture.tensors().items():
        if len(shape) > 1 and shape[-1] % block:
            instead = "Q8_0, Q5_0 or Q4_0" if shape[-1] % 32 == 0 else "F16"
            raise UnsupportedModelError(
                f"tensor {name!r} has rows of {shape[-1]} weights; {kind} needs a multiple of {block}; use {instead}"
            )


def _write(
    path: Path, files: CheckpointFiles, architecture: Architecture, vocabulary: Vocabulary, plan: TensorPlan
) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture.arch)
    try:
        _add_general(writer, files, plan)
        architecture.add_metadata(writer)
        vocabulary.add_metadata(writer)
        template = chat_template(files)
        if template is not None:
            writer.add_chat_template(template)
        plan.announce(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        plan.write(writer)
    except OSError as exc:
        raise ModelLoadError(f"{str(path.parent)!r} could not be written: {exc}") from exc
    finally:
        writer.close()


def _add_general(writer: GGUFWriter, files: CheckpointFiles, plan: TensorPlan) -> None:
    from gguf import size_label

    writer.add_type("model")
    writer.add_string(SOURCE_KEY, source_fingerprint(files.folder))
    writer.add_name(files.folder.resolve().name)
    writer.add_size_label(size_label(plan.parameters, 0, 0, 0))
    if files.licence:
        writer.add_license(files.licence)
    writer.add_file_type(FILE_TYPES[plan.type_name])
    writer.add_quantization_version(2)
    _add_sampling(writer, files.generation_config)


def _add_sampling(writer: GGUFWriter, config: dict[str, Any]) -> None:
    """What the model's makers recommend, under the keys that llama.cpp's own programs read."""
    if config.get("do_sample") is False:
        writer.add_sampling_temp(0.0)
        return
    for name, add in (
        ("temperature", writer.add_sampling_temp),
        ("top_p", writer.add_sampling_top_p),
        ("top_k", writer.add_sampling_top_k),
        ("min_p", writer.add_sampling_min_p),
        ("repetition_penalty", writer.add_sampling_penalty_repeat),
    ):
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            add(int(value) if name == "top_k" else float(value))


def chat_template(files: CheckpointFiles) -> str | None:
    """The checkpoint's chat template, or None; of several, the one named "default".

    The markers ``{% generation %}`` show a trainer which part to learn. Other programs' Jinja does not know them, so
    each becomes an ``if`` that always holds: the text stays the same, spaces included.
    """
    source: Any = files.text("chat_template.jinja") or files.tokenizer_config.get("chat_template")
    if isinstance(source, list):
        named = {str(entry.get("name")): entry.get("template") for entry in source if isinstance(entry, dict)}
        source = named.get("default")
    if not isinstance(source, str):
        return None
    opened = re.sub(r"\{%([-+]?)\s*generation\s*([-+]?)%\}", r"{%\1 if true \2%}", source)
    return re.sub(r"\{%([-+]?)\s*endgeneration\s*([-+]?)%\}", r"{%\1 endif \2%}", opened)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A temporary file in the folder of ``out``, gone afterwards unless it was published."""
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _publish(temporary: Path, out: Path) -> None:
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    temporary.replace(out)
