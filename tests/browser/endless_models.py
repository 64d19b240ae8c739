"""Models that are real in every way but never end an answer: what happens while one is written can then be watched.

    python endless_models.py DEMO_CHECKPOINT OUT

Random weights in the demo models' architecture and tokenizer. The output rows of everything but plain words are zero,
so that a greedy choice among normally distributed logits never falls on them, nor on the end-of-turn token.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

WIDTH, LAYERS, CONTEXT, MAX_TOKENS = 512, 8, 4096, 1500


def main(demo: Path, out: Path) -> None:
    for number, name in enumerate(("north", "south")):
        checkpoint = build(demo, out / "pytorch" / name, seed=number)
        from multi_llm_comparator.conversion.gguf_export import export_gguf

        export_gguf(checkpoint, out / "gguf" / f"{name}-Q8_0.gguf", "Q8_0")


def build(demo: Path, folder: Path, seed: int) -> Path:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(demo)
    end = json.loads((demo / "config.json").read_text())["eos_token_id"]
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=json.loads((demo / "config.json").read_text())["vocab_size"],
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=WIDTH // 32,
        num_key_value_heads=WIDTH // 32,
        max_position_embeddings=CONTEXT,
        bos_token_id=None,
        eos_token_id=end,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).to(torch.float16)
    words = [tokenizer.decode([i]).strip().isalpha() and tokenizer.decode([i]).isascii() for i in range(len(tokenizer))]
    silent = [i for i in range(config.vocab_size) if i >= len(words) or not words[i] or i == end]
    with torch.no_grad():
        model.lm_head.weight[silent] = 0.0
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    for file in demo.glob("*token*"):
        shutil.copy(file, folder)
    shutil.copy(demo / "chat_template.jinja", folder)
    settings = {"do_sample": False, "eos_token_id": end, "max_new_tokens": MAX_TOKENS}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
