"""A chat template comes from a stranger: whatever it does, prompts stay bounded and the model stays usable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers import chat
from multi_llm_comparator.inferencers.chat import ChatTemplate
from tests.support.chat_templates import STYLES
from tests.support.limited_templates import ENDED, tried

SHOWS = "{{ messages[0].content }}"
MOST_BYTES = 300 * 1024 * 1024
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
# Values that would not fit into the memory of a small machine, made of little.
GREEDY = {
    "replacing": "{{ (('a' * 10000).replace('a', 'b' * 40000)) | length }}" + SHOWS,
    "replacing nothing": "{{ (('a' * 10000).replace('', 'b' * 40000)) | length }}" + SHOWS,
    "replacing by name": "{{ ('a' * 10000) | replace(new='b' * 40000, old='a') | length }}" + SHOWS,
    "replacing bytes": "{{ (('a' * 10000).encode().replace('a'.encode(), ('b' * 40000).encode())) | length }}" + SHOWS,
    "joining by much": "{{ (('b' * 60000).join('a' * 10000)) | length }}" + SHOWS,
    "joining by much, filter": "{{ range(10000) | join('b' * 70000) | length }}" + SHOWS,
    "joining the same": "{{ (['b' * 70000] * 10000) | join | length }}" + SHOWS,
    "joining what is made meanwhile": "{{ (['b' * 70000] * 10000) | map('upper') | join | length }}" + SHOWS,
    "listing what is made meanwhile": "{{ (['b' * 70000] * 10000) | map('upper') | list | length }}" + SHOWS,
    "format with one argument": "{{ (('{0}' * 10000).format('b' * 80000)) | length }}" + SHOWS,
    "format of a map": "{{ (('{a}' * 10000).format_map({'a': 'b' * 80000})) | length }}" + SHOWS,
    "format with a width in text": "{{ '{:>{w}}'.format(1, w='1000000000') | length }}" + SHOWS,
    "format with many widths": "{{ (('{0:>999}' * 1000000).format(1)) | length }}" + SHOWS,
    "percent with one argument": "{{ (('%(a)s' * 10000) % {'a': 'b' * 80000}) | length }}" + SHOWS,
    "percent filter with one argument": "{{ ('%(a)s' * 10000) | format(a='b' * 80000) | length }}" + SHOWS,
    "tabs": "{{ ('\t' * 1000000).expandtabs(10000) | length }}" + SHOWS,
    "translation": "{{ ('a' * 10000).translate({97: 'b' * 80000}) | length }}" + SHOWS,
    "indent by text": "{{ ('a\n' * 10000) | indent('b' * 80000) | length }}" + SHOWS,
    "json of the same": "{{ (['b' * 80000] * 10000) | tojson | length }}" + SHOWS,
    "json indent of many": "{{ ([1] * 1000000) | tojson(indent=10000) | length }}" + SHOWS,
    "text of a list": "{{ (['b' * 80000] * 10000) | string | length }}" + SHOWS,
    "text of a list by ~": "{{ ((['b' * 80000] * 10000) ~ 'a') | length }}" + SHOWS,
    "text of a namespace": "{% set n = namespace(a=['b' * 80000] * 10000) %}{{ (n ~ 'a') | length }}" + SHOWS,
    "text of nested lists": "{% set n = namespace(a='b' * 80000) %}"
    "{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% endfor %}"
    "{{ n.a | string | length }}" + SHOWS,
    "output of a list": "{{ ['b' * 80000] * 10000 }}" + SHOWS,
    "a sum of lists": "{{ ([[1] * 100000] * 10000) | sum(start=[]) | length }}" + SHOWS,
    "a block's text": "{% set s = 'b' * 80000 %}{% set x %}{% for i in range(10000) %}{{ s }}{% endfor %}{% endset %}"
    "{{ x | length }}" + SHOWS,
    "a macro's text": "{% macro m() %}{% for i in range(10000) %}{{ 'b' * 80000 }}-{% endfor %}{% endmacro %}"
    "{{ m() | length }}" + SHOWS,
}

# Each value is small; there are many of them.
HOARDING = {
    "texts": "{% set n = namespace(l=[]) %}"
    "{% for i in range(99999) %}{% set n.l = n.l + ['b' * 16000000] %}{% endfor %}",
    "slices of a text": "{% set n = namespace(l=[], s='ab' * 8000000) %}"
    "{% for i in range(99999) %}{% set n.l = [n.l, n.s[1:]] %}{% endfor %}",
    "lists": "{% set n = namespace(l=[]) %}"
    "{% for i in range(99999) %}{% set n.l = [n.l" + ", [1, 2, 3, 4, 5, 6, 7, 8]" * 100 + "] %}{% endfor %}",
    "tuples": "{% set n = namespace(l=()) %}"
    "{% for i in range(99999) %}{% set n.l = (n.l" + ", (i, 2, 3, 4, 5, 6, 7, 8)" * 100 + ") %}{% endfor %}",
    "maps": "{% set n = namespace(l=[]) %}"
    "{% for i in range(99999) %}{% set n.l = [n.l" + ", {'a': i, 'b': 2}" * 100 + "] %}{% endfor %}",
    "namespaces": "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% for j in range(99) %}"
    "{% set n.l = [n.l, namespace(a='a' * 50)] %}{% endfor %}{% endfor %}",
    "blocks": "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set x %}{{ 'b' * 60000 }}{% endset %}"
    "{% set n.l = [n.l, x] %}{% endfor %}",
    "filters": "{% set n = namespace(l=[]) %}{% for i in range(99999) %}"
    "{% set n.l = [n.l, ('b' * 60000) | upper, messages | tojson] %}{% endfor %}",
    "texts that are printed": "{% for i in range(99999) %}{{ 'b' * 60000 }}{% endfor %}",
}
UNENDING = {
    "loops": "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
    "loops that skip": "{% for i in range(90000) %}{% for j in range(90000) if j < 0 %}{% endfor %}{% endfor %}",
    "loops that call themselves": "{% for i in range(9) recursive %}"
    "{{ loop(range(9)) if loop.depth < 40 }}{% endfor %}",
    "macros that call themselves": "{% macro m(d) %}{% if d %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}{% endmacro %}"
    "{{ m(60) }}",
    "filters": "{% for i in range(99999) %}"
    "{% if range(99999) | select('odd') | list | length %}{% endif %}{% endfor %}",
    "looking at much": "{% set n = namespace(l=[1] * 400000) %}"
    "{% for i in range(99999) %}{% if n.l | wordcount %}{% endif %}{% endfor %}",
    "splitting": "{% for i in range(99999) %}{% if ('a ' * 90000).split() | length %}{% endif %}{% endfor %}",
}
CONSTANTS = (
    "{{ '" + "a" * 1000 + "' | replace('a', '" + "b" * 1000 + "') | replace('b', '" + "c" * 15 + "') | length }}"
) * 40


def ask(template: ChatTemplate) -> chat.RenderedPrompt:
    return template.render(GenerationRequest(messages=(Message("user", "Why?"),)))


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_an_unusable_template_counts_as_none_and_the_prompt_says_why(source: str) -> None:
    template = ChatTemplate(source)
    assert not template.is_present
    assert template.problem
    rendered = ask(template)
    assert rendered.text == "Why?"
    assert rendered.notes == (
        f"The model's chat template cannot be used ({template.problem}): it was given a plain prompt.",
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not limit memory")
def test_what_is_hostile_is_refused_or_ended_and_the_next_template_is_as_good_as_ever() -> None:
    sources = [*HOSTILE.values(), *(source + SHOWS for source in (*HOARDING.values(), *UNENDING.values()))]
    outcomes = dict(zip([*HOSTILE, *HOARDING, *UNENDING], tried(sources), strict=True))
    assert [name for name, one in outcomes.items() if one.problem is None] == []
    for name in UNENDING:
        assert re.search(f"runs for more than|MiB of memory|{ENDED}", str(outcomes[name].problem)), name
    assert max(one.more_bytes for one in outcomes.values()) < MOST_BYTES


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not limit memory")
def test_what_would_fill_the_memory_is_given_none() -> None:
    greedy = tried([*GREEDY.values()])
    constants, good = tried([CONSTANTS + SHOWS, SHOWS], soft_seconds=1.0)
    assert [name for name, one in zip(GREEDY, greedy, strict=True) if one.problem is None] == []
    assert constants.problem is None, "each of its values is let go before the next is made"
    assert max(one.more_bytes for one in (*greedy, constants)) < MOST_BYTES
    assert (good.problem, good.text) == (None, "Why?")


def test_a_long_conversation_is_within_the_limits() -> None:
    turns = [Message("user" if n % 2 == 0 else "assistant", "some words of a message " * 40) for n in range(2001)]
    for source in STYLES.values():
        rendered = ChatTemplate(source).render(GenerationRequest(messages=tuple(turns)))
        assert len(rendered.text) > 1_900_000


def test_a_prompt_without_end_is_refused() -> None:
    endless = "{% for i in range(90000) %}" + ("words " * 400 + SHOWS) * 2 + "{% endfor %}"
    assert "makes a prompt of more than" in str(ChatTemplate(endless).problem)


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
        (
            "{{ 'aXb'.replace('X', '-') }}{{ 'aXbX' | replace('X', '+', 1) }}{{ 'a\tb'.expandtabs(2) }} " + SHOWS,
            "a-ba+bXa b Why?",
        ),
        ("{{ ', '.join(['a', 'b']) }} {{ messages | map(attribute='role') | join('+') }} " + SHOWS, "a, b user Why?"),
        ("{{ '{{{}}} {a:>3}'.format('b', a=1) }} {{ '%(a)s' % {'a': 1} }} " + SHOWS, "{b}   1 1 Why?"),
        (
            "{{ 'a\nb' | indent(2) | replace('\n', '/') }} {{ [1, 2] | sum }} {{ [[1], 'x'] }} " + SHOWS,
            "a/  b 3 [[1], 'x'] Why?",
        ),
        (
            "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set y %}{{ m(1) }}{{ m(2) }}{% endset %}{{ y }} " + SHOWS,
            "<1><2> Why?",
        ),
        ("{{ {'b': [1, 'ä'], 'a': none} | tojson(sort_keys=true) }} " + SHOWS, '{"a": null, "b": [1, "ä"]} Why?'),
        ("{{ {'a': 1} | dictsort | first | first | upper }}{{ 'x'.rjust(3) }} " + SHOWS, "A  x Why?"),
    ],
)
def test_ordinary_expressions_work(source: str, text: str) -> None:
    template = ChatTemplate(source)
    assert template.problem is None
    assert ask(template).text == text
