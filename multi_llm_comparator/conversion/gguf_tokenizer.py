"""The vocabulary of a GGUF file as tokenizer.json, so that it gives the tokens that llama.cpp gives."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.conversion.gguf_pretokenizer import pre_tokenizer
from multi_llm_comparator.conversion.gguf_source import GgufSource
from multi_llm_comparator.conversion.gguf_vocab import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    CheckpointVocabulary,
)
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.services.scan.fields import text, whole

SPACE = "▁"
# llama.cpp's bits of what a token is, the most telling first.
_KINDS = ((8, CONTROL), (16, USER_DEFINED), (1, UNKNOWN), (32, BYTE), (2, UNUSED))
_STRIPS = {"lstrip": 128, "rstrip": 256}
_SPECIAL_KEYS = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding", "eot": "eot", "eom": "eom"}


def gguf_vocabulary(source: GgufSource, known: dict[str, Any]) -> CheckpointVocabulary:
    """The vocabulary of a GGUF file.

    Args:
        source: the file.
        known: what llama.cpp makes of it (:func:`llama_cpp_child.vocabulary_of`); it corrects some files silently.

    Raises:
        ModelLoadError: parts of it are missing or do not fit together.
        UnsupportedModelError: a kind of tokenizer, or of splitting, that is not known here.
    """
    metadata = source.metadata
    model = text(metadata, "tokenizer.ggml.model")
    if model not in ("gpt2", "llama"):
        raise UnsupportedModelError(f"the tokenizer type {model!r} cannot be converted; only 'gpt2' and 'llama' can")
    tokens = _texts(metadata, "tokens")
    if len(known["attributes"]) != len(tokens):
        raise ModelLoadError(f"llama.cpp reads {len(known['attributes'])} tokens, but the file lists {len(tokens)}")
    scores = metadata.get("tokenizer.ggml.scores") if model == "llama" else []
    if model == "llama" and (not isinstance(scores, list) or len(scores) != len(tokens)):
        raise ModelLoadError("the file has no score for each token; convert the model again")
    return CheckpointVocabulary(
        model=model,
        pre=text(metadata, "tokenizer.ggml.pre") or "default",
        tokens=tokens,
        types=[next((kind for bit, kind in _KINDS if bits & bit), NORMAL) for bits in known["attributes"]],
        merges=_texts(metadata, "merges") if model == "gpt2" else [],
        scores=list(scores or []),
        add_bos=known["add_bos"],
        add_eos=known["add_eos"],
        space_prefix=model == "llama" and metadata.get("tokenizer.ggml.add_space_prefix") is not False,
        special_ids=_special_ids(metadata, known, len(tokens)),
    )


def tokenizer_json(vocabulary: CheckpointVocabulary, known: dict[str, Any]) -> dict[str, Any]:
    """The content of tokenizer.json.

    Raises:
        UnsupportedModelError: llama.cpp splits text for this vocabulary in a way that is not known here.
    """
    is_bpe = vocabulary.model == "gpt2"
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(vocabulary, known["attributes"]),
        "normalizer": None if is_bpe else _spaces_marked(vocabulary.space_prefix),
        "pre_tokenizer": pre_tokenizer(vocabulary.pre).to_json() if is_bpe else None,
        "post_processor": _around(vocabulary),
        "decoder": _bytes_decoded() if is_bpe else _spaces_restored(vocabulary.space_prefix),
        "model": _byte_level(vocabulary) if is_bpe else _sentencepiece(vocabulary),
    }


def tokenizer_config(vocabulary: CheckpointVocabulary, context_length: int) -> dict[str, Any]:
    """The content of tokenizer_config.json. The class is the one that takes tokenizer.json as it stands."""
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": vocabulary.add_bos,
        "add_eos_token": vocabulary.add_eos,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_length,
    }
    for name in ("bos", "eos", "unk", "pad"):
        if name in vocabulary.special_ids:
            config[f"{name}_token"] = vocabulary.tokens[vocabulary.special_ids[name]]
    return config


def _texts(metadata: dict[str, Any], name: str) -> list[str]:
    found = metadata.get(f"tokenizer.ggml.{name}")
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise ModelLoadError(f"the file has no list 'tokenizer.ggml.{name}'; convert the model again")
    return found


def _special_ids(metadata: dict[str, Any], known: dict[str, Any], count: int) -> dict[str, int]:
    """Ids by our names. A file without one may mean the usual; llama.cpp knows. Absurd ids stand for none."""
    found: dict[str, int] = {}
    for name, key in _SPECIAL_KEYS.items():
        token = whole(metadata, f"tokenizer.ggml.{key}_token_id")
        token = known.get(name, -1) if token is None else token
        if 0 <= token < count:
            found[name] = token
    return found


def _is_filler(token_id: int, token: str, kind: int) -> bool:
    """Whether it only names a row of the embedding that no token uses."""
    return kind == UNUSED and token == f"[PAD{token_id}]"


def _vocab(vocabulary: CheckpointVocabulary) -> dict[str, int]:
    numbered = enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True))
    return {token: i for i, (token, kind) in numbered if not _is_filler(i, token, kind)}


def _added(vocabulary: CheckpointVocabulary, attributes: list[int]) -> list[dict[str, Any]]:
    """Tokens that are matched whole before any splitting."""
    return [
        {
            "id": i,
            "content": token,
            "single_word": False,
            **{name: bool(attributes[i] & bit) for name, bit in _STRIPS.items()},
            "normalized": False,
            "special": kind != USER_DEFINED,
        }
        for i, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True))
        if kind in (CONTROL, USER_DEFINED, UNKNOWN) and token
    ]


def _byte_level(vocabulary: CheckpointVocabulary) -> dict[str, Any]:
    return {
        **_bpe(_vocab(vocabulary), [merge.split(" ", 1) for merge in vocabulary.merges]),
        "ignore_merges": pre_tokenizer(vocabulary.pre).ignores_merges,
    }


def _sentencepiece(vocabulary: CheckpointVocabulary) -> dict[str, Any]:
    """llama.cpp joins whichever two neighbours make the token of the highest score: so each way to make a token is a
    merge, and they stand in the order of scores."""
    vocab = _vocab(vocabulary)
    if vocabulary.types.count(BYTE) < 256:
        raise UnsupportedModelError(
            f"the vocabulary has only {vocabulary.types.count(BYTE)} of the 256 byte tokens that unknown characters "
            "are written with"
        )
    numbered = sorted(range(len(vocabulary.tokens)), key=lambda i: -vocabulary.scores[i])
    merges = []
    for token in (vocabulary.tokens[i] for i in numbered if vocabulary.types[i] in (NORMAL, USER_DEFINED)):
        splits = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        merges += [[left, right] for left, right in splits if left in vocab and right in vocab]
    unknown = vocabulary.special_ids.get("unk")
    return {
        **_bpe(vocab, merges),
        "unk_token": None if unknown is None else vocabulary.tokens[unknown],
        "fuse_unk": True,
        "byte_fallback": True,
    }


def _bpe(vocab: dict[str, int], merges: list[list[str]]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    }


def _around(vocabulary: CheckpointVocabulary) -> dict[str, Any] | None:
    """What is put before and after a text."""
    ids = vocabulary.special_ids
    wanted = (("bos", vocabulary.add_bos), ("eos", vocabulary.add_eos))
    before, after = (
        [{"SpecialToken": {"id": vocabulary.tokens[ids[name]], "type_id": 0}}] if on and name in ids else []
        for name, on in wanted
    )
    if not before and not after:
        return None
    tokens = {vocabulary.tokens[ids[name]]: ids[name] for name, on in wanted if on and name in ids}
    first, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [*before, first, *after],
        "pair": [*before, first, *after, *before, second, *after],
        "special_tokens": {token: {"id": token, "ids": [i], "tokens": [token]} for token, i in tokens.items()},
    }


def _bytes_decoded() -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


def _spaces_marked(prefix: bool) -> dict[str, Any]:
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    steps = [{"type": "Prepend", "prepend": SPACE}, replaced] if prefix else [replaced]
    return {"type": "Sequence", "normalizers": steps}


def _spaces_restored(prefix: bool) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if prefix:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}
