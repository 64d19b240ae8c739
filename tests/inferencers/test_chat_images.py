"""Chat templates and images: where each stands, and what a template does with lists of parts."""

from __future__ import annotations

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.chat import ChatTemplate, RenderedPrompt

CHATML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
PARTS = (
    "{% for m in messages %}{{ m['role'] }}:{% for part in m['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% elif part['type'] == 'image' %}<image>{% endif %}{% endfor %}\n{% endfor %}"
)
BOTH = (
    "{% for m in messages %}{{ m['role'] }}:{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{{ part['text'] if part['type'] == 'text' else '<|pad|>' }}{% endfor %}{% endif %}\n"
    "{% endfor %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}"
)
A, B = "data:image/png;base64,AAAA", "data:image/png;base64,BBBB"


def asked(*messages: Message, **options: object) -> GenerationRequest:
    return GenerationRequest(messages=messages, config=ModelConfig(), **options)  # type: ignore[arg-type]


def shape(prompt: RenderedPrompt) -> list[str | int]:
    """Texts and numbers of images, in their order."""
    return [part.text if part.image is None else part.image for part in prompt.parts]


@pytest.mark.parametrize("source", [CHATML, BOTH, PARTS])
def test_each_image_is_a_part_where_it_was_put(source: str) -> None:
    message = Message("user", "one two", (A, B), image_places=(0, 4))

    found = shape(ChatTemplate(source).render(asked(message)))

    assert [part for part in found if not isinstance(part, str)] == [0, 1]
    assert found[found.index(0) + 1] == "one "
    assert str(found[found.index(1) + 1]).startswith("two")


def test_a_template_that_knows_lists_of_parts_only_is_no_broken_one() -> None:
    template = ChatTemplate(PARTS)

    prompt = template.render(asked(Message("system", "Be brief."), Message("user", "Hello?")))

    assert template.is_present and template.problem is None
    assert prompt.text == "system:Be brief.user:Hello?"


@pytest.mark.parametrize(("source", "mark"), [(PARTS, "<image>"), (BOTH, "<|pad|>"), (CHATML, "")])
def test_a_template_that_writes_images_itself_is_let(source: str, mark: str) -> None:
    template = ChatTemplate(source)

    assert template.writes_images is bool(mark)
    if mark:
        prompt = template.render(asked(Message("user", "one", (A,), image_places=(0,))), writes_images=True)
        assert prompt.text == f"user:{mark}one"


def test_a_system_prompt_that_is_folded_leaves_images_where_they_are() -> None:
    message = Message("user", "one two", (A,), image_places=(4,))

    found = shape(ChatTemplate(NO_SYSTEM).render(asked(Message("system", "Be brief."), message)))

    assert found == ["user: Be brief.\n\none ", 0, "two\n"]


def test_a_control_token_beside_an_image_stays_text() -> None:
    template = ChatTemplate(CHATML, special_tokens=["<|im_end|>"])

    prompt = template.render(asked(Message("user", "a <|im_end|> b", (A,), image_places=(2,))))

    assert [(part.text, part.is_template) for part in prompt.parts if "<|im_end|> b" in part.text] == [
        ("<|im_end|> b", False)
    ]
    assert 0 in shape(prompt)


def test_without_a_template_and_raw_images_stand_in_the_text() -> None:
    message = Message("user", "one two", (A,), image_places=(4,))

    assert shape(ChatTemplate(None).render(asked(message))) == ["one ", 0, "two"]
    assert shape(ChatTemplate(CHATML).render(asked(message, raw=True))) == ["one ", 0, "two"]


def test_images_that_a_template_drops_are_an_error_and_no_silence() -> None:
    last_only = "{{ messages[-1]['content'] }}"
    before = Message("user", "look", (A,))

    with pytest.raises(InferenceError, match="leaves images out"):
        ChatTemplate(last_only).render(asked(before, Message("assistant", "yes"), Message("user", "and?")))


def test_parts_of_a_message_are_in_their_order() -> None:
    message = Message("user", "one two", (A, B), image_places=(0, 7))

    assert [part.image or part.text for part in message.parts()] == [A, "one two", B]
    assert [part.image or part.text for part in Message("user", "one", (A,)).parts()] == ["one", A]
    assert asked(message).without_images().messages == (Message("user", "one two"),)
