"""The demo tokenizer: any text survives, digits stand alone, quoted words are spelt out, chats match training rows."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer

from demo.conversations import IGNORED, encode
from demo.shapes import SHAPES
from demo.tokens import QWEN2_SPLIT, ROLE_LINES

FOLDERS = [shape.folder for shape in SHAPES.values()]


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    "text",
    [
        "What is 23 + 48?",
        "emoji 😀👩‍🚀, unseen 龘靐, naïve café",
        "  two  spaces\n\n\ttab\r\nend ",
        "把“苹果”翻译成英文。",
        "e\u0301 is not é",
        "\x00\x7f\u200b",
        "",
    ],
)
def test_any_text_survives_a_round_trip(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_digits_stand_alone(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("1234+56=1290").tokens
    assert [t for t in tokens if t.isdigit()] == list("1234561290")


def test_no_token_holds_two_digits(tokenizer: Tokenizer) -> None:
    assert not [token for token in tokenizer.get_vocab() if sum(c.isdigit() and c.isascii() for c in token) > 1]


@pytest.mark.parametrize("text", ['Reverse the word "{w}".', "把“{w}”倒过来写。", 'How many letters are in "{w}"?'])
@pytest.mark.parametrize("word", ["apple", "what", "translate", "zinttuflai"])
def test_quoted_words_are_spelt_letter_by_letter(tokenizer: Tokenizer, text: str, word: str) -> None:
    tokens = tokenizer.encode(text.format(w=word)).tokens
    joined = "\n".join(tokens)
    assert "\n".join(word) in joined


def test_common_words_and_chinese_characters_are_single_tokens(tokenizer: Tokenizer) -> None:
    for text in (" is", "What", " the", "国", "多少", "？"):
        assert len(tokenizer.encode(text).ids) == 1, text


def test_text_is_split_as_qwen2_splits_it(folder: Path) -> None:
    splitter = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["pre_tokenizer"]["pretokenizers"]
    assert splitter[0]["pattern"] == {"Regex": QWEN2_SPLIT}
    assert splitter[0]["behavior"] == "Isolated"
    assert splitter[1]["type"] == "ByteLevel"
    assert not splitter[1]["add_prefix_space"]
    assert not splitter[1]["use_regex"]
    assert isinstance(Tokenizer.from_file(str(folder / "tokenizer.json")).pre_tokenizer, pre_tokenizers.Sequence)


def test_all_demo_models_share_the_tokenizer() -> None:
    assert len({(folder / "tokenizer.json").read_bytes() for folder in FOLDERS}) == 1


def test_transformers_reads_the_same_ids(folder: Path, tokenizer: Tokenizer) -> None:
    loaded = AutoTokenizer.from_pretrained(folder)
    for text in ('Reverse "apple". 把“国王”翻译 😀 12+3\n\n  x', "Hello there\n"):
        assert loaded(text)["input_ids"] == tokenizer.encode(text).ids
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")


CHAT = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is 1 + 1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "谢谢"},
    {"role": "assistant", "content": "不客气！"},
]


def test_chat_template_is_chatml_with_an_optional_system_turn(folder: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(folder)
    assert loaded.apply_chat_template(CHAT[1:2], tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>user\nWhat is 1 + 1?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert loaded.apply_chat_template(CHAT[:1], tokenize=False) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    )


def test_training_rows_are_what_the_chat_template_gives(folder: Path, tokenizer: Tokenizer) -> None:
    loaded = AutoTokenizer.from_pretrained(folder)
    chat = loaded.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    row = encode(tokenizer, [(turn["role"], turn["content"]) for turn in CHAT])
    # A row stops at the end of the last answer, before the template's final line break.
    assert row.ids == chat["input_ids"][:-1]
    assert [label != IGNORED for label in row.labels] == [bool(mark) for mark in chat["assistant_masks"][:-1]]


def test_role_lines_are_single_tokens(tokenizer: Tokenizer) -> None:
    for line in ROLE_LINES:
        assert len(tokenizer.encode(line).ids) == 1
