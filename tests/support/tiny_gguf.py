"""Tiny GGUF models, written in milliseconds: random ones, and ones that say a given thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

LAYERS, HEADS, WIDTH, HIDDEN = 2, 4, 64, 96
UNKNOWN, BOS, EOS = 0, 1, 2
_FIRST_BYTE = 3
SPECIAL = ("<|im_start|>", "<|im_end|>")
IM_START, IM_END = _FIRST_BYTE + 256, _FIRST_BYTE + 257
LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?\n"
_WORDS = ("▁", "▁hello", "▁world", "▁one", "▁two", "▁three", "世", "界", *LETTERS)
_FIRST_WORD = IM_END + 1
VOCABULARY_SIZE = _FIRST_WORD + len(_WORDS)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def word(text: str) -> int:
    """The id of a word of the vocabulary."""
    return _FIRST_WORD + _WORDS.index(text)


def byte_tokens(text: str) -> list[int]:
    """The tokens of a text's UTF-8 bytes."""
    return [_FIRST_BYTE + byte for byte in text.encode()]


def write_random(path: Path, *, chat_template: str | None = CHATML, seed: int = 0, n_ctx_train: int = 512) -> Path:
    """A Llama of random weights, whose next token depends on all before it. It says nothing but :data:`LETTERS`."""
    random = np.random.default_rng(seed)
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in _shapes(WIDTH).items()}
    # The first dimension is the same for every token, and no layer changes it: with it, the output matrix can say no.
    weights["token_embd.weight"][:, 0] = 1.0
    for i in range(LAYERS):
        weights[f"blk.{i}.attn_output.weight"][0] = weights[f"blk.{i}.ffn_down.weight"][0] = 0.0
    letters = [word(letter) for letter in LETTERS]
    said = weights["output.weight"][letters]
    weights["output.weight"][:] = 0.0
    weights["output.weight"][:, 0] = -100.0
    weights["output.weight"][letters] = said
    return _write(path, weights, WIDTH, chat_template, n_ctx_train)


def write_vocabulary(path: Path, architecture: str = "llama") -> Path:
    """A file of metadata and vocabulary without any tensor, as llama.cpp's tests of tokenizers have them."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(path.stem)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-12)
    writer.add_token_type_count(2)
    _add_vocabulary(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_chain(path: Path, successor: Mapping[int, int], *, chat_template: str | None = CHATML) -> Path:
    """A model whose next token depends on the last one only: ``successor[token]``, else the end of the text.

    Attention and feed-forward write zeros, embeddings are one-hot and the output matrix is the table.
    """
    width = -(-VOCABULARY_SIZE // 32) * 32
    weights = {name: np.zeros(shape, np.float32) for name, shape in _shapes(width).items()}
    weights["token_embd.weight"] = np.eye(VOCABULARY_SIZE, width, dtype=np.float32)
    for token in range(VOCABULARY_SIZE):
        weights["output.weight"][successor.get(token, EOS), token] = 1.0
    return _write(path, weights, width, chat_template, 512)


def chain(tokens: Sequence[int]) -> dict[int, int]:
    """Successors that make a model say ``tokens`` (each at most once) after a prompt that ends in the first."""
    assert len(set(tokens)) == len(tokens), "a chain cannot say a token twice"
    return dict(pairwise(tokens))


def _shapes(width: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (VOCABULARY_SIZE, width),
        "output.weight": (VOCABULARY_SIZE, width),
    }
    for i in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{i}.{name}.weight"] = (width, width)
        shapes[f"blk.{i}.ffn_gate.weight"] = shapes[f"blk.{i}.ffn_up.weight"] = (HIDDEN, width)
        shapes[f"blk.{i}.ffn_down.weight"] = (width, HIDDEN)
    return shapes


def _write(
    path: Path, weights: Mapping[str, np.ndarray], width: int, chat_template: str | None, n_ctx_train: int
) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(n_ctx_train)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // HEADS)
    _add_vocabulary(writer)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    norms = [f"blk.{i}.{name}.weight" for i in range(LAYERS) for name in ("attn_norm", "ffn_norm")]
    for name in [*norms, "output_norm.weight"]:
        writer.add_tensor(name, np.ones(width, np.float32))
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    kind = gguf.TokenType
    entries = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    entries += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    entries += [(text, kind.CONTROL) for text in SPECIAL]
    entries += [(text, kind.NORMAL) for text in _WORDS]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in entries])
    writer.add_token_scores([float(len(text)) if entry is kind.NORMAL else 0.0 for text, entry in entries])
    writer.add_token_types([entry for _, entry in entries])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_add_bos_token(True)
