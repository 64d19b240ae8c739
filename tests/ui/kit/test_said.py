"""Sentences of the engines and the gateway in the reader's language."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from multi_llm_comparator.inferencers.chat import NO_TEMPLATE
from multi_llm_comparator.ui.kit.said import MAX_CHARS, read, translated
from tests.support.sources import tree_of

# What is shorter could be anything.
SENTENCE_CHARS = 40
PACKAGE = Path(__file__).parents[3] / "multi_llm_comparator"


@cache
def sentences_in_code() -> frozenset[str]:
    """All texts of the package, with {} where something is filled in."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"\{[^}]*\}", "{}", node.value))
    return frozenset(found)


def test_each_sentence_is_one_in_the_code() -> None:
    general = {english: re.sub(r"\{\d\}", "{}", english) for english in read("zh")}
    in_code = sentences_in_code()
    strange = [
        text
        for text in general.values()
        if text not in in_code and not any(one.startswith(text.removesuffix("{}.")) for one in in_code)
    ]
    # Where the code fills in words of its own, a sentence here may have them already.
    filled = [re.escape(one).replace(r"\{\}", ".+") for one in in_code if len(one.replace("{}", "")) > SENTENCE_CHARS]
    assert [text for text in strange if not any(re.fullmatch(one, text) for one in filled)] == []


def test_what_is_filled_in_is_found_again() -> None:
    for english, chinese in read("zh").items():
        places = sorted(set(re.findall(r"\{\d\}", english)))
        assert set(re.findall(r"\{\d\}", chinese)) == set(places), english
        assert places == [f"{{{number + 1}}}" for number in range(len(places))], english
        values = [f"<{number}>" for number in range(len(places))]
        said = english
        wanted = chinese
        for place, value in zip(places, values, strict=True):
            said, wanted = said.replace(place, value), wanted.replace(place, value)
        assert translated(said, "zh") == wanted, english


def test_a_sentence_in_a_sentence_is_translated_too() -> None:
    said = translated(f"the constraint cannot be compiled: {NO_TEMPLATE}", "zh")
    assert said == f"约束无法编译：{read('zh')[NO_TEMPLATE]}"


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert translated("502 Bad Gateway {1}", "zh") == "502 Bad Gateway {1}"
    assert translated(NO_TEMPLATE + " " * MAX_CHARS, "zh") == NO_TEMPLATE + " " * MAX_CHARS
