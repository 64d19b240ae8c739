"""Tiny checkpoints with random weights and real tokenizers, for the export to GGUF."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

CORPUS = [
    "The quick brown fox jumps over the lazy dog. Don't you think it's they'll've WE'RE 12345 67 + 8 = 75?",
    "  indented code:\n\tdef f(x):\n\t\treturn x ** 2\r\n\r\n  trailing   spaces   \n",
    "你好，世界！今天天气很好。一二三四五，１２３。",
    "Привет мир, naïve café, Ünïcödé, 日本語 한국어, emoji 🙂🎉👩‍👩‍👧‍👦 and <tags> {{braces}} $x_1$.",
] * 4
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
TEMPLATE = (
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def byte_level_tokenizer(split: str | None, *, vocab: int = 420, ignore_merges: bool = False) -> Tokenizer:
    """A byte-level BPE with the given splitting expression, or GPT-2's built-in one."""
    return Tokenizer.from_str(_byte_level(split, vocab, ignore_merges))


@cache
def _byte_level(split: str | None, vocab: int, ignore_merges: bool) -> str:
    tokenizer = Tokenizer(BPE(ignore_merges=ignore_merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    if split is None:
        tokenizer.pre_tokenizer = level
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIALS])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    made: str = tokenizer.to_str()
    return made


def sentencepiece_like_tokenizer() -> Tokenizer:
    """BPE over characters with byte fallback, spaces written as U+2581, every split of a piece a merge (Llama 2)."""
    words = ["▁the", "▁quick", "▁dog", "▁do", "▁and", "in", "ing", "▁i", "▁你好", "世界", "..", "▁▁", "▁▁▁▁", "12"]
    letters = sorted({c for text in CORPUS[:2] for c in text if c.isalnum() and c.isascii()} | set("▁.,你好世界"))
    pieces = {prefix for word in words for prefix in (word[:n] for n in range(2, len(word) + 1))}
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    tokens += [*sorted(pieces, key=lambda p: (len(p), p)), *letters]
    vocab = {text: token_id for token_id, text in enumerate(tokens)}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in sorted(pieces, key=lambda p: vocab[p])
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])]
    )
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<unk>", "<s>", "</s>")])
    return tokenizer


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> int:
    """Save as transformers does; returns the number of tokens."""
    if tokenizer.token_to_id("<s>") is not None:
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    else:
        names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE, **names)
    fast.save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def write_checkpoint(
    folder: Path,
    model_type: str,
    tokenizer: Tokenizer,
    *,
    dtype: torch.dtype = torch.float32,
    shard: str = "5GB",
    extra_rows: int = 5,
    **changes: Any,
) -> Path:
    """A checkpoint of ``model_type`` with random weights; ``changes`` go into its configuration.

    The embedding has ``extra_rows`` more rows than the tokenizer has tokens.
    """
    rows = write_tokenizer(folder, tokenizer) + extra_rows
    end = tokenizer.token_to_id("<|im_end|>") or tokenizer.token_to_id("</s>")
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "max_position_embeddings": 256}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    plain = {"vocab_size": rows, "eos_token_id": end, "bos_token_id": None, "pad_token_id": None}
    config = AutoConfig.for_model(model_type, **(sizes | heads | plain | changes))
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Fresh weights are so small, norms and biases so plain, that a mistake in them would not show.
            weight.copy_(torch.randn_like(weight) * 0.2 + (1.0 if "norm" in name else 0.0))
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    return folder
