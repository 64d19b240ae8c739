"""Models to measure with: the size of real small ones, random weights, a real tokenizer. Built once, then reused.

    python -m benchmarks.bench_models

They lie in ``models/bench``, arranged like any models folder, and are not part of the repository. What they say means
nothing; how fast they say it does not depend on that. No token of theirs ends an answer, so every answer has the length
that was asked for.
"""

from __future__ import annotations

import shutil
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from multi_llm_comparator.core.settings import get_settings

QUANTIZATIONS = ("Q4_0", "Q8_0")
LAYERS = {"bench-200m": 12, "bench-130m": 6}
VOCABULARY = 32_000
CORPUS_BYTES = 8_000_000
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)


@dataclass(frozen=True)
class BenchModel:
    """A checkpoint and its GGUF twins by quantization."""

    checkpoint: Path
    twins: dict[str, Path]


def bench_models(home: Path | None = None) -> dict[str, BenchModel]:
    """The models by name, built where missing: about 20 s and 1.2 GB the first time.

    Args:
        home: a models folder of their own; default ``bench`` in the workbench's.
    """
    home = home or get_settings().models_dir / "bench"
    return {name: bench_model(name, home) for name in LAYERS}


def bench_model(name: str, home: Path | None = None) -> BenchModel:
    """One of :data:`LAYERS`, built where missing."""
    home = home or get_settings().models_dir / "bench"
    checkpoint = home / "pytorch" / name
    if not (checkpoint / "config.json").exists():
        print(f"building {checkpoint}", flush=True)
        _build(checkpoint, LAYERS[name])
    twins = {quantization: home / "gguf" / f"{name}-{quantization}.gguf" for quantization in QUANTIZATIONS}
    missing = {q: path for q, path in twins.items() if not path.exists()}
    # Hashing half a gigabyte takes a second: only what is there but may be of an older export is worth it.
    if len(missing) < len(twins):
        current = source_fingerprint(checkpoint)
        missing |= {q: path for q, path in twins.items() if path.exists() and converted_from(path) != current}
    for quantization, path in missing.items():
        print(f"building {path}", flush=True)
        export_gguf(checkpoint, path, quantization)
    return BenchModel(checkpoint, twins)


def _build(checkpoint: Path, layers: int) -> None:
    """Write the checkpoint beside its place and move it there whole."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=".building-") as scratch:
        folder = Path(scratch) / checkpoint.name
        _write_tokenizer(folder)
        _write_weights(folder, layers)
        shutil.rmtree(checkpoint, ignore_errors=True)
        folder.replace(checkpoint)


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = VOCABULARY - len(SPECIALS)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIALS])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    fast.save_pretrained(folder)


def _corpus() -> Iterator[str]:
    """Text that every machine has: Python's own library."""
    read = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py")):
        if "site-packages" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        read += len(text)
        yield text
        if read > CORPUS_BYTES:
            return


def _write_weights(folder: Path, layers: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        # A row of zeros scores 0, less than the best of 32,000 random ones: these are never chosen.
        model.lm_head.weight[len(tokenizer) - len(SPECIALS) :] = 0.0
    model.to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    for built in bench_models().values():
        print(built.checkpoint, *built.twins.values(), sep="\n")
