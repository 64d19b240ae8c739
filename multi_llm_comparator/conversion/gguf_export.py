"""From a transformers checkpoint to one GGUF file.

The layout is that of llama.cpp's own converter: tensor names and metadata keys come from the ``gguf`` package,
quantised types are made by llama.cpp. Nothing of torch or transformers is imported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_architecture import Architecture
from multi_llm_comparator.conversion.gguf_check import check_tokens
from multi_llm_comparator.conversion.gguf_quantize import QUANTIZED, quantize_into
from multi_llm_comparator.conversion.gguf_tensors import TensorPlan, check_stored, lossless_type, stored_tensors
from multi_llm_comparator.conversion.gguf_vocab import CheckpointVocabulary, read_vocabulary
from multi_llm_comparator.conversion.places import check_disk, file_beside, publish_file
from multi_llm_comparator.conversion.provenance import Origin, origin_of_checkpoint
from multi_llm_comparator.conversion.report import Progress, ignore, part_of
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError

if TYPE_CHECKING:
    from gguf import GGUFWriter

# The plain types and llama.cpp's numbers of them.
FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}
QUANTIZATIONS = (*FILE_TYPES, *QUANTIZED)


def export_gguf(checkpoint: Path, out: Path, quantization: str = "F16", *, progress: Progress = ignore) -> Path:
    """Write a Llama-, Mistral-, Qwen2- or Qwen3-type checkpoint as one GGUF file, replacing ``out`` in one step.

    Tensors whose rows do not fill the blocks of a quantization get another type, as llama.cpp does it;
    :func:`gguf_quantize.report_of` names them.

    Args:
        checkpoint: directory with config.json, safetensors weights and tokenizer.json.
        out: the file to write; its folder is made if absent.
        quantization: one of :data:`QUANTIZATIONS`.
        progress: told how far it is.

    Returns:
        ``out``.

    Raises:
        InvalidParameterError: an unknown quantization.
        UnsupportedModelError: a kind of model or tokenizer that cannot be exported; what is in the way is named.
        ModelLoadError: files are missing or corrupt, or llama.cpp failed.
        ConversionError: the disk is too small or cannot be written to.
    """
    kind = quantization.upper()
    if kind not in QUANTIZATIONS:
        raise InvalidParameterError(f"quantization must be one of {', '.join(QUANTIZATIONS)}, not {quantization!r}")
    progress("reading", 0.0)
    files = CheckpointFiles(Path(checkpoint))
    architecture = Architecture.from_config(files.config)
    stored = stored_tensors(files.weights)
    check_stored(stored, architecture.tensors(), tied=architecture.tied)
    vocabulary = read_vocabulary(files, architecture.vocab_size)
    plan = TensorPlan(architecture, stored, kind if kind in FILE_TYPES else lossless_type(stored))
    check_disk(out.parent, plan.size_bytes, f"{out.name!r} in {plan.type_name}")
    written, checked = (0.9, 1.0) if kind in FILE_TYPES else (0.2, 0.25)
    with file_beside(out) as plain:
        origin = origin_of_checkpoint(files, lossless_type(stored))
        _write(plain, files, architecture, vocabulary, plan, origin, part_of(progress, 0.0, written))
        progress("checking", written)
        check_tokens(files.folder / "tokenizer.json", plain, vocabulary)
        if kind in FILE_TYPES:
            publish_file(plain, out)
        else:
            with file_beside(out) as quantized:
                quantize_into(plain, quantized, kind, origin, part_of(progress, checked, 1.0))
                publish_file(quantized, out)
    return out


def _write(
    path: Path,
    files: CheckpointFiles,
    architecture: Architecture,
    vocabulary: CheckpointVocabulary,
    plan: TensorPlan,
    origin: Origin,
    progress: Progress,
) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture.arch)
    try:
        _add_general(writer, files, plan)
        for key, value in origin.metadata().items():
            writer.add_string(key, value)
        architecture.add_metadata(writer)
        vocabulary.add_metadata(writer)
        template = chat_template(files)
        if template is not None:
            writer.add_chat_template(template)
        plan.announce(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        plan.write(writer, progress)
    except OSError as exc:
        raise ConversionError(f"{str(path.parent)!r} could not be written: {exc.strerror or exc}") from exc
    finally:
        writer.close()


def _add_general(writer: GGUFWriter, files: CheckpointFiles, plan: TensorPlan) -> None:
    from gguf import size_label

    writer.add_type("model")
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
