"""From one GGUF file to another of fewer bits, by llama.cpp, in a process of its own."""

from __future__ import annotations

import time
from pathlib import Path

from multi_llm_comparator.conversion.gguf_source import GgufSource, gguf_parts
from multi_llm_comparator.conversion.llama_cpp_child import quantize_with_llama_cpp
from multi_llm_comparator.conversion.places import check_disk, file_beside, publish_file
from multi_llm_comparator.conversion.provenance import Origin, origin_of_gguf
from multi_llm_comparator.conversion.report import ConversionReport, Progress, ignore
from multi_llm_comparator.conversion.sizes import size_of_gguf
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError
from multi_llm_comparator.services.scan.gguf_header import block_sizes, read_gguf_header

# llama.cpp's numbers of the quantizations that are offered.
QUANTIZED = {
    "Q4_0": 2,
    "Q4_1": 3,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q8_0": 7,
    "Q4_K_S": 14,
    "Q4_K_M": 15,
    "Q5_K_S": 16,
    "Q5_K_M": 17,
    "Q6_K": 18,
}
# What llama.cpp takes instead of Q4_K, Q5_K and Q6_K for rows that do not fill blocks, F16 where even these do not fit.
_FALLBACKS = ("Q5_0", "Q5_1", "Q8_0", "F16")


def quantize_gguf(gguf: Path, out: Path, quantization: str, *, progress: Progress = ignore) -> ConversionReport:
    """Write a GGUF model of any architecture in another quantization, replacing ``out`` in one step.

    Weights that are quantized already are first made numbers again; what was lost before stays lost, and the file's
    metadata say what it was made from.

    Args:
        gguf: the file; of a split model any part.
        out: the file to write.
        quantization: one of :data:`QUANTIZED`.
        progress: told how far it is.

    Raises:
        InvalidParameterError: an unknown quantization.
        ModelLoadError: the file is damaged or holds no language model, or llama.cpp refuses it.
        ConversionError: ``out`` is the source itself, or the disk is too small.
    """
    kind = quantization.upper()
    if kind not in QUANTIZED:
        raise InvalidParameterError(f"quantization must be one of {', '.join(QUANTIZED)}, not {quantization!r}")
    begun = time.monotonic()
    progress("reading", 0.0)
    source = GgufSource(gguf)
    if out.exists() and any(out.samefile(part) for part in source.parts):
        raise ConversionError(f"{str(out)!r} is the model to convert; give another file to write to")
    check_disk(out.parent, size_of_gguf(gguf, kind), f"{out.name!r} in {kind}")
    with file_beside(out) as quantized:
        quantize_into(source.path, quantized, kind, origin_of_gguf(source), progress)
        publish_file(quantized, out)
    return report_of(out, kind, time.monotonic() - begun)


def quantize_into(source: Path, target: Path, kind: str, origin: Origin, progress: Progress) -> None:
    """Quantize a GGUF file, with progress by the size of its tensors.

    Raises:
        ModelLoadError: llama.cpp refuses or crashes.
    """
    elements: dict[str, int] = {}
    for part in gguf_parts(source):
        elements |= {tensor.name: tensor.elements for tensor in read_gguf_header(part).tensors}
    total = max(1, sum(elements.values()))

    def watch(begun: list[str]) -> None:
        # The last of them is at work.
        progress("quantizing", sum(elements.get(name, 0) for name in begun[:-1]) / total)

    progress("quantizing", 0.0)
    threads = available_cpus()
    quantize_with_llama_cpp(source, target, QUANTIZED[kind], threads, metadata=origin.metadata(), watch=watch)
    progress("quantizing", 1.0)


def report_of(out: Path, target: str, seconds: float) -> ConversionReport:
    """What a GGUF file that was just made holds.

    Raises:
        ModelLoadError: it cannot be read.
    """
    header = read_gguf_header(out)
    types: dict[str, int] = {}
    fallbacks: dict[str, str] = {}
    for tensor in header.tensors:
        name = block_sizes()[tensor.type_id][0]
        types[name] = types.get(name, 0) + 1
        if _is_fallback(name, target, tensor.shape):
            fallbacks[tensor.name] = name
    return ConversionReport(out, target, header.file_size, seconds, types, fallbacks)


def _is_fallback(type_name: str, target: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor has a type that this quantization gives only where rows do not fill blocks.

    That is also where one of 32 wants Q6_K for the matrix that makes the answer.
    """
    if len(shape) < 2 or target not in QUANTIZED or shape[0] % 256 == 0:
        return False
    return type_name in _FALLBACKS and type_name != target
