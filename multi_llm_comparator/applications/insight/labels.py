"""Whether labels are times, and units that stand beside names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
_TIME = re.compile(
    rf"""(?xi)
    (?:19|20)\d{{2}} (?:\s?年)? (?: [-/.\s]? (?: \d{{1,2}}月? (?:[-/.\s]?\d{{1,2}}日?)? | [QH][1-4]
        | 第?[一二三四1-4]季度? | (?:上|下)半年 | (?:{_MONTHS})\w* ) )?
    | \d{{1,2}}\s?月 (?:份|\d{{1,2}}日)? | [一二三四五六七八九十]{{1,2}}月份?
    | [QH][1-4] (?:\s?['’]?\d{{2,4}})? | 第?\s?[一二三四1-4]\s?季度 | (?:上|下)半年
    | (?:{_MONTHS})[a-z]*\.? (?:\s?\d{{1,4}})? | \d{{1,2}}\s?(?:{_MONTHS})[a-z]*
    | (?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:day|sday|nesday|rsday|urday)? | (?:周|星期)[一二三四五六日天]
    | (?:week|day|month|year|quarter|w|d|m|y)\s?\d{{1,3}} | 第?\s?\d{{1,3}}\s?(?:周|天|日|个月|年|月|季|期)
    | \d{{1,2}}:\d{{2}}(?::\d{{2}})?
    """
)
_IN_BRACKETS = re.compile(r"\s*[(（\[【]\s*([^()（）\[\]【】]{1,16})\s*[)）\]】]\s*$")
_RATE = re.compile(
    r"(?i)率|比例|占比|满意度|单价|均价|价格|平均|评分|得分|温度|指数|百分|%|\b(?:rate|ratio|share|percent|price|avg|average|mean|"
    r"score|rating|temperature|index|margin)\b"
)


def are_times(labels: Sequence[str]) -> bool:
    """Whether all labels say when: months, quarters, years, dates, days of a week."""
    return len(labels) > 1 and all(_TIME.fullmatch(label.strip()) for label in labels)


def split_unit(name: str) -> tuple[str, str]:
    """``销售额（万元）`` as its name and its unit."""
    found = _IN_BRACKETS.search(name)
    if not found:
        return name.strip(), ""
    return name[: found.start()].strip() or name.strip(), found[1].strip()


def is_rate(name: str, unit: str = "") -> bool:
    """Whether values of this name are averaged, not added."""
    return unit in ("%", "％") or bool(_RATE.search(name))
