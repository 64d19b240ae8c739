"""What members are asked besides the question itself, in the question's language (English or Chinese)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import cut

_HAN = re.compile(r"[\u4e00-\u9fff]")
# Of each answer that is quoted, so that many long ones still fit a context.
MAX_QUOTED_CHARS = 6000


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    texts: dict[str, dict[str, str]] = parse_yaml(Path(__file__).with_name("prompts.yaml").read_bytes())
    return texts


def _of(question: str) -> Mapping[str, str]:
    return _texts()["zh" if _HAN.search(question) else "en"]


def prompt(name: str, question: str, **values: str) -> str:
    """One of the texts of ``prompts.yaml``, in the language of the question."""
    return _of(question)[name].format(question=question, **values)


def answers_text(answers: Sequence[str], question: str) -> str:
    """Answers one below the other, by letters instead of names."""
    head = _of(question)["answer"]
    shown = ((letter_of(n), quoted(text)) for n, text in enumerate(answers))
    return "\n\n".join(f"{head.format(letter=letter)}:\n{text}" for letter, text in shown)


def letter_of(number: int) -> str:
    """A, B, ... Z, A2, B2, ...: enough for all members and their samples."""
    turn, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(turn + 1) if turn else "")


def within_braces(text: str) -> str:
    """What may be a JSON object: from the first opening brace to the last closing one; empty without both."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else ""


def quoted(text: str) -> str:
    """An answer without its thoughts, cut where it is very long."""
    return cut(re.sub(r"<think>.*?(?:</think>|\Z)", "", text, flags=re.S).strip(), MAX_QUOTED_CHARS)
