"""Whether llama.cpp, with the exported vocabulary, tokenises like the tokenizer it came from.

Splitting rules are matched by name before, but names promise little: a table of regular expressions, a merge order
turned into scores. So every export is tried on text before it is kept.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from multi_llm_comparator.conversion.gguf_vocab import NORMAL, CheckpointVocabulary
from multi_llm_comparator.conversion.llama_cpp_child import tokenize_with_llama_cpp
from multi_llm_comparator.core.exceptions import UnsupportedModelError

PROBES = (
    "Hello, world! It's 12345 o'clock; they'll've DON'T we'Re.",
    "  two  spaces,\ttabs\t\tand\n\nblank\r\nlines \n  indented\n",
    "def f(x): return x**2 + 1.50e-3 # ¾ ² ½",
    "中文分词，一二三；你好世界！１２３ 日本語テスト 한국어",
    "emoji 🙂👩‍👩‍👧‍👦🇨🇳 naïve Ünïcödé ĐÀŁ ß",
    "Привет, мир! Γειά σου. שלום مرحبا हिन्दी ไทย",
    'https://example.org/a?b=c&d=%20 <tag attr="x"> {{y}} $\\frac{a}{b}$',
    "camelCase snake_case UPPER lower MiXeD 3.14159 1,000,000 007",
    "...!!!???---***===///\\\\\\ ((())) [[[]]] «»„“”‘’—–…",
)
SAMPLED_TOKENS = 600
TOKENS_PER_PROBE = 6
MAX_ADDED = 64


def check_tokens(tokenizer_json: Path, exported: Path, vocabulary: CheckpointVocabulary) -> None:
    """Compare token ids on probe texts, among them pieces of the vocabulary itself and every kind of added token.

    Raises:
        UnsupportedModelError: they differ; the first text that shows it is named.
    """
    from tokenizers import Tokenizer

    texts = [*PROBES, *_from_vocabulary(vocabulary), *_with_added_tokens(vocabulary)]
    reference = Tokenizer.from_file(str(tokenizer_json))
    wanted = [encoded.ids for encoded in reference.encode_batch(texts, add_special_tokens=False)]
    for text, want, got in zip(texts, wanted, tokenize_with_llama_cpp(exported, texts), strict=True):
        if want != got:
            raise UnsupportedModelError(
                f"llama.cpp would not tokenise like this tokenizer: {text!r} gives {got[:20]}, not {want[:20]}"
            )


def _from_vocabulary(vocabulary: CheckpointVocabulary) -> list[str]:
    """Rare words are where merge orders differ: join an even sample of the vocabulary's own pieces."""
    from tokenizers.decoders import ByteLevel

    pieces = [text for text, kind in zip(vocabulary.tokens, vocabulary.types, strict=True) if kind == NORMAL]
    pieces = pieces[:: max(1, len(pieces) // SAMPLED_TOKENS)]
    if vocabulary.model == "gpt2":
        pieces = [ByteLevel().decode([piece]) for piece in pieces]
    composed = (piece for piece in pieces if "\ufffd" not in piece and unicodedata.is_normalized("NFC", piece))
    whole = [piece.replace("▁", " ") for piece in composed]
    return ["".join(whole[at : at + TOKENS_PER_PROBE]) for at in range(0, len(whole), TOKENS_PER_PROBE)]


def _with_added_tokens(vocabulary: CheckpointVocabulary) -> list[str]:
    # SentencePiece-like tokenizers differ in the space after a special token; llama.cpp knows one way only.
    joined = "a {0} b{0}c{0}{0}" if vocabulary.model == "gpt2" else "{0}"
    return [joined.format(text) for text in vocabulary.added[:MAX_ADDED]]
