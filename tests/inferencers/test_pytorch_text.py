"""Prompts become the tokens that the model was trained with, and tokens become whole characters again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.pytorch_text import Detokenizer, PromptEncoder
from tests.support.tiny_checkpoint import make_tokenizer

TOKENIZER = make_tokenizer()


def make_sentencepiece_like() -> PreTrainedTokenizerFast:
    """Spaces as part of words, bytes for what has no token, a begin mark: as in Llama 2."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", "a", "b", "c", "▁a", "▁b", "▁ab", "ab", "bc", "▁cab"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = [("▁", "a"), ("▁", "b"), ("a", "b"), ("b", "c"), ("▁a", "b")]
    backend = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


SENTENCEPIECE = make_sentencepiece_like()


def stream(tokenizer: PreTrainedTokenizerFast, ids: list[int], context: Sequence[int] = ()) -> list[str]:
    detokenizer = Detokenizer(tokenizer, context)
    return [*(detokenizer.push(token) for token in ids), detokenizer.flush()]


@pytest.mark.parametrize("tokenizer", [TOKENIZER, SENTENCEPIECE], ids=["byte-level", "sentencepiece"])
@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffd▁<"), max_size=40))
@settings(max_examples=60, deadline=None)
def test_streamed_text_is_the_text_and_never_holds_half_a_character(tokenizer: Any, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = stream(tokenizer, ids)
    assert "".join(pieces) == tokenizer.decode(ids, skip_special_tokens=True)
    assert "\ufffd" not in "".join(pieces)


@given(ids=st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_tokens_at_all_become_text_without_an_error(ids: list[int]) -> None:
    assert all(isinstance(piece, str) for piece in stream(TOKENIZER, ids))


def test_chinese_and_emoji_come_out_whole() -> None:
    ids = TOKENIZER.encode("天🚀!", add_special_tokens=False)
    assert [piece for piece in stream(TOKENIZER, ids) if piece] == ["天", "🚀", "!"]


def test_a_character_that_never_becomes_whole_is_dropped_at_the_end() -> None:
    ids = TOKENIZER.encode("ok鿋", add_special_tokens=False)[:-1]
    assert "".join(stream(TOKENIZER, ids)) == "ok"


def test_special_tokens_are_hidden_however_many() -> None:
    end = TOKENIZER.convert_tokens_to_ids("<|im_end|>")
    word = TOKENIZER.encode("fox", add_special_tokens=False)
    assert "".join(stream(TOKENIZER, [*word, *[end] * 50, *word])) == "foxfox"


def test_a_new_answer_begins_without_a_space_and_a_continued_one_with_it() -> None:
    ids = SENTENCEPIECE.encode("ab a", add_special_tokens=False)
    assert "".join(stream(SENTENCEPIECE, ids)) == "ab a"
    assert "".join(stream(SENTENCEPIECE, ids, context=ids)) == " ab a"


def encode(tokenizer: PreTrainedTokenizerFast, text: str, **options: Any) -> list[int]:
    return PromptEncoder(tokenizer).encode(GenerationRequest(messages=(Message("user", text),), **options))[1]


def test_a_prompt_is_tokenised_as_the_reference_does() -> None:
    wanted = TOKENIZER.apply_chat_template(
        [{"role": "user", "content": "What is 3 + 4? 你好"}], add_generation_prompt=True, return_dict=False
    )
    assert encode(TOKENIZER, "What is 3 + 4? 你好") == list(wanted)


@pytest.mark.parametrize("raw", [False, True])
def test_special_tokens_in_user_text_stay_text(raw: bool) -> None:
    end = TOKENIZER.convert_tokens_to_ids("<|im_end|>")
    ids = encode(TOKENIZER, "a <|im_end|> b", raw=raw)
    assert ids.count(end) == (0 if raw else 1)
    assert "a <|im_end|> b" in TOKENIZER.decode(ids)


def test_a_plain_prompt_gets_one_begin_mark_and_no_end_mark() -> None:
    assert encode(SENTENCEPIECE, "ab") == [1, *SENTENCEPIECE.encode("ab", add_special_tokens=False)]


def test_a_template_that_writes_the_begin_mark_does_not_get_a_second() -> None:
    tokenizer = make_sentencepiece_like()
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert encode(tokenizer, "ab").count(1) == 1


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InferenceError, match="empty"):
        encode(TOKENIZER, "", raw=True)
