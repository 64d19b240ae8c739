"""The vocabulary of a tokenizer.json as GGUF metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_pretokenizer import pre_tokenizer_name
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError

if TYPE_CHECKING:
    from gguf import GGUFWriter

MAX_TOKENS = 4_000_000
# Token types as llama.cpp numbers them.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
# A token that no merge makes must never win against one that a merge makes.
UNREACHABLE_SCORE = -1e9


@dataclass
class CheckpointVocabulary:
    """``model`` is "gpt2" (byte-level BPE with ``merges``) or "llama" (SentencePiece with ``scores``). Lists by id."""

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    scores: list[float]
    add_bos: bool
    add_eos: bool
    space_prefix: bool
    special_ids: dict[str, int]

    @property
    def added(self) -> list[str]:
        """Texts of the tokens that are matched whole, before any splitting."""
        return [text for text, kind in zip(self.tokens, self.types, strict=True) if kind in (CONTROL, USER_DEFINED)]

    def add_metadata(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.model == "llama":
            writer.add_token_scores(self.scores)
            writer.add_add_space_prefix(self.space_prefix)
        else:
            writer.add_token_merges(self.merges)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)
        for name, token in self.special_ids.items():
            getattr(writer, f"add_{name}_token_id")(token)


def read_vocabulary(files: CheckpointFiles, size: int) -> CheckpointVocabulary:
    """Translate the tokenizer of a checkpoint whose embedding has ``size`` rows.

    Raises:
        ModelLoadError: there is no readable tokenizer.json.
        UnsupportedModelError: llama.cpp cannot tokenise like it; the reason is named.
    """
    tokenizer = files.tokenizer
    _check_readable(files.folder / "tokenizer.json")
    model = tokenizer["model"]
    texts, added = _model_vocab(model), _added_tokens(tokenizer)
    _check_bpe(model)
    byte_fallback = bool(model.get("byte_fallback", False))
    tokens, types = _token_list(texts, added, size)
    merges = _merges(model, spaces_allowed=byte_fallback)
    scores: list[float] = []
    if byte_fallback:
        _mark_sentencepiece(tokens, types, str(model.get("unk_token") or ""))
        scores = _scores(tokens, merges)
    add_bos, add_eos = _added_around(files, tokens, default_bos=byte_fallback)
    return CheckpointVocabulary(
        model="llama" if byte_fallback else "gpt2",
        pre="default" if byte_fallback else pre_tokenizer_name(tokenizer),
        tokens=tokens,
        types=types,
        merges=[f"{left} {right}" for left, right in merges],
        scores=scores,
        add_bos=add_bos,
        add_eos=add_eos,
        space_prefix=byte_fallback and _space_prefix(tokenizer),
        special_ids=_special_ids(files, texts | {entry["content"]: i for i, entry in added.items()}),
    )


def _check_readable(path: Path) -> None:
    """Let the library that defines the format read it, so that every part has its documented shape afterwards.

    Raises:
        ModelLoadError: it does not.
    """
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_file(str(path))
    except Exception as exc:  # The library raises nothing narrower.
        raise ModelLoadError(f"{str(path)!r} is not a tokenizer that the tokenizers library reads: {exc}") from exc


def _check_bpe(model: dict[str, Any]) -> None:
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise UnsupportedModelError(f"tokenizer type {model.get('type')!r} cannot be exported to GGUF; only 'BPE' can")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise UnsupportedModelError(f"a BPE tokenizer with {name} = {model[name]!r} cannot be exported to GGUF")


def _model_vocab(model: dict[str, Any]) -> dict[str, int]:
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not all(isinstance(i, int) and 0 <= i < MAX_TOKENS for i in vocab.values()):
        raise UnsupportedModelError("tokenizer.json has no vocabulary that maps texts to token ids; only BPE has")
    return vocab


def _added_tokens(tokenizer: dict[str, Any]) -> dict[int, dict[str, Any]]:
    entries = tokenizer.get("added_tokens") or []
    for entry in entries:
        known = isinstance(entry, dict) and isinstance(entry.get("content"), str) and isinstance(entry.get("id"), int)
        if not known or not 0 <= entry["id"] < MAX_TOKENS:
            raise UnsupportedModelError(f"added token {str(entry)[:80]!r} has no content and id")
    return {entry["id"]: entry for entry in entries}


def _token_list(texts: dict[str, int], added: dict[int, dict[str, Any]], size: int) -> tuple[list[str], list[int]]:
    """Texts and types by id; rows of the embedding that no token uses get a text of their own."""
    highest = max([*texts.values(), *added], default=-1)
    if highest >= size:
        raise UnsupportedModelError(f"the tokenizer has token id {highest}, but the embedding only {size} rows")
    by_id = {token_id: text for text, token_id in texts.items()}
    tokens, types = [], []
    for token_id in range(size):
        if token_id in added:
            tokens.append(added[token_id]["content"])
            types.append(CONTROL if added[token_id].get("special") else USER_DEFINED)
        elif token_id in by_id:
            tokens.append(by_id[token_id])
            types.append(NORMAL)
        else:
            tokens.append(f"[PAD{token_id}]")
            types.append(UNUSED)
    return tokens, types


def _merges(model: dict[str, Any], *, spaces_allowed: bool) -> list[tuple[str, str]]:
    """Merges in order; tokenizer.json has them as "a b" or, since tokenizers 0.20, as ["a", "b"]."""
    pairs = []
    for merge in model["merges"]:
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if len(parts) != 2 or not all(isinstance(part, str) and part for part in parts):
            raise UnsupportedModelError(f"merge {merge!r} in tokenizer.json does not have two parts")
        if not spaces_allowed and any(" " in part for part in parts):
            raise UnsupportedModelError(f"merge {merge!r} has a space in it, which a GGUF file cannot hold")
        pairs.append((parts[0], parts[1]))
    return pairs


def _mark_sentencepiece(tokens: list[str], types: list[int], unknown: str) -> None:
    for token_id, text in enumerate(tokens):
        if text == unknown:
            types[token_id] = UNKNOWN
        elif types[token_id] != UNUSED and len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            types[token_id] = BYTE
    if types.count(BYTE) < 256:
        raise UnsupportedModelError(
            f"the tokenizer falls back to bytes but has only {types.count(BYTE)} of 256 byte tokens"
        )


def _scores(tokens: list[str], merges: list[tuple[str, str]]) -> list[float]:
    """llama.cpp merges the pair whose result scores highest, so an earlier merge gives its result a higher score."""
    rank: dict[str, int] = {}
    for place, (left, right) in enumerate(merges):
        rank.setdefault(left + right, place)
    return [-1.0 - rank[text] if text in rank else UNREACHABLE_SCORE for text in tokens]


def _space_prefix(tokenizer: dict[str, Any]) -> bool:
    """Whether text begins with an invisible space, and whether spaces become U+2581 at all."""
    normalizer = tokenizer.get("normalizer") or {}
    steps = normalizer.get("normalizers") or ([normalizer] if normalizer else [])
    splitter = tokenizer.get("pre_tokenizer") or {}
    replaces = any(s.get("type") == "Replace" and s.get("content") == "▁" for s in steps)
    known = all(s.get("type") in ("Replace", "Prepend") for s in steps)
    if splitter.get("type") == "Metaspace" and splitter.get("replacement", "▁") == "▁" and not splitter.get("split"):
        return known and splitter.get("prepend_scheme", "always") != "never"
    if replaces and known and not splitter:
        return any(s.get("type") == "Prepend" for s in steps)
    raise UnsupportedModelError(
        "a tokenizer with byte fallback can be exported to GGUF only when it writes spaces as '▁' and does not split "
        f"text otherwise; this one has normalizer {normalizer.get('type')!r} and pre-tokenizer {splitter.get('type')!r}"
    )


def _added_around(files: CheckpointFiles, tokens: list[str], *, default_bos: bool) -> tuple[bool, bool]:
    """Whether the tokenizer puts a token before and after a text, from its post-processor or its configuration."""
    processor = files.tokenizer.get("post_processor") or {}
    steps = processor.get("processors") or [processor]
    for step in steps:
        if step.get("type") == "TemplateProcessing":
            single = step.get("single") or []
            where = next((i for i, part in enumerate(single) if "Sequence" in part), 0)
            return where > 0, where < len(single) - 1
    config = files.tokenizer_config
    default = default_bos and not processor.get("type")
    return bool(config.get("add_bos_token", default)), bool(config.get("add_eos_token", False))


def _special_ids(files: CheckpointFiles, ids: dict[str, int]) -> dict[str, int]:
    """bos, eos, unk, pad as the tokenizer names them; further ids that end an answer become eot and eom."""
    found: dict[str, int] = {}
    for name in ("bos", "eos", "unk", "pad"):
        named = files.tokenizer_config.get(f"{name}_token")
        text = named.get("content") if isinstance(named, dict) else named
        if isinstance(text, str) and text in ids:
            found[name] = ids[text]
        elif isinstance(files.config.get(f"{name}_token_id"), int):
            found[name] = files.config[f"{name}_token_id"]
    ends = _ends(files.generation_config) or _ends(files.config)
    if ends and found.get("eos") not in ends:
        found["eos"] = ends[0]
    if "eos" not in found:
        raise UnsupportedModelError("neither tokenizer nor configuration name a token that ends an answer (eos_token)")
    for name, token in zip(("eot", "eom"), [e for e in ends if e != found["eos"]], strict=False):
        found[name] = token
    return found


def _ends(config: dict[str, Any]) -> list[int]:
    value = config.get("eos_token_id")
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int)]
