"""The first model in PyTorch has the tokens that llama.cpp gives its file, text by text."""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import Tokenizer

from multi_llm_comparator.conversion.llama_cpp_child import tokenize_with_llama_cpp
from tests.support.converted import NASTY_TEXTS
from tests.support.first_tokenizer import FILE, needs_first_model, write_first_tokenizer

ROOT = Path(__file__).parents[2]
# English and Chinese prose, code, tables, sums, addresses, all of this project's own.
PLACES = ("*.md", "docs/**/*.md", "multi_llm_comparator/**/*.py", "multi_llm_comparator/**/*.yaml", "tests/material/*")
TEXTS = 1_000
MOST_CHARACTERS = 2_000


def real_texts() -> list[str]:
    """Paragraphs of this repository, chosen once for all."""
    files = sorted(path for pattern in PLACES for path in ROOT.glob(pattern) if path.is_file())
    pieces = {piece for path in files for piece in path.read_text(encoding="utf-8").split("\n\n")}
    return random.Random(1).sample(sorted(piece[:MOST_CHARACTERS] for piece in pieces if piece.strip()), TEXTS)


@needs_first_model
def test_its_tokens_are_those_of_llama_cpp(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(write_first_tokenizer(tmp_path) / "tokenizer.json"))
    texts = [*NASTY_TEXTS, *real_texts()]
    ours = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    theirs = tokenize_with_llama_cpp(FILE, texts)
    assert [text for text, one, other in zip(texts, ours, theirs, strict=True) if one != other] == []
