"""The tokenizer of the first model as its conversion makes it, without the weights, which would take half a minute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.conversion.gguf_config import checkpoint_config, generation_config
from multi_llm_comparator.conversion.gguf_source import GgufSource
from multi_llm_comparator.conversion.gguf_tokenizer import gguf_vocabulary, tokenizer_config, tokenizer_json
from multi_llm_comparator.conversion.llama_cpp_child import vocabulary_of
from multi_llm_comparator.services.first_model import FIRST_MODEL

FILE = FIRST_MODEL.path(Path(__file__).parents[2] / "models")
needs_first_model = pytest.mark.skipif(not FILE.exists(), reason="the first model could not be fetched here")


def write_first_tokenizer(folder: Path) -> Path:
    """A checkpoint folder of the first model that lacks its weights."""
    source = GgufSource(FILE)
    known = vocabulary_of(source.path)
    vocabulary = gguf_vocabulary(source, known)
    config = checkpoint_config(source, vocabulary, known["ends"], "bfloat16")
    files = {
        "config.json": {name: value for name, value in config.items() if value is not None},
        "generation_config.json": generation_config(source, vocabulary, known["ends"]),
        "tokenizer.json": tokenizer_json(vocabulary, known),
        "tokenizer_config.json": tokenizer_config(vocabulary, config["max_position_embeddings"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(source.metadata["tokenizer.chat_template"], encoding="utf-8")
    return folder
