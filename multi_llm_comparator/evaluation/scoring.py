"""Whether an answer is right, by what it ends in: no model is asked.

The final part of an answer is what counts: behind "answer is", in a box, behind the last equals sign, or its last
number. Working that leads there is not held against it.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from multi_llm_comparator.evaluation.datasets import Question

# Longer answers are judged by their end, which is where the conclusion stands.
MAX_JUDGED_CHARS = 20_000
MAX_BOXED_CHARS = 500
_BOX = re.compile(r"\\f?boxed\s*\{")
# What mathematics writes otherwise than arithmetic does.
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{\s*(-?\d{1,40})\s*\}\s*\{\s*(\d{1,40})\s*\}")
_WORDS = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]{0,200})\}")
_MINUS = "\u2212"
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
    if question.choice is not None and (chosen := chosen_letter(final)) is not None:
        return chosen == question.choice
    return question.answer is not None and same_answer(question.answer, last_number(final))


def final_answer(text: str) -> str:
    """The part of an answer that states its result."""
    text = _as_arithmetic(text.strip()[-MAX_JUDGED_CHARS:])
    if boxed := _boxed(text):
        return boxed
    if said := _SAID.findall(text):
        return str(said[-1]).strip().rstrip(".。")
    last_line = text.splitlines()[-1] if text else ""
    _, equals, result = last_line.rpartition("=")
    return (result if equals else last_line).strip().rstrip(".。")


def same_answer(expected: str, given: str) -> bool:
    """Equal as numbers where both are, else as text: case, width, blanks and final stops do not count."""
    expected, given = _as_arithmetic(expected), _as_arithmetic(given)
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


def _as_arithmetic(text: str) -> str:
    """``\\frac{3}{4}`` as ``3/4``, ``\\text{B}`` as ``B``, and the sign of minus as it is typed."""
    return _FRACTION.sub(r"\1/\2", _WORDS.sub(r"\1", text)).replace(_MINUS, "-")


def _boxed(text: str) -> str:
    """What stands in the last box, which may hold braces itself; empty where there is none."""
    found = ""
    for box in _BOX.finditer(text):
        depth = 1
        for at in range(box.end(), min(len(text), box.end() + MAX_BOXED_CHARS)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                found = text[box.end() : at].strip()
                break
    return found


def chosen_letter(final: str) -> str | None:
    """The letter of a choice: the one an answer begins with or consists of, else the last one in brackets."""
    final = unicodedata.normalize("NFKC", final).strip("*_`$: .")
    if leading := _ALONE.fullmatch(final) or _LEADING.match(final):
        return leading.group(1).upper()
    found = _BRACKETED.findall(final)
    return str(found[-1]) if found else None


def last_number(text: str) -> str:
    """The last number in a text as it is written there; empty without one."""
    found = _NUMBER.findall(text)
    # A comma behind it is the sentence's.
    return str(found[-1]).rstrip(",") if found else ""


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().strip().strip("\"'“”‘’.。!！ ")
    return re.sub(r"\s+", " ", text)
