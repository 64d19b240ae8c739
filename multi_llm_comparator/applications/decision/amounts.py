"""Money and times in texts, made comparable: by month."""

from __future__ import annotations

import re

from multi_llm_comparator.applications.decision.problem import Money
from multi_llm_comparator.applications.numbers import Number, numbers_in, plain_digits

# Of a period: how many of it are in a month.
_PERIODS = (
    (r"每\s?天|/\s?天|日均|per day|a day|daily|/\s?day", 30.4375),
    (r"每\s?周|/\s?周|per week|a week|weekly|/\s?week|/\s?wk", 4.348),
    (r"每\s?个?月|/\s?月|月费|月均|per month|a month|monthly|/\s?month|/\s?mo\b", 1.0),
    (r"每\s?季度?|/\s?季|per quarter|a quarter|quarterly|/\s?quarter", 1 / 3),
    (r"每\s?年|/\s?年|年费|年均|per year|a year|annual|yearly|/\s?year|/\s?yr|p\.a\.", 1 / 12),
)
_CURRENCY = re.compile(r"人民币|美元|欧元|英镑|日元|元|USD|EUR|GBP|CNY|RMB|JPY|dollars?|euros?|[$€£¥￥]", re.IGNORECASE)
_SAME = {
    "人民币": "元", "cny": "元", "rmb": "元", "¥": "元", "￥": "元", "美元": "$", "usd": "$", "dollar": "$",
    "dollars": "$", "欧元": "€", "eur": "€", "euro": "€", "euros": "€", "英镑": "£", "gbp": "£",
}  # fmt: skip
_TIMES = tuple(
    (re.compile(words, re.IGNORECASE), months)
    for words, months in (
        (r"\s?(?:个)?工作日|\s?(?:business |working )days?", 1 / 21),
        (r"\s?[天日](?!元)|\s?days?", 1 / 30.4375),
        (r"\s?(?:周|个?星期)|\s?weeks?", 1 / 4.348),
        (r"\s?个?月|\s?months?", 1.0),
        (r"\s?个?季度|\s?quarters?", 3.0),
        (r"\s?(?:年|years?)", 12.0),
    )
)
_HALF_YEAR = re.compile(r"半年|half a year", re.IGNORECASE)


def money_in(text: str) -> Money | None:
    """The amount of money in a text: the number beside a currency or a period, else the first; the higher one of a
    range. None where there is none."""
    plain = plain_digits(text)
    found = [one for one in numbers_in(plain) if not one.is_percent]
    near = [one for one in found if _currency_of(plain, one)] or [one for one in found if _has_scale(one)] or found[:1]
    if not near:
        return None
    best = max(near[:2], key=lambda one: abs(one.scaled)) if _is_range(plain, near) else near[0]
    value = abs(best.scaled)
    period = next((n for words, n in _PERIODS if re.search(words, plain, re.IGNORECASE)), None)
    return Money(
        value=value,
        per_month=None if period is None else value * period,
        currency=next((c for one in near if (c := _currency_of(plain, one))), ""),
        text=" ".join(text.split())[:120],
    )


def _currency_of(plain: str, one: Number) -> str:
    around = plain[max(0, one.start - 4) : one.start] + plain[one.end : one.end + 8]
    found = _CURRENCY.search(around)
    return _SAME.get(found[0].lower(), found[0].lower()) if found else ""


def _has_scale(one: Number) -> bool:
    return one.scaled != one.value


def _is_range(plain: str, near: list[Number]) -> bool:
    return len(near) > 1 and bool(re.fullmatch(r"[^\d]{0,6}[-~～至到][^\d]{0,6}", plain[near[0].end : near[1].start]))


def months_in(text: str) -> float | None:
    """A time in a text, in months; the longest one of several. None where there is none."""
    plain = plain_digits(text)
    found = [6.0] if _HALF_YEAR.search(plain) else []
    for one in numbers_in(plain):
        for words, months in _TIMES:
            if words.match(plain, one.end):
                # A year of the calendar is no time span.
                if months == 12.0 and abs(one.value) > 1900:
                    break
                found.append(abs(one.value) * months)
                break
    return max(found, default=None)


def same_terms(one: Money, other: Money) -> tuple[float, float] | None:
    """Both amounts for the same time; None where they cannot be compared."""
    if one.currency and other.currency and one.currency != other.currency:
        return None
    if one.per_month is not None and other.per_month is not None:
        return one.per_month, other.per_month
    return (one.value, other.value) if one.per_month is None and other.per_month is None else None
