"""How a tokenizer.json splits text before merging, by the name that llama.cpp knows it under.

llama.cpp has its pre-tokenizers built in and picks one by ``tokenizer.ggml.pre``. A byte-level BPE can only be
converted when it splits exactly like one of those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import UnsupportedModelError

# The regular expressions as their authors publish them in tokenizer.json.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
# The same without the inline flag, as llama.cpp itself and some exporters write it.
_SPELLED_OUT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")

_BY_SPLIT = {
    _QWEN2: "qwen2",
    _QWEN2.replace(*_SPELLED_OUT): "qwen2",
    _LLAMA3: "llama-bpe",
    _LLAMA3.replace(*_SPELLED_OUT): "llama-bpe",
}

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_GPT2 = {**_BYTES, "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """``steps`` are applied one after the other, each to the pieces of the one before, as tokenizer.json has them.

    ``ignores_merges``: a piece that is a token as a whole becomes it, whatever the merges would make of it.
    """

    steps: tuple[dict[str, Any], ...]
    ignores_merges: bool = False

    def to_json(self) -> dict[str, Any]:
        if len(self.steps) == 1:
            return self.steps[0]
        return {"type": "Sequence", "pretokenizers": list(self.steps)}


def _split(*regexes: str) -> tuple[dict[str, Any], ...]:
    isolated = {"type": "Split", "behavior": "Isolated", "invert": False}
    return *({**isolated, "pattern": {"Regex": regex}} for regex in regexes), _BYTES


# llama.cpp's names and what each stands for, for those that Llama- and Qwen-type models have.
_BY_NAME: dict[tuple[str, ...], PreTokenizer] = {
    ("gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "olmo", "mpt", "jais", "trillion"): PreTokenizer(
        (_GPT2,)
    ),
    ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"): PreTokenizer(
        (_DIGITS, _GPT2)
    ),
    ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "midm-2.0"): PreTokenizer(_split(_LLAMA3), True),
    ("dbrx", "smaug-bpe"): PreTokenizer(_split(_LLAMA3)),
    ("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2"): PreTokenizer(_split(_QWEN2)),
    ("qwen35",): PreTokenizer(_split(_QWEN35)),
    ("tekken",): PreTokenizer(_split(_TEKKEN), True),
    ("deepseek-coder",): PreTokenizer(_split(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}")),
}


def pre_tokenizer(name: str) -> PreTokenizer:
    """What ``tokenizer.ggml.pre`` = ``name`` stands for.

    Raises:
        UnsupportedModelError: it is not known here.
    """
    for names, found in _BY_NAME.items():
        if name in names:
            return found
    known = ", ".join(sorted(one for names in _BY_NAME for one in names))
    raise UnsupportedModelError(f"the pre-tokenizer {name!r} is not known here; known are {known}")


def pre_tokenizer_name(tokenizer: dict[str, Any]) -> str:
    """The value of ``tokenizer.ggml.pre`` for a byte-level BPE.

    Args:
        tokenizer: the content of tokenizer.json.

    Raises:
        UnsupportedModelError: it normalises or splits text in a way that llama.cpp has no name for.
    """
    _check_normalizer(tokenizer.get("normalizer"))
    steps = [_step(step) for step in _flatten(tokenizer.get("pre_tokenizer"), "pretokenizers")]
    match steps:
        case ["ByteLevel with regex"]:
            return "gpt-2"
        case ["Digits", "ByteLevel with regex"]:
            return "smollm"
        case [regex, "ByteLevel"] if regex in _BY_SPLIT:
            name = _BY_SPLIT[regex]
            # Llama 3 takes a whole word from the vocabulary before it tries merges; dbrx splits alike and does not.
            ignores_merges = bool((tokenizer.get("model") or {}).get("ignore_merges", False))
            return "dbrx" if name == "llama-bpe" and not ignores_merges else name
    raise UnsupportedModelError(
        f"llama.cpp has no pre-tokenizer that splits text like this one: {' then '.join(steps) or 'nothing'!r}; "
        "known are those of GPT-2, SmolLM, Llama 3 and Qwen 2"
    )


def _check_normalizer(normalizer: Any) -> None:
    kinds = [step.get("type") for step in _flatten(normalizer, "normalizers")]
    # llama.cpp does not compose characters (NFC). Nearly all text is composed already; Qwen's own files live with it.
    if any(kind != "NFC" for kind in kinds):
        raise UnsupportedModelError(
            f"llama.cpp has no counterpart for the normalizer {kinds!r} of a byte-level tokenizer"
        )


def _flatten(step: Any, inner: str) -> list[dict[str, Any]]:
    if step is None:
        return []
    if not isinstance(step, dict):
        raise UnsupportedModelError(f"tokenizer.json has {type(step).__name__} where a step with a type belongs")
    if step.get("type") == "Sequence":
        return [inside for part in step.get(inner) or [] for inside in _flatten(part, inner)]
    return [step]


def _step(step: dict[str, Any]) -> str:
    """A step in one word, or the regular expression for a split that keeps its matches."""
    match step:
        case {"type": "ByteLevel"} if step.get("add_prefix_space"):
            return "ByteLevel with a space in front"
        case {"type": "ByteLevel"}:
            return "ByteLevel with regex" if step.get("use_regex", True) else "ByteLevel"
        case {"type": "Digits", "individual_digits": True}:
            return "Digits"
        case {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated"} if not step.get("invert"):
            return regex
    return str(step.get("type"))
