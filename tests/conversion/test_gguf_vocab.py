"""Reading tokenizers: the two formats of merges, special ids, and what llama.cpp would not tokenise alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from jinja2 import Environment
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.conversion.gguf_export import chat_template, export_gguf
from multi_llm_comparator.conversion.gguf_pretokenizer import pre_tokenizer_name
from multi_llm_comparator.conversion.gguf_vocab import (
    BYTE,
    CONTROL,
    UNUSED,
    USER_DEFINED,
    CheckpointVocabulary,
    read_vocabulary,
)
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from tests.support.export_checkpoints import (
    CORPUS,
    LLAMA3_SPLIT,
    QWEN2_SPLIT,
    byte_level_tokenizer,
    sentencepiece_like_tokenizer,
    write_checkpoint,
    write_tokenizer,
)

ROWS = 500


def read(
    folder: Path, tokenizer: Tokenizer, change: Callable[[dict[str, Any]], object] | None = None
) -> CheckpointVocabulary:
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder, tokenizer)
    (folder / "config.json").write_text("{}")
    if change:
        data = json.loads((folder / "tokenizer.json").read_text())
        change(data)
        (folder / "tokenizer.json").write_text(json.dumps(data))
    return read_vocabulary(CheckpointFiles(folder), ROWS)


def test_merges_as_strings_and_as_pairs_are_the_same(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)

    def to_strings(data: dict[str, Any]) -> None:
        assert isinstance(data["model"]["merges"][0], list)
        data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]

    assert read(tmp_path, tokenizer) == read(tmp_path, tokenizer, to_strings)


def test_token_types_tell_special_added_and_unused_ones_apart(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    vocabulary = read(tmp_path, tokenizer)
    kinds = dict(zip(vocabulary.tokens, vocabulary.types, strict=True))
    assert (kinds["<|im_end|>"], kinds["<tool>"], kinds[f"[PAD{ROWS - 1}]"]) == (CONTROL, USER_DEFINED, UNUSED)
    assert len(vocabulary.tokens) == ROWS
    assert vocabulary.added == ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>"]


def test_a_sentencepiece_like_vocabulary_has_bytes_scores_and_a_beginning(tmp_path: Path) -> None:
    vocabulary = read(tmp_path, sentencepiece_like_tokenizer())
    assert (vocabulary.model, vocabulary.types.count(BYTE)) == ("llama", 256)
    assert (vocabulary.add_bos, vocabulary.add_eos, vocabulary.space_prefix) == (True, False, True)
    assert vocabulary.special_ids == {"bos": 1, "eos": 2, "unk": 0}
    assert len(vocabulary.scores) == ROWS


def test_every_token_that_ends_an_answer_is_written(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    ids = {text: tokenizer.token_to_id(text) for text in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": list(ids.values())}))
    found = read(tmp_path, tokenizer).special_ids
    assert found["eos"] == ids["<|im_end|>"]
    assert {found["eot"], found["eom"]} == {ids["<|endoftext|>"], ids["<|im_start|>"]}


def test_an_end_that_only_the_generation_config_names_wins(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 5}))
    assert read(tmp_path, byte_level_tokenizer(QWEN2_SPLIT)).special_ids["eos"] == 5


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    read(tmp_path, tokenizer)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UnsupportedModelError, match="eos_token"):
        read_vocabulary(CheckpointFiles(tmp_path), ROWS)


def test_more_tokens_than_rows_are_refused(tmp_path: Path) -> None:
    read(tmp_path, byte_level_tokenizer(QWEN2_SPLIT))
    with pytest.raises(UnsupportedModelError, match="only 100 rows"):
        read_vocabulary(CheckpointFiles(tmp_path), 100)


@pytest.mark.parametrize(
    ("split", "ignore_merges", "name"),
    [
        (QWEN2_SPLIT, False, "qwen2"),
        (LLAMA3_SPLIT, True, "llama-bpe"),
        (LLAMA3_SPLIT, False, "dbrx"),
        (None, False, "gpt-2"),
    ],
)
def test_known_ways_of_splitting_have_their_names(split: str | None, ignore_merges: bool, name: str) -> None:
    tokenizer = byte_level_tokenizer(split, ignore_merges=ignore_merges)
    assert pre_tokenizer_name(json.loads(tokenizer.to_str())) == name


def test_an_unknown_way_of_splitting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="no pre-tokenizer that splits"):
        read(tmp_path, byte_level_tokenizer(r"\p{L}+|\s+"))


def test_a_normalizer_that_llama_cpp_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="Lowercase"):
        read(tmp_path, byte_level_tokenizer(None), lambda data: data.update(normalizer={"type": "Lowercase"}))


def test_other_kinds_of_tokenizer_are_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(special_tokens=["<unk>", "<|im_end|>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    with pytest.raises(UnsupportedModelError, match="WordPiece"):
        read(tmp_path, tokenizer)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(model=[]),
        lambda data: data.update(pre_tokenizer=5),
        lambda data: data["model"].update(merges=[["a"]]),
        lambda data: data["model"].update(vocab={"a": -1}),
        lambda data: data.update(added_tokens=[{"id": "x"}]),
    ],
)
def test_a_misshapen_tokenizer_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ModelLoadError, match=r"tokenizer\.json"):
        read(tmp_path, byte_level_tokenizer(QWEN2_SPLIT), change)


def test_an_export_whose_tokens_would_differ_is_refused(tmp_path: Path) -> None:
    """Byte fallback alone does not make a SentencePiece: here one merge per piece, where llama.cpp takes any."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    initial = [*sorted({c for text in CORPUS for c in text}), "▁"]
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        initial_alphabet=initial,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    checkpoint = write_checkpoint(tmp_path / "model", "llama", tokenizer)
    with pytest.raises(UnsupportedModelError, match="would not tokenise like"):
        export_gguf(checkpoint, tmp_path / "model.gguf")


def test_a_split_inside_sentencepiece_is_refused(tmp_path: Path) -> None:
    tokenizer = sentencepiece_like_tokenizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    with pytest.raises(UnsupportedModelError, match="does not split"):
        read(tmp_path, tokenizer)


def test_training_marks_in_a_template_become_plain_and_change_no_text(tmp_path: Path) -> None:
    source = "{%- for m in ms %} [ {%- generation %} {{ m }} {% endgeneration -%} ]\n {%- endfor %}"
    (tmp_path / "chat_template.jinja").write_text(source)
    plain = chat_template(CheckpointFiles(tmp_path))
    assert plain is not None
    assert "generation" not in plain
    without = source.replace("{%- generation %}", "{%- if 1 %}").replace("{% endgeneration -%}", "{% endif -%}")
    ms = ["a", "b"]
    assert Environment().from_string(plain).render(ms=ms) == Environment().from_string(without).render(ms=ms)


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"chat_template": "plain"}, "plain"),
        ({"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]}, "d"),
        ({"chat_template": [{"name": "tools", "template": "t"}]}, None),
        ({}, None),
    ],
)
def test_the_chat_template_is_found_where_it_is(tmp_path: Path, config: dict[str, Any], wanted: str | None) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert chat_template(CheckpointFiles(tmp_path)) == wanted


def test_recommended_sampling_is_written_where_llama_cpp_looks(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "qwen2", byte_level_tokenizer(QWEN2_SPLIT))
    settings = {"do_sample": True, "temperature": 0.5, "top_k": 20, "top_p": 0.75, "repetition_penalty": 1.5}
    (checkpoint / "generation_config.json").write_text(json.dumps(settings))
    reader = GGUFReader(export_gguf(checkpoint, tmp_path / "model.gguf"))
    names = ("temp", "top_k", "top_p", "penalty_repeat")
    assert [reader.get_field(f"general.sampling.{n}").contents() for n in names] == [0.5, 20, 0.75, 1.5]
    (checkpoint / "generation_config.json").write_text(json.dumps({"do_sample": False, "temperature": 0.5}))
    reader = GGUFReader(export_gguf(checkpoint, tmp_path / "model.gguf"))
    assert reader.get_field("general.sampling.temp").contents() == 0.0
