"""What rooms say is said in every language."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from multi_llm_comparator.core.words import Words

PACKAGE = Path(__file__).parents[2] / "multi_llm_comparator"
MODULES = sorted(file.with_name(file.name.replace(".en.yaml", ".py")) for file in PACKAGE.rglob("*.en.yaml"))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_all_languages_say_the_same_with_the_same_places(module: Path) -> None:
    words = Words(str(module))
    assert module.is_file() and set(words) == {"en", "zh"}
    for key, text in words["en"].items():
        assert places(words["zh"][key]) == places(text), key
    assert words["zh"].keys() == words["en"].keys()


def test_no_word_lies_unused() -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for end in ("py", "html") for p in PACKAGE.rglob(f"*.{end}"))
    said = {*re.findall(r"[\"'](\w+)[\"']", code), *re.findall(r"words\.(\w+)", code)}
    begun = tuple({*re.findall(r"f[\"'](\w+_)\{", code), *re.findall(r"[\"'](\w+_)[\"'] ~", code)})
    for module in MODULES:
        assert [key for key in Words(str(module))["en"] if key not in said and not key.startswith(begun)] == [], module


def test_places_are_filled_in_and_braces_stay_where_nothing_is_given() -> None:
    say = Words(str(PACKAGE / "voting" / "words.py")).of("en")
    assert (say("turn", n=3), say("turn"), say("report")) == ("Vote 3", "Vote {n}", "Blind votes")


def test_a_word_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        Words(str(PACKAGE / "voting" / "words.py")).of("en")("no such word")
