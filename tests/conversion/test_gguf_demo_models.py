"""The demo models answer alike as checkpoint and as GGUF file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.bare_llama import BareLlama
from demo.answering import MAX_ANSWER_TOKENS, answer_all
from demo.world import generate
from multi_llm_comparator.conversion.gguf_export import export_gguf

PYTORCH = Path(__file__).parents[2] / "models" / "pytorch"
PROMPTS = 100


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small are fastest so, and do not wait for each other when tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["demo-small", "demo-large"])
def test_greedy_answers_agree_on_95_of_100_prompts(tmp_path: Path, name: str) -> None:
    checkpoint = PYTORCH / name
    prompts = [item.prompt for item in generate(11, PROMPTS, "heldout")]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    wanted = answer_all(model, Tokenizer.from_file(str(checkpoint / "tokenizer.json")), prompts)
    got = []
    with BareLlama(export_gguf(checkpoint, tmp_path / "twin.gguf", "F16")) as twin:
        for prompt in prompts:
            chat = [{"role": "user", "content": prompt}]
            text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            ids, _ = twin.greedy(twin.tokenize(text), MAX_ANSWER_TOKENS)
            got.append(tokenizer.decode(ids))
    differing = [(p, w, g) for p, w, g in zip(prompts, wanted, got, strict=True) if w != g]
    assert len(differing) <= PROMPTS * 0.05, differing[:3]
