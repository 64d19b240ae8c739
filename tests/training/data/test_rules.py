from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.training.data.rules import broken_encoding, filled, leftover, refusal


@pytest.mark.parametrize(
    "text",
    [
        "a\ufffdb",
        "a\x00b",
        "\x1b[31m",
        "锟斤拷",
        "hÃ©llo",
        "donâ€™t",
        "ä½ å¥½",
        "Â£5",
        "ï»¿text",
        "Ñ\u201aÐµÑ\u0081Ñ\u201a",
    ],
)
def test_text_that_was_read_in_a_wrong_encoding_is_found(text: str) -> None:
    assert broken_encoding(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    ["", "plain\n\ttext", "héllo, ça va? «déjà»", "»SPÖ« – «Ö»", "5 € – £3…", "你好，世界！", "Ærø, Ålesund", "Привет",
     "naïve café Ã", "x² + ½ = °", "“quoted” – it’s"],
)  # fmt: skip
def test_text_in_any_language_is_none(text: str) -> None:
    assert broken_encoding(text) == ""


@given(st.text(st.characters(codec="latin-1", min_codepoint=0xC0, exclude_characters="×÷"), min_size=2, max_size=20))
def test_utf8_read_as_latin1_is_found_whatever_it_says(text: str) -> None:
    # é becomes Ã and a sign that stands nowhere else behind it.
    assert broken_encoding(text.encode().decode("latin-1"))


@pytest.mark.parametrize(
    "text",
    ["<|im_start|>user", "hi<|im_end|>", "[INST] hi [/INST]", "<<SYS>>", "ok</s>", "### Response:\nhi", "### 回答：好",
     "<start_of_turn>model", "<｜Assistant｜>", "hello\nHuman: hi", "I am {{name}}", "by {{ author }}."],
)  # fmt: skip
def test_marks_of_templates_and_open_placeholders_are_found(text: str) -> None:
    assert leftover(text)


@pytest.mark.parametrize(
    "text",
    ["### Results\nfine", "use `{{ name }}` here", "```jinja\n{{ name }}\n```", r"\frac{{a}}{{b}}", "{{1}}",
     "<s>old</s2>",
     "a <| b |> c", "Human rights: all"],
)  # fmt: skip
def test_code_headings_and_formulas_are_none(text: str) -> None:
    assert leftover(text) == ""


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't help with that.", "As an AI language model, I do not have feelings.",
     "I cannot assist with",
     "很抱歉，我无法回答这个问题。", "作为一个人工智能语言模型，我没有感情。", "对不起，我不能提供"],
)  # fmt: skip
def test_refusals_are_found_in_both_languages(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    ["Sorry is a word of five letters.", "The AI said no.", "抱歉在英语里是 sorry。", "I can help you.",
     "x" * 300 + "I cannot help"],
)  # fmt: skip
def test_other_answers_are_none(text: str) -> None:
    assert refusal(text) == ""


def test_placeholders_are_filled_by_name() -> None:
    assert (
        filled("I am {{name}} by {{ author }}, {{other}}", {"name": "Ada", "author": "us"})
        == "I am Ada by us, {{other}}"
    )
