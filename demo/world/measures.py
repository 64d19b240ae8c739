"""Units of length, mass, volume and duration, and the time of day."""

import random
from dataclasses import dataclass

from demo.world.arithmetic import added_up, difference_working, product_worked, product_working, sum_working
from demo.world.item import Difficulty, Item, Language, Phrasings


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's names; `symbol` is empty where none is in common use."""

    one: str
    many: str
    zh: str
    symbol: str = ""


KILOMETRE = Unit("kilometre", "kilometres", "千米", "km")
METRE = Unit("metre", "metres", "米", "m")
CENTIMETRE = Unit("centimetre", "centimetres", "厘米", "cm")
MILLIMETRE = Unit("millimetre", "millimetres", "毫米", "mm")
TONNE = Unit("tonne", "tonnes", "吨", "t")
KILOGRAM = Unit("kilogram", "kilograms", "千克", "kg")
GRAM = Unit("gram", "grams", "克", "g")
LITRE = Unit("litre", "litres", "升", "l")
MILLILITRE = Unit("millilitre", "millilitres", "毫升", "ml")
YEAR = Unit("year", "years", "年")
MONTH = Unit("month", "months", "个月")
WEEK = Unit("week", "weeks", "周")
DAY = Unit("day", "days", "天")
HOUR = Unit("hour", "hours", "小时", "h")
MINUTE = Unit("minute", "minutes", "分钟", "min")
SECOND = Unit("second", "seconds", "秒", "s")

CONVERSIONS: tuple[tuple[Unit, Unit, int], ...] = (
    (KILOMETRE, METRE, 1000),
    (METRE, CENTIMETRE, 100),
    (CENTIMETRE, MILLIMETRE, 10),
    (METRE, MILLIMETRE, 1000),
    (TONNE, KILOGRAM, 1000),
    (KILOGRAM, GRAM, 1000),
    (LITRE, MILLILITRE, 1000),
    (YEAR, MONTH, 12),
    (WEEK, DAY, 7),
    (DAY, HOUR, 24),
    (HOUR, MINUTE, 60),
    (MINUTE, SECOND, 60),
)
CONVERT: Phrasings = {
    "en": (
        "How many {target} are there in {n} {source}?",
        "How many {target} are {n} {source}?",
        "Convert {n} {source} to {target}.",
        "What is {n} {source} in {target}?",
        "{n} {source} in {target}",
    ),
    "zh": (
        "{n}{source}等于多少{target}？",
        "{n}{source}是多少{target}？",
        "把{n}{source}换算成{target}。",
        "{n}{source}有多少{target}？",
    ),
}
CONVERT_SYMBOLS: Phrasings = {
    "en": ("Convert {n} {source} to {target}.", "What is {n} {source} in {target}?", "{n} {source} = ? {target}"),
    "zh": ("{n} {source} 等于多少 {target}？", "把 {n} {source} 换算成 {target}。", "{n} {source} = ? {target}"),
}
LATER_MINUTES: Phrasings = {
    "en": (
        "What time is it {n} minutes after {time}?",
        "What time is {n} minutes later than {time}?",
        "{time} plus {n} minutes",
    ),
    "zh": ("{time}过{n}分钟是几点？", "{time}之后{n}分钟是几点？", "{time}再加{n}分钟是几点？"),
}
EARLIER_MINUTES: Phrasings = {
    "en": ("What time is it {n} minutes before {time}?", "{time} minus {n} minutes"),
    "zh": ("{time}之前{n}分钟是几点？", "{time}的{n}分钟前是几点？"),
}
LATER_HOURS: Phrasings = {
    "en": ("What time is it {n} hours after {time}?", "{time} plus {n} hours"),
    "zh": ("{time}过{n}小时是几点？", "{time}之后{n}小时是几点？"),
}
EARLIER_HOURS: Phrasings = {
    "en": ("What time is it {n} hours before {time}?", "{time} minus {n} hours"),
    "zh": ("{time}之前{n}小时是几点？", "{time}的{n}小时前是几点？"),
}
BETWEEN: Phrasings = {
    "en": ("How many minutes are there from {time} to {end}?", "How many minutes are between {time} and {end}?"),
    "zh": ("从{time}到{end}有多少分钟？", "{time}到{end}是多少分钟？"),
}


def _unit_name(unit: Unit, n: int, language: Language, symbols: bool) -> str:
    if symbols:
        return unit.symbol
    if language == "zh":
        return unit.zh
    return unit.one if n == 1 else unit.many


def _conversion_prompt(rng: random.Random, source: Unit, target: Unit, n: int, language: Language) -> str:
    symbols = bool(source.symbol and target.symbol) and rng.random() < 0.35
    phrasing = rng.choice((CONVERT_SYMBOLS if symbols else CONVERT)[language])
    # "How many metres": the target is plural whatever the amount is.
    return phrasing.format(
        n=n, source=_unit_name(source, n, language, symbols), target=_unit_name(target, 2, language, symbols)
    )


def units_key(source: Unit, target: Unit, n: int) -> str:
    return f"units|{source.one}|{target.one}|{n}"


def draw_units(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """A conversion; the answer is the bare number, behind the working where the factor is no power of ten.

    Easy: to the smaller unit, small amounts. Hard: larger amounts of 7, 12, 24 or 60, and to the larger unit.
    """
    source, target, factor = rng.choice(CONVERSIONS)
    decimal = factor in (10, 100, 1000)
    if difficulty == "hard" and (decimal or rng.random() < 0.3):
        n = rng.randint(1, 60 if decimal else 12)
        key = units_key(target, source, n)
        prompt = _conversion_prompt(rng, target, source, n * factor, language)
        return Item(prompt, str(n), "units", language, difficulty, key)
    smallest, largest = (13, 60) if difficulty == "hard" else (1, 99) if decimal else (1, 12)
    n = rng.randint(smallest, largest)
    answer = str(n * factor) if decimal else product_working(n, factor)
    worked = "" if decimal else product_worked(n, factor)
    key = units_key(source, target, n)
    prompt = _conversion_prompt(rng, source, target, n, language)
    return Item(prompt, answer, "units", language, difficulty, key, worked)


def _clock(minutes: int) -> str:
    """Minutes since midnight (any day) as "HH:MM"."""
    minutes %= 24 * 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _time_working(start: int, minutes: int) -> str:
    """A time plus or minus less than an hour, by way of the full hour: "10:45 + 35 = 11:00 + 20 = 11:20"."""
    past = start % 60
    full = start - past + (60 if minutes > 0 else 0)
    rest = start + minutes - full
    sign = "+" if minutes > 0 else "-"
    if abs(rest) >= abs(minutes) or rest * minutes <= 0:
        return _clock(start + minutes)
    return f"{_clock(start)} {sign} {abs(minutes)} = {_clock(full)} {sign} {abs(rest)} = {_clock(start + minutes)}"


def _time_worked(start: int, minutes: int) -> str:
    """The minutes on their own, then the hour: "10:45 + 35: 45 + 35 = 75 + 5 = 80, 80 - 60 = 20 = 11:20"."""
    past, end = start % 60, start + minutes
    if minutes > 0:
        lines = [f"{_clock(start)} + {minutes}: {sum_working(past, minutes)}"]
        if past + minutes >= 60:
            lines.append(f"{past + minutes} - 60 = {past + minutes - 60}")
    else:
        lines = [f"{_clock(start)} - {-minutes}: "]
        borrowed = past if past + minutes >= 0 else past + 60
        if borrowed > past:
            lines = [f"{_clock(start)} - {-minutes}: {past} + 60 = {borrowed}", ""]
        lines[-1] += difference_working(borrowed, -minutes)
    return f"{', '.join(lines)} = {_clock(end)}"


def _hours_worked(start: int, hours: int) -> str:
    """The hour on its own, a day more where it falls short: "03:20 - 5: 3 + 24 = 27, 27 - 5 = 22 = 22:20"."""
    hour = start // 60
    sign, size = ("+", hours) if hours > 0 else ("-", -hours)
    first = f"{_clock(start)} {sign} {size}: "
    if hour + hours < 0:
        first += f"{hour} + 24 = {hour + 24}, "
        hour += 24
    return f"{first}{hour} {sign} {size} = {hour + hours} = {_clock(start + hours * 60)}"


def _between_worked(start: int, end: int) -> str:
    """Whole hours in minutes, and the minutes of both: "12 - 10 = 2, 2 * 60 = 120, 120 + 20 = 140, 140 - 50 = 90"."""
    hours = end // 60 - start // 60
    late, early = end % 60, start % 60
    first = f"{end // 60} - {start // 60} = {hours}, {hours} * 60 = {hours * 60}"
    added = hours * 60 + late
    return f"{first}, {hours * 60} + {late} = {added}, {difference_working(added, early)}"


def _minutes_between_working(start: int, end: int) -> str:
    """The minutes to the full hour, of the full hours and past the last one: "10 + 60 + 20 = 70 + 20 = 90"."""
    before, past = -start % 60, end % 60
    hours = [60] * ((end - past - start - before) // 60)
    if end - start < 60 and start // 60 == end // 60:
        return str(end - start)
    return " = ".join(added_up([part for part in (before, *hours, past) if part]))


def time_key(start: int, end: int) -> str:
    """Of two times in minutes since midnight."""
    return f"time|{_clock(start)}|{_clock(end)}"


def draw_time(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """The time of day after or before a while (24 hours), and the minutes between two times.

    Easy: whole hours, or minutes within the hour. Hard: minutes that carry into another hour, past midnight too.
    """
    start = rng.randrange(24 * 60)
    if difficulty == "easy":
        hour, minute = divmod(start, 60)
        if rng.random() < 0.5:
            n, phrasings = rng.randint(1, 5), LATER_HOURS
            start, end = (hour % 18) * 60 + minute, (hour % 18 + n) * 60 + minute
        else:
            minute -= minute % 5
            start, n, phrasings = hour * 60 + minute, rng.randint(1, 59 - minute), LATER_MINUTES
            end = start + n
    else:
        kind = rng.randrange(4)
        n = rng.choice((5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, rng.randint(1, 59)))
        if kind == 0:
            end, phrasings = start + n, LATER_MINUTES
        elif kind == 1:
            end, phrasings = start - n, EARLIER_MINUTES
        elif kind == 2:
            n = rng.randint(1, 12)
            end, phrasings = start - n * 60, EARLIER_HOURS
        else:
            start -= start % 5
            n, phrasings = 5 * rng.randint(1, 24), BETWEEN
            end = start + n
    key = time_key(start, end)
    prompt = rng.choice(phrasings[language]).format(n=n, time=_clock(start), end=_clock(end))
    if phrasings is BETWEEN:
        answer, worked = _minutes_between_working(start, end), _between_worked(start, end)
    elif phrasings in (LATER_MINUTES, EARLIER_MINUTES):
        answer, worked = _time_working(start, end - start), _time_worked(start, end - start)
    else:
        answer, worked = _clock(end), _hours_worked(start, (end - start) // 60)
    return Item(prompt, answer, "time", language, difficulty, key, worked)
