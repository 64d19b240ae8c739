"""A chat template comes from a stranger: whatever it does, prompts stay bounded and the model stays usable."""

from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers import chat
from multi_llm_comparator.inferencers.chat import ChatTemplate

SHOWS = "{{ messages[0].content }}"
BROKEN = {
    "syntax": "{% for %}",
    "unknown tag": "{% explode %}",
    "undefined": "{{ nothing.at.all }}" + SHOWS,
    "division": "{{ 1 / 0 }}" + SHOWS,
    "recursion": "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}" + SHOWS,
    "deep nesting": "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}" + SHOWS,
    "drops the user": "Hello, how are you?",
    "refuses everybody": "{{ raise_exception('no') }}",
}
HOSTILE = {
    "python's internals": "{{ ''.__class__.__mro__[1].__subclasses__() }}" + SHOWS,
    "globals of a function": "{{ raise_exception.__globals__.os }}" + SHOWS,
    "mutation": "{{ messages.append(1) }}" + SHOWS,
    "repetition": "{{ 'a' * 10**12 }}" + SHOWS,
    "repetition of a list": "{{ ([1] * 10**12) | length }}" + SHOWS,
    "power": "{{ 10 ** 1000000 }}" + SHOWS,
    "doubling by ~": "{% set n = namespace(s='ab') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
    + SHOWS,
    "doubling by +": "{% set n = namespace(s='ab') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}"
    + SHOWS,
    "center": "{{ 'a' | center(1000000000) }}" + SHOWS,
    "indent": "{{ 'a\n' | indent(1000000000) }}" + SHOWS,
    "ljust": "{{ 'a'.ljust(1000000000) }}" + SHOWS,
    "format": "{{ '{:>1000000000}'.format(1) }}" + SHOWS,
    "format with a width": "{{ '{:>{w}}'.format(1, w=1000000000) }}" + SHOWS,
    "percent": "{{ '%1000000000d' % 1 }}" + SHOWS,
    "percent filter": "{{ '%1000000000d' | format(1) }}" + SHOWS,
    "json indent": "{{ messages | tojson(indent=1000000000) }}" + SHOWS,
    "huge range": "{% for i in range(10**9) %}{% endfor %}" + SHOWS,
    "endless output": "{% for i in range(90000) %}{% for j in range(90000) %}" + SHOWS + "{% endfor %}{% endfor %}",
}


def ask(template: ChatTemplate) -> chat.RenderedPrompt:
    return template.render(GenerationRequest(messages=(Message("user", "Why?"),)))


@pytest.mark.parametrize("source", [*BROKEN.values(), *HOSTILE.values()], ids=[*BROKEN, *HOSTILE])
def test_an_unusable_template_counts_as_none_and_the_prompt_says_why(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_TEXT_CHARS", 100_000)  # as bounded as the real one, and faster
    template = ChatTemplate(source)
    assert not template.is_present
    assert template.problem
    rendered = ask(template)
    assert rendered.text == "Why?"
    assert rendered.notes == (
        f"The model's chat template cannot be used ({template.problem}): it was given a plain prompt.",
    )


@pytest.mark.parametrize("source", [None, "", "  \n"])
def test_an_absent_template_is_no_problem(source: str | None) -> None:
    template = ChatTemplate(source)
    assert (template.is_present, template.problem) == (False, None)


def test_an_oversized_template_is_not_even_compiled() -> None:
    assert "over the limit" in str(ChatTemplate(SHOWS + "x" * chat.MAX_SOURCE_CHARS).problem)


def test_what_fails_on_one_conversation_only_fails_that_one() -> None:
    template = ChatTemplate("{{ 1 / (messages | length - 2) }}" + SHOWS)
    assert ask(template).text.endswith("Why?")
    two = GenerationRequest(messages=(Message("user", "a"), Message("assistant", "b")))
    with pytest.raises(InferenceError, match="division by zero"):
        template.render(two)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ strftime_now('%Y') | int > 2000 }} " + SHOWS, "True Why?"),
        ("{{ '%s-%d' | format('a', 3) }} {{ '%s' % 'b' }} {{ '{}'.format('c') }} " + SHOWS, "a-3 b c Why?"),
        ("{{ messages | tojson(indent=1) | length > 5 }} " + SHOWS, "True Why?"),
        ("{{ ('a,b'.split(',') | join('+')) ~ 1 ~ none }} " + SHOWS, "a+b1None Why?"),
        ("{{ 2 ** 8 * 3 % 5 + 1 }}{{ [1] + [2] }}{{ 'ab' * 2 }} " + SHOWS, "4[1, 2]abab Why?"),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "Why?"),
        ("{{ {'a': 1} | dictsort | first | first | upper }}{{ 'x'.rjust(3) }} " + SHOWS, "A  x Why?"),
    ],
)
def test_ordinary_expressions_work(source: str, text: str) -> None:
    template = ChatTemplate(source)
    assert template.problem is None
    assert ask(template).text == text
