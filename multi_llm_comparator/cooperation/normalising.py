"""From an answer's text to what can be compared with other answers: a number, a choice's letter, or a short text.

Pure functions, for English and Chinese. An answer in which nothing of the kind is found has no ballot: whoever counts
says so, and never guesses.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

AnswerKind = Literal["auto", "number", "choice", "text", "long"]
MAX_SHORT_CHARS = 80
# Of a text, its end is looked through: a model that repeats itself writes no more to be found than this.
_MAX_READ_CHARS = 20_000
_MAX_DIGITS = 60

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.S)
_OPTION = re.compile(r"(?:^|(?<=\s))[(\[]?([A-J])[)\].、:：．]\s*(?=\S)", re.M)
_ASKS_NUMBER = re.compile(
    r"how (?:many|much|far|long|old|often)|calculate|compute|evaluate|what is the (?:sum|product|total|difference|"
    r"value|number|remainder|average|area|volume)|[\d)]\s*[-+*/×÷^%]\s*[\d(]"
    r"|多少|几[个只条元岁天人次年本]|计算|求[出值解和]|等于",
    re.I,
)
_ASKS_YES = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|can|could|should|will|would|has|have|true or false)\b|吗[？?\s]*$|是否|是不是",
    re.I,
)
_SAID = re.compile(
    r"(?:####|\\boxed\s*\{"
    r"|(?:final |correct |best |right |my )?(?:answer|choice|option|result|vote)\s*(?:is|are|would be|[:：=])+"
    r"|(?:最终|正确|最佳|我的)?(?:答案|选项|结果|选择)(?:应该|应当)?(?:是|为|[:：])+"
    r"|(?:我|应该?|故|因此|所以)选(?:择)?|\bI (?:choose|vote for|pick|recommend|would choose)\b)\s*[:：]?",
    re.I,
)
_NUMBER = re.compile(
    r"(?<![\w.])[-−]?[$¥€£￥]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?"
    r"(?:\s*/\s*\d+(?:\.\d+)?)?\s*(?:million\b|billion\b|thousand\b|千万|百万|[万亿千])?"
)
_SCALES = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "千": 10**3,
    "万": 10**4,
    "百万": 10**6,
    "千万": 10**7,
    "亿": 10**8,
}
_HAN_DIGITS = {sign: n for n, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
# Longer ones are no numbers: they would have thousands of digits.
_HAN_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百千万亿]{1,40}(?![零〇一二两三四五六七八九十百千万亿])")
_YES = frozenset(["yes", "yeah", "yep", "true", "correct", "是", "是的", "对", "对的", "正确", "可以", "会", "能"])
_NO = frozenset(
    ["no", "nope", "false", "incorrect", "wrong", "否", "不", "不是", "不对", "错", "错误", "不可以", "不会"]
)
_ARTICLE = re.compile(r"^(?:the|an?)\s+")
_EDGES = " \t\n\r*_`#\"'“”‘’「」《》（）()[]{}<>.,;:!?。，；：！？、~-–—=$\\"


@dataclass(frozen=True, slots=True)
class Ballot:
    """What an answer says, as it is compared (``value``) and as it was written (``shown``)."""

    value: str
    shown: str


def options_of(question: str) -> dict[str, str]:
    """The options that a question offers, by letter: at least two, from A on without a gap; else none."""
    text = unicodedata.normalize("NFKC", question)
    starts: list[re.Match[str]] = []
    for match in _OPTION.finditer(text):
        if match[1] == chr(ord("A") + len(starts)):
            starts.append(match)
    ends = [*(match.start() for match in starts[1:]), len(text)]
    # An option ends with its line, or where the next one begins.
    found = {m[1]: text[m.end() : end].split("\n")[0].strip() for m, end in zip(starts, ends, strict=False)}
    return found if len(found) > 1 else {}


def kind_of(question: str) -> AnswerKind:
    """What answers to a question are compared as: choices where it offers some, numbers where it asks for one, texts
    otherwise."""
    if options_of(question):
        return "choice"
    return "number" if _ASKS_NUMBER.search(unicodedata.normalize("NFKC", question)) else "text"


def ballot_of(answer: str, question: str = "", kind: AnswerKind = "auto") -> Ballot | None:
    """What an answer says.

    Args:
        answer: as a model wrote it; thoughts in ``<think>`` do not count.
        question: what was asked: its options are recognised by their texts too.
        kind: what is looked for; ``auto`` is :func:`kind_of` the question. Where no number stands in an answer that
            was to have one, a short text counts as what it is.

    Returns:
        None where there is nothing to compare: the answer is long, or says nothing.
    """
    kind = kind_of(question) if kind == "auto" else kind
    text = unicodedata.normalize("NFKC", _THOUGHT.sub("", answer))[-_MAX_READ_CHARS:].strip()
    if not text or kind == "long":
        return None
    if kind == "choice":
        return _choice(text, options_of(question))
    if kind == "number" and (number := _final_number(text)) is not None:
        return number
    return _short(text, is_yes_or_no=bool(_ASKS_YES.search(question)))


# --- choices --------------------------------------------------------------------------------------------------------


def _choice(text: str, options: dict[str, str]) -> Ballot | None:
    letters = "".join(options) or "ABCDEFGHIJ"
    letter = rf"[(\[*_\s\"'“]*([{letters}])(?![\w'’])"
    said = [m for found in _SAID.finditer(text) if (m := re.match(letter, text[found.end() :][:40]))]
    alone = re.match(letter, text)
    # Runs of marks have a bound: each of them would be looked through to its end from each of its signs.
    last = re.search(rf"(?:^|\n)[(\[*_\s]{{0,16}}([{letters}])[)\]*_.\s]*$", text)
    # At the beginning the letter A may be an article.
    is_article = alone is not None and alone[1] == "A" and re.match(r"[\s*_(\[]*A\s+[a-z]", text) is not None
    for found in (said[-1] if said else None, None if is_article else alone, last):
        if found is not None:
            return _option(found[1], options)
    plain = _plain(text)
    named = [key for key, option in options.items() if (known := _plain(option)) and known in plain]
    if len(named) == 1:
        return _option(named[0], options)
    lone = set(re.findall(rf"(?<![\w'’])[(\[*]{{0,16}}([{letters}])[)\]*]+", text))
    return _option(lone.pop(), options) if len(lone) == 1 else None


def _option(letter: str, options: dict[str, str]) -> Ballot:
    return Ballot(letter, f"{letter}. {options[letter]}" if letter in options else letter)


# --- numbers --------------------------------------------------------------------------------------------------------


def _final_number(text: str) -> Ballot | None:
    """The number after the last words that announce an answer, else the last one of all."""
    for said in reversed(list(_SAID.finditer(text))):
        if found := _NUMBER.search(text[said.end() :][:120]):
            return _number(found[0])
        if found := _HAN_NUMBER.match(text[said.end() :].lstrip()):
            return Ballot(str(han_number(found[0])), found[0])
    if numbers := _NUMBER.findall(text):
        return _number(numbers[-1])
    whole = text.strip(_EDGES)
    if _HAN_NUMBER.fullmatch(whole):
        return Ballot(str(han_number(whole)), whole)
    return None


def _number(written: str) -> Ballot | None:
    value = number_value(written)
    return None if value is None else Ballot(value, written.strip())


def number_value(written: str) -> str | None:
    """A number as it is compared: ``1,000.0`` and ``1000`` are the same, so are ``0.5``, ``1/2`` and ``.50``; six
    digits count where it has a fraction. None where it is no number, or too long to be one."""
    text = unicodedata.normalize("NFKC", written).replace("−", "-").strip()
    scale = next((n for word, n in sorted(_SCALES.items(), key=lambda s: -len(s[0])) if text.endswith(word)), 1)
    text = re.sub(r"[^\d.eE/+-]", "", re.sub(r"(?:thousand|million|billion)$", "", text))
    if len(text) > _MAX_DIGITS or re.search(r"[eE][-+]?\d{4,}", text):
        return None
    top, _, bottom = text.partition("/")
    try:
        value = Fraction(top) / (Fraction(bottom) if bottom else 1) * scale
    except (ValueError, ZeroDivisionError):
        return None
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def han_number(text: str) -> int:
    """A whole number in Chinese numerals: ``一百二十三`` is 123."""
    total = section = digit = 0
    for sign in text:
        if sign in _HAN_DIGITS:
            digit = _HAN_DIGITS[sign]
        elif sign in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[sign]
            digit = 0
        else:
            total = (total + section + digit) * (10**4 if sign == "万" else 10**8)
            section = digit = 0
    return total + section + digit


# --- short texts ----------------------------------------------------------------------------------------------------


def _short(text: str, *, is_yes_or_no: bool) -> Ballot | None:
    if is_yes_or_no and (word := re.match(r"\W*(\w+)", text)) and (sense := _sense(word[1])):
        return Ballot(sense, word[1])
    if is_yes_or_no and text[:1] in "是对不否":
        return Ballot("no" if text[0] in "不否" else "yes", text[:8])
    said = list(_SAID.finditer(text))
    shown = (text[said[-1].end() :] if said else text).strip().split("\n")[0].rstrip("}").strip(_EDGES)
    if not shown or len(shown) > MAX_SHORT_CHARS or (not said and "\n" in text.strip()):
        return None
    return Ballot(_sense(shown) or _plain(shown), shown)


def _sense(text: str) -> str:
    plain = _plain(text)
    return "yes" if plain in _YES else "no" if plain in _NO else ""


def _plain(text: str) -> str:
    """Without case, marks at the edges, an article, and more than one space in a row."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)
    return _ARTICLE.sub("", words) or words
