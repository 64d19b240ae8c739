"""Numbers in texts, as digits and as words, and which of them a text may say."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# Full-width digits and signs one for one, so that places in the text stay what they are.
_ASCII = str.maketrans("０１２３４５６７８９％．－−–＋", "0123456789%.---+")
_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?")
_SIGN = re.compile(r"(?:^|[\s(（:：=,，、；;])-\s?$")
_PERCENT = re.compile(r"\s?(?:%|percent(?:age points?)?\b|per cent\b|个?百分点)", re.IGNORECASE)
_SCALES = {
    "百万": 1e6,
    "千万": 1e7,
    "万亿": 1e12,
    "万": 1e4,
    "亿": 1e8,
    "千": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "bn": 1e9,
    "k": 1e3,
    "m": 1e6,
    "b": 1e9,
}
_SCALE = re.compile(r"\s?(百万|千万|万亿|万|亿|千|(?:thousand|million|billion|trillion|bn|k|m|b)\b)", re.IGNORECASE)

_CN_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CN_UNITS = {"十": 10, "百": 100, "千": 1000}
_CN = "零〇一二两三四五六七八九十百千万亿"
_CN_PERCENT = re.compile(rf"百分之([{_CN}]+(?:点[{_CN}]+)?)")
_CN_TENTHS = re.compile(r"([一二两三四五六七八九])成([一二三四五六七八九])?(?![为本功员交立熟果就长绩分人年])")
# At least two characters of which one is a unit; "十分" is a word for "very", "千万" for "by all means".
_CN_NUMBER = re.compile(
    rf"[一二两三四五六七八九][十百千][{_CN}]*|十[一二三四五六七八九][万亿]?|[一二两三四五六七八九][万亿][{_CN}]*"
)

# Longer ones are no numbers, but characters of which numbers are made.
MAX_WORDED_CHARS = 40
_TOO_LARGE = 10**300
_EN_SMALL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_EN_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_EN_SMALL = {word: n for n, word in enumerate(_EN_SMALL_WORDS.split())}
_EN_TENS = {word: 10 * n for n, word in enumerate(_EN_TENS_WORDS.split(), start=2)}
_EN_SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_EN_ANY = "|".join((*_EN_TENS, *_EN_SMALL))
_EN_NUMBER = re.compile(
    rf"\b(?:{_EN_ANY})(?:[- ](?:{_EN_ANY}))*(?:[- ](?:and )?(?:hundred|thousand|million|billion|{_EN_ANY}))*\b",
    re.IGNORECASE,
)

# Numbers that are no statement: of a list's lines, and of quoted sources.
# Blanks of its own line alone: lines that are empty would be looked through again from each of them.
_LIST_MARK = re.compile(r"(?m)^[^\S\n]*(?:[-*#>]+[^\S\n]*)?\(?\d{1,2}[.)、）](?=\s|[^\d\s])")
_CITATION = re.compile(r"\[\d{1,4}(?:\s?[,，、]\s?\d{1,4})*\]")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text, from ``start`` to ``end``; the end is that of its percent sign, if it has one.

    ``value`` is what the digits say, with the sign; ``scaled`` counts a following 万, million or k in. ``decimals`` are
    those that were written.
    """

    text: str
    start: int
    end: int
    value: float
    scaled: float
    decimals: int
    is_percent: bool

    @property
    def readings(self) -> tuple[tuple[float, float], ...]:
        """What it may mean: a value, and half of the last place that was written."""
        half = 0.5 * 10.0**-self.decimals
        scale = abs(self.scaled / self.value) if self.value else 1.0
        plain = (abs(self.value), half)
        return (plain,) if scale == 1.0 else (plain, (abs(self.scaled), half * scale))


def plain_digits(text: str) -> str:
    """The text with full-width digits and signs as ASCII; every character keeps its place."""
    return text.translate(_ASCII)


def numbers_in(text: str, *, words: bool = True) -> list[Number]:
    """All numbers of a text in their order; with ``words`` also those written in English or Chinese words."""
    plain = plain_digits(text)
    found = list(_digits(plain))
    if words:
        taken = _marked(text, ((one.start, one.end) for one in found))
        found += [one for one in _worded(text) if not any(taken[one.start : one.end])]
    return sorted(found, key=lambda one: one.start)


def _marked(text: str, spans: Iterable[tuple[int, int]]) -> bytearray:
    """A byte for each character: 1 within a span. Comparing each number with all others would take for ever."""
    marks = bytearray(len(text))
    for start, end in spans:
        marks[start:end] = b"\1" * (end - start)
    return marks


def _digits(plain: str) -> Iterator[Number]:
    for match in _DIGITS.finditer(plain):
        written = match[0].replace(",", "")
        value = float(written)
        if not math.isfinite(value):
            continue
        start, end = match.span()
        if plain[start - 1 : start] == "-" and _SIGN.search(plain[max(0, start - 3) : start]):
            value, start = -value, start - 1
        scale = _SCALE.match(plain, end)
        factor = _SCALES[scale[1].lower()] if scale else 1.0
        percent = _PERCENT.match(plain, end)
        end = percent.end() if percent else end
        decimals = len(written.partition(".")[2])
        yield Number(plain[start:end], start, end, value, value * factor, decimals, percent is not None)


def _worded(text: str) -> Iterator[Number]:
    taken = bytearray(len(text))
    for pattern, read, is_percent in (
        (_CN_PERCENT, lambda m: _chinese(m[1]), True),
        (_CN_TENTHS, lambda m: 10.0 * _CN_DIGITS[m[1]] + _CN_DIGITS.get(m[2] or "", 0), True),
        (_CN_NUMBER, lambda m: _chinese(m[0]), False),
        (_EN_NUMBER, lambda m: _english(m[0]), False),
    ):
        for match in pattern.finditer(text):
            value = read(match)  # type: ignore[no-untyped-call]
            start, end = match.span()
            if value is None or any(taken[start:end]):
                continue
            percent = _PERCENT.match(text, end)
            taken[start:end] = b"\1" * (end - start)
            end = percent.end() if percent else end
            decimals = len(f"{value:g}".partition(".")[2])
            yield Number(text[start:end], start, end, value, value, decimals, is_percent or percent is not None)


def _chinese(text: str) -> float | None:
    if len(text) > MAX_WORDED_CHARS:
        return None
    whole, point, rest = text.partition("点")
    total = section = digit = 0
    for character in whole:
        if character in _CN_DIGITS:
            digit = _CN_DIGITS[character]
        elif character in _CN_UNITS:
            section, digit = section + (digit or 1) * _CN_UNITS[character], 0
        else:
            factor = 10_000 if character == "万" else 100_000_000
            total, section, digit = (total + section + digit) * factor, 0, 0
    value = float(min(total + section + digit, _TOO_LARGE))
    if point:
        if not rest or any(character not in _CN_DIGITS for character in rest):
            return None
        value += float("0." + "".join(str(_CN_DIGITS[character]) for character in rest))
    return value


def _english(text: str) -> float | None:
    """Numbers from eleven on; smaller ones are as often words like "one of them"."""
    total = section = 0.0
    for word in re.split(r"[\s-]+", text.lower()):
        if word in _EN_SCALES and _EN_SCALES[word] == 100:
            section = max(section, 1) * 100
        elif word in _EN_SCALES:
            total, section = total + max(section, 1) * _EN_SCALES[word], 0
        else:
            section += _EN_SMALL.get(word, _EN_TENS.get(word, 0))
    value = total + section
    return value if 11 <= value < _TOO_LARGE else None


class Allowed:
    """The numbers that a text may say: those that were given, and those computed from them.

    A number is let through if some given one becomes it when it is rounded to as many decimals as were written;
    whether it is a percentage must fit. Signs do not count: a fall of 5% is a change of -5%.
    """

    def __init__(self) -> None:
        self._values: dict[bool, list[float]] = {False: [], True: []}
        self._are_sorted = True

    def add_text(self, text: str) -> Allowed:
        """Every number of a text, as it stands and as its unit scales it."""
        for number in numbers_in(text):
            self._values[number.is_percent] += {abs(number.value), abs(number.scaled)}
        self._are_sorted = False
        return self

    def add(self, values: Iterable[float], *, is_percent: bool = False) -> Allowed:
        self._values[is_percent] += [abs(value) for value in values if math.isfinite(value)]
        self._are_sorted = False
        return self

    def has(self, number: Number) -> bool:
        if not self._are_sorted:
            for values in self._values.values():
                values.sort()
            self._are_sorted = True
        kinds = (True,) if number.is_percent else (False, True)
        return any(
            _is_near(self._values[kind], meant, half * (1 + 1e-9) + 1e-9 * abs(meant))
            for meant, half in number.readings
            for kind in kinds
        )


def _is_near(values: Sequence[float], meant: float, reach: float) -> bool:
    """Whether one of some sorted values is within ``reach`` of what is meant."""
    at = bisect_left(values, meant - reach)
    return at < len(values) and values[at] <= meant + reach


@dataclass(frozen=True, slots=True)
class Checked:
    """A text in which every number that was not allowed is struck out (``~~12%~~``), and those numbers."""

    text: str
    struck: tuple[str, ...]
    kept: int


def checked_numbers(text: str, allowed: Allowed) -> Checked:
    """Strike out what is not allowed. Marks of lists and of sources (``2.``, ``[3]``) are no statements."""
    plain = plain_digits(text)
    spans = (match.span() for pattern in (_LIST_MARK, _CITATION) for match in pattern.finditer(plain))
    ignored = _marked(text, spans)
    pieces: list[str] = []
    struck: list[str] = []
    at = kept = 0
    for number in numbers_in(text):
        if all(ignored[number.start : number.end]):
            continue
        if allowed.has(number):
            kept += 1
            continue
        said = text[number.start : number.end]
        pieces += [text[at : number.start], f"~~{said}~~"]
        struck.append(said)
        at = number.end
    return Checked("".join([*pieces, text[at:]]), tuple(struck), kept)
