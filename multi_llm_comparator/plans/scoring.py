"""Whether an answer is right, by what it ends in: no model is asked.

The final part of an answer is what counts: behind "answer is", in a box, behind the last equals sign, or its last
number. Working that leads there is not held against it.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from multi_llm_comparator.plans.datasets import Question

# Longer answers are judged by their end, which is where the conclusion stands.
MAX_JUDGED_CHARS = 20_000
_BOXED = re.compile(r"\\boxed\s*\{([^{}]{1,500})\}")
_SAID = re.compile(r"(?:answer\s*(?:is|:|=)|答案\s*(?:是|为|：|:))\s*(.+)", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?")
# A capital is a choice where it cannot be a word: alone, in brackets, or before what follows the letter of a choice.
_ALONE = re.compile(r"(?:(?:option|choice|选项?)\s*)?([A-Z])", re.IGNORECASE)
_LEADING = re.compile(r"(?i:option\s|choice\s|选项?)?\s*[(\[]?([A-Z])(?:[.:,)\]]|\s+(?:because|since|is)\b|因为|是)")
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")


def is_correct(question: Question, text: str) -> bool | None:
    """Whether ``text`` answers the question rightly; None when the right answer is not known."""
    if question.answer is None and question.choice is None:
        return None
    final = final_answer(text)
    if question.answer is not None and same_answer(question.answer, final):
        return True
    if question.choice is not None and (chosen := _chosen(final)) is not None:
        return chosen == question.choice
    return question.answer is not None and same_answer(question.answer, _last_number(final))


def final_answer(text: str) -> str:
    """The part of an answer that states its result."""
    text = text.strip()[-MAX_JUDGED_CHARS:]
    if boxed := _BOXED.findall(text):
        return str(boxed[-1]).strip()
    if said := _SAID.findall(text):
        return str(said[-1]).strip().rstrip(".。")
    last_line = text.splitlines()[-1] if text else ""
    _, equals, result = last_line.rpartition("=")
    return (result if equals else last_line).strip().rstrip(".。")


def same_answer(expected: str, given: str) -> bool:
    """Equal as numbers where both are, else as text: case, width, blanks and final stops do not count."""
    left, right = as_number(expected), as_number(given)
    if left is not None and right is not None:
        return left == right
    return _plain(expected) == _plain(given)


def as_number(text: str) -> Fraction | None:
    """``1,234.5``, ``3/4``, ``12%`` or ``$5`` as a number; None for anything else."""
    stripped = text.strip().strip("$€¥£ ").rstrip("%.。 ").replace(",", "").replace(" ", "")
    if not re.fullmatch(r"-?\d{1,400}(?:\.\d{1,400})?(?:/\d{1,400})?", stripped):
        return None
    try:
        return Fraction(stripped)
    except (ValueError, ZeroDivisionError):
        # 1.5/2 is no fraction to Python, and nothing over zero is a number.
        return None


def _chosen(final: str) -> str | None:
    """The letter of a choice: the one an answer begins with or consists of, else the last one in brackets."""
    final = unicodedata.normalize("NFKC", final).strip("*_`$: .")
    if leading := _ALONE.fullmatch(final) or _LEADING.match(final):
        return leading.group(1).upper()
    found = _BRACKETED.findall(final)
    return str(found[-1]) if found else None


def _last_number(text: str) -> str:
    found = _NUMBER.findall(text)
    return str(found[-1]) if found else ""


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().strip().strip("\"'“”‘’.。!！ ")
    return re.sub(r"\s+", " ", text)
