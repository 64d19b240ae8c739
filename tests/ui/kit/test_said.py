"""Sentences of the engines and the gateway in the reader's language."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from multi_llm_comparator.inferencers.chat import NO_TEMPLATE
from multi_llm_comparator.ui.kit.said import MAX_CHARS, read, translated

PACKAGE = Path(__file__).parents[3] / "multi_llm_comparator"


@cache
def sentences_in_code() -> frozenset[str]:
    """All texts of the package, with {} where something is filled in."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"\{[^}]*\}", "{}", node.value))
    return frozenset(found)


@pytest.mark.parametrize("english", read("zh"))
def test_each_sentence_is_the_one_in_the_code(english: str) -> None:
    general = re.sub(r"\{\d\}", "{}", english)
    in_code = sentences_in_code()
    assert general in in_code or any(text.startswith(general.removesuffix("{}.")) for text in in_code), english


@pytest.mark.parametrize(("english", "chinese"), read("zh").items())
def test_what_is_filled_in_is_found_again(english: str, chinese: str) -> None:
    places = sorted(set(re.findall(r"\{\d\}", english)))
    assert set(re.findall(r"\{\d\}", chinese)) == set(places)
    assert places == [f"{{{number + 1}}}" for number in range(len(places))]
    values = [f"<{number}>" for number in range(len(places))]
    said = english
    wanted = chinese
    for place, value in zip(places, values, strict=True):
        said, wanted = said.replace(place, value), wanted.replace(place, value)
    assert translated(said, "zh") == wanted


def test_a_sentence_in_a_sentence_is_translated_too() -> None:
    said = translated(f"the constraint cannot be compiled: {NO_TEMPLATE}", "zh")
    assert said == f"约束无法编译：{read('zh')[NO_TEMPLATE]}"


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert translated("502 Bad Gateway {1}", "zh") == "502 Bad Gateway {1}"
    assert translated(NO_TEMPLATE + " " * MAX_CHARS, "zh") == NO_TEMPLATE + " " * MAX_CHARS
