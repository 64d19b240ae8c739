"""The README of a converted checkpoint: what it was made from, and what that means for it."""

from __future__ import annotations

import re
from pathlib import Path

from multi_llm_comparator.conversion.provenance import Origin
from multi_llm_comparator.services.scan.gguf_header import block_sizes
from multi_llm_comparator.services.scan.origin import NOTES_FILE

_MANTISSA = {"bfloat16": 8, "float16": 11, "float32": 24}
_PLAIN = ("F32", "F16", "BF16")


def write_card(folder: Path, origin: Origin, licence: str | None, dtype: str, types: dict[str, int]) -> None:
    """Write ``README.md``. Scans and exports read the licence from its front matter.

    Args:
        folder: the checkpoint.
        origin: what it was made from.
        licence: as the source names it; anything that is not a plain word is left out.
        dtype: the number type of the weights.
        types: how many tensors the source held of which type.
    """
    named = licence if licence and re.fullmatch(r"[\w.+-]{1,64}", licence) else None
    front = f"---\nlicense: {named}\n---\n" if named else ""
    counted = ", ".join(f"{count} {name}" for name, count in sorted(types.items(), key=lambda one: -one[1]))
    (folder / "README.md").write_text(
        f"{front}# Converted from {origin.name!a}\n\n"
        f"Made from the GGUF file {origin.name!a} by the Multi-LLM Comparator, not from the original checkpoint.\n\n"
        f"{_meaning(types)} The number type here is {dtype}; {_rounding(dtype, types)}\n\n"
        f"- tensors in the source: {counted}\n"
        f"- types the weights went through: {origin.through}\n"
        f"- source, SHA-256: {origin.source.partition(':')[2]}\n"
        f"- the same for programs: `{NOTES_FILE}`\n\n"
        "The tokenizer gives the tokens that llama.cpp gives for the source; this was checked when it was made.\n",
        encoding="utf-8",
    )


def _meaning(types: dict[str, int]) -> str:
    quantized = {name: count for name, count in types.items() if name not in _PLAIN}
    if not quantized:
        return "The source was not quantized, so no precision was lost before."
    name = max(quantized, key=lambda one: quantized[one])
    return (
        f"The source was quantized: most weights hold what {name} kept of them, about {_bits(name):g} bits each, and "
        "more bits here do not bring back what was lost."
    )


def _bits(name: str) -> float:
    """Bits per weight of a type, its scales included."""
    per_block, size = next((n, size) for found, n, size in block_sizes().values() if found == name)
    return round(size * 8 / per_block, 1)


def _rounding(dtype: str, types: dict[str, int]) -> str:
    if dtype == "float32" or (set(types) <= {"F32", "BF16"} and dtype == "bfloat16" and "F32" not in types):
        return "every value of the source is held exactly."
    return f"values are rounded to its {_MANTISSA[dtype]} significant bits."
