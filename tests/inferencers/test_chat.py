"""Prompts come out as the model's makers meant them, and what people type stays text."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConversationRefusedError, InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.chat import NO_TEMPLATE, SYSTEM_FOLDED, ChatTemplate, PromptPart
from tests.support.chat_templates import CHATML, GEMMA, LLAMA_3, MISTRAL, SPECIAL_TOKENS, STYLES

TALK = (Message("user", " 你好, <b>\"friend\"</b> & 'co' \n"), Message("assistant", "Hi 🎉!"), Message("user", "Why?"))


def template(source: str | None) -> ChatTemplate:
    return ChatTemplate(source, bos_token="<s>", eos_token="</s>", special_tokens=SPECIAL_TOKENS)


def request(*messages: Message, system: str = "", continue_final: bool = False, raw: bool = False) -> GenerationRequest:
    config = ModelConfig(system_prompt=system)
    return GenerationRequest(messages=messages, config=config, continue_final=continue_final, raw=raw)


def reference(source: str, messages: tuple[Message, ...], **options: bool) -> str:
    """What transformers makes of it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    conversation = [{"role": m.role, "content": m.content} for m in messages]
    rendered, _ = render_jinja_template(
        [conversation], chat_template=source, bos_token="<s>", eos_token="</s>", **options
    )
    return str(rendered[0])


@pytest.mark.parametrize("style", STYLES)
def test_prompts_are_those_of_transformers(style: str) -> None:
    rendered = template(STYLES[style]).render(request(*TALK))
    assert rendered.text == reference(STYLES[style], TALK, add_generation_prompt=True)
    assert rendered.parts == (PromptPart(rendered.text, is_template=True),)
    assert rendered.notes == ()


@pytest.mark.parametrize("style", ["chatml", "llama-3", "gemma"])
def test_a_begun_answer_is_left_open_like_in_transformers(style: str) -> None:
    rendered = template(STYLES[style]).render(request(*TALK[:2], continue_final=True))
    assert rendered.text == reference(STYLES[style], TALK[:2], continue_final_message=True)


def test_a_begun_answer_keeps_its_last_space_and_its_reasoning() -> None:
    begun = Message("assistant", "<think>hm</think> because ")
    rendered = template(LLAMA_3).render(request(TALK[2], begun, continue_final=True))
    assert rendered.text == template(LLAMA_3).render(request(TALK[2])).text + begun.content


def test_a_system_prompt_goes_where_the_template_puts_it() -> None:
    messages = (Message("system", "Be brief."), *TALK)
    assert template(CHATML).render(request(*TALK, system="Be brief.")).text == reference(
        CHATML, messages, add_generation_prompt=True
    )


def test_a_system_message_outranks_the_configured_system_prompt() -> None:
    text = template(CHATML).render(request(Message("system", "A"), TALK[2], system="B")).text
    assert text == "<|im_start|>system\nA<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("source", [GEMMA, MISTRAL], ids=["refused", "dropped"])
def test_a_system_prompt_that_the_template_does_not_take_goes_into_the_first_message(source: str) -> None:
    rendered = template(source).render(request(*TALK, system="Be brief."))
    folded = (Message("user", "Be brief.\n\n" + TALK[0].content), *TALK[1:])
    assert rendered.text == reference(source, folded, add_generation_prompt=True)
    assert rendered.notes == (SYSTEM_FOLDED,)


def test_a_conversation_the_template_refuses_is_an_error_with_its_reason() -> None:
    with pytest.raises(ConversationRefusedError, match="Roles must alternate"):
        template(GEMMA).render(request(TALK[0], TALK[2]))


@pytest.mark.parametrize("messages", [(), (TALK[0],)], ids=["empty", "no answer"])
def test_nothing_to_continue_is_an_error(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InferenceError, match="no answer to continue"):
        template(CHATML).render(request(*messages, continue_final=True))


def test_an_empty_conversation_is_an_error() -> None:
    with pytest.raises(InferenceError, match="empty"):
        template(CHATML).render(request())


def test_without_a_template_one_question_is_its_text_and_the_note_says_so() -> None:
    rendered = template(None).render(request(TALK[2], system="Be brief."))
    assert rendered.parts == (PromptPart("Be brief.\n\nWhy?", is_template=False),)
    assert rendered.notes == (NO_TEMPLATE,)


def test_without_a_template_continuing_goes_on_exactly_where_the_answer_ended() -> None:
    rendered = template(None).render(request(TALK[2], Message("assistant", " Because"), continue_final=True))
    assert rendered.text == "Why? Because"


def test_without_a_template_the_speakers_of_a_longer_talk_are_named() -> None:
    rendered = template(None).render(request(Message("user", "A"), Message("assistant", " B"), Message("user", "C")))
    assert rendered.text == "User: A\n\nAssistant: B\n\nUser: C\n\nAssistant:"


@pytest.mark.parametrize("content", ["", "text <|im_end|> as it is "])
def test_raw_text_is_given_as_it_is_and_is_never_a_template(content: str) -> None:
    rendered = template(CHATML).render(request(TALK[0], Message("user", content), system="x", raw=True))
    assert rendered.parts == (PromptPart(content, is_template=False),)
    assert rendered.notes == ()


def test_the_text_of_a_special_token_makes_a_part_of_its_own() -> None:
    rendered = template(LLAMA_3).render(request(Message("user", "  say <|eot_id|> now \n")))
    opening = "<s><|start_header_id|>user<|end_header_id|>\n\n"
    closing = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    assert rendered.parts == (
        PromptPart(opening, is_template=True),
        PromptPart("say <|eot_id|> now", is_template=False),
        PromptPart(closing, is_template=True),
    )


words = st.lists(st.sampled_from([*SPECIAL_TOKENS, "<|im_", "end|>", "\ue000", "0", " ", "\n", "a", "世"]), max_size=8)
contents = words.map("".join)


@given(style=st.sampled_from(sorted(STYLES)), said=contents, answered=contents, begun=contents, system=contents)
def test_no_message_ever_puts_a_special_token_into_a_templates_part(
    style: str, said: str, answered: str, begun: str, system: str
) -> None:
    assume(style != "loop controls")  # it says the last message twice
    chat = template(STYLES[style])
    talk = [Message("user", said), Message("assistant", answered), Message("user", "b"), Message("assistant", begun)]
    rendered = chat.render(request(*talk, system=system, continue_final=True))
    innocent = [Message(message.role, "x") for message in talk]
    expected = chat.render(request(*innocent, system=system and "x", continue_final=True)).text
    from_template = "".join(part.text for part in rendered.parts if part.is_template)
    for token in SPECIAL_TOKENS:
        assert from_template.count(token) == expected.count(token)


@given(said=contents)
def test_splitting_changes_nothing_in_the_text_as_a_whole(said: str) -> None:
    rendered = template(CHATML).render(request(Message("user", said)))
    assert rendered.text == f"<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_that_rewrites_such_a_text_is_refused() -> None:
    chat = template("{% for m in messages %}{{ m.content[:2] ~ m.content }}{% endfor %}")
    with pytest.raises(InferenceError, match="text of a special token"):
        chat.render(request(Message("user", "x</s>")))
