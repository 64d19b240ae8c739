"""Comparing two numbers; the smallest, the largest and the order of several."""

import random
from collections.abc import Iterable

from demo.world.arithmetic import number_of_digits
from demo.world.item import Difficulty, Item, Language, Phrasings

LARGER: Phrasings = {
    "en": (
        "Which is larger, {a} or {b}?",
        "Which number is bigger: {a} or {b}?",
        "Which is greater, {a} or {b}?",
        "What is the larger of {a} and {b}?",
    ),
    "zh": ("{a}和{b}哪个大？", "{a}和{b}，哪个更大？", "{a} 与 {b} 哪个数大？", "{a}和{b}中较大的是哪个？"),
}
SMALLER: Phrasings = {
    "en": (
        "Which is smaller, {a} or {b}?",
        "Which number is less: {a} or {b}?",
        "What is the smaller of {a} and {b}?",
    ),
    "zh": ("{a}和{b}哪个小？", "{a}和{b}，哪个更小？", "{a} 与 {b} 哪个数小？", "{a}和{b}中较小的是哪个？"),
}
IS_LARGER: Phrasings = {
    "en": ("Is {a} larger than {b}?", "Is {a} greater than {b}?", "Is {a} more than {b}?", "Is {a} bigger than {b}?"),
    "zh": ("{a}比{b}大吗？", "{a}大于{b}吗？", "{a} 比 {b} 大吗？", "{a}是否大于{b}？"),
}
IS_SMALLER: Phrasings = {
    "en": ("Is {a} smaller than {b}?", "Is {a} less than {b}?"),
    "zh": ("{a}比{b}小吗？", "{a}小于{b}吗？", "{a}是否小于{b}？"),
}
IS_EQUAL: Phrasings = {
    "en": ("Is {a} equal to {b}?", "Are {a} and {b} equal?"),
    "zh": ("{a}等于{b}吗？", "{a}和{b}相等吗？"),
}
MAXIMUM: Phrasings = {
    "en": (
        "What is the largest of {list}?",
        "Which of these numbers is the largest: {list}?",
        "Find the maximum of {list}.",
        "What is the biggest number in {list}?",
    ),
    "zh": ("{list} 中最大的是哪个？", "下面哪个数最大：{list}", "求 {list} 的最大值。", "找出最大的数：{list}"),
}
MINIMUM: Phrasings = {
    "en": (
        "What is the smallest of {list}?",
        "Which of these numbers is the smallest: {list}?",
        "Find the minimum of {list}.",
        "What is the smallest number in {list}?",
    ),
    "zh": ("{list} 中最小的是哪个？", "下面哪个数最小：{list}", "求 {list} 的最小值。", "找出最小的数：{list}"),
}
ASCENDING: Phrasings = {
    "en": (
        "Sort {list} from smallest to largest.",
        "Sort these numbers in ascending order: {list}",
        "Put {list} in ascending order.",
        "Sort {list}.",
    ),
    "zh": ("把 {list} 从小到大排序。", "将这些数按升序排列：{list}", "从小到大排列：{list}"),
}
DESCENDING: Phrasings = {
    "en": (
        "Sort {list} from largest to smallest.",
        "Sort these numbers in descending order: {list}",
        "Put {list} in descending order.",
    ),
    "zh": ("把 {list} 从大到小排序。", "将这些数按降序排列：{list}", "从大到小排列：{list}"),
}
YES: dict[Language, str] = {"en": "Yes", "zh": "是"}
NO: dict[Language, str] = {"en": "No", "zh": "不是"}
EQUAL: dict[Language, str] = {"en": "They are equal", "zh": "一样大"}


def _pair(rng: random.Random, difficulty: Difficulty) -> tuple[int, int]:
    """Easy: up to three digits. Hard: three or four that agree at the front, so that a late digit decides."""
    if difficulty == "easy":
        return number_of_digits(rng, rng.choice((1, 2, 2, 3))), number_of_digits(rng, rng.choice((1, 2, 2, 3)))
    digits = rng.randint(3, 4)
    a = rng.randint(10 ** (digits - 1), 10**digits - 1)
    place = 10 ** rng.randint(0, digits - 2)
    return a, a // (place * 10) * (place * 10) + rng.randint(0, place * 10 - 1)


def compared(a: int, b: int) -> str:
    """Two numbers digit by digit as far as it takes: "4 4, 3 3, 1 7, 4312 < 4378"; the shorter one gets zeros."""
    width = max(len(str(a)), len(str(b)))
    pairs = list(zip(str(a).zfill(width), str(b).zfill(width), strict=True))
    differing = next((place for place, (x, y) in enumerate(pairs) if x != y), width - 1)
    sign = "<" if a < b else ">" if a > b else "="
    return ", ".join([*(f"{x} {y}" for x, y in pairs[: differing + 1]), f"{a} {sign} {b}"])


def sort_worked(numbers: list[int], descending: bool) -> str:
    """The list with one number after the other put in its place: "72 = 18, 72 = 18, 54, 72"."""
    taken = (sorted(numbers[: count + 1], reverse=descending) for count in range(len(numbers)))
    return " = ".join(", ".join(map(str, some)) for some in taken)


def compare_key(a: int, b: int) -> str:
    return "" if a < 10 and b < 10 else f"compare|{min(a, b)}|{max(a, b)}"


def list_key(numbers: Iterable[int]) -> str:
    return "list|" + "|".join(map(str, sorted(numbers)))


def draw_compare(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Which of two numbers is larger or smaller, and yes/no questions about it."""
    a, b = _pair(rng, difficulty)
    if rng.random() < 0.04:
        b = a
    key = compare_key(a, b)
    kind = rng.choice((LARGER, LARGER, SMALLER, IS_LARGER, IS_LARGER, IS_SMALLER, IS_EQUAL))
    if kind is IS_EQUAL and rng.random() < 0.4:
        b = a
    if kind is LARGER or kind is SMALLER:
        chosen = max(a, b) if kind is LARGER else min(a, b)
        answer = EQUAL[language] if a == b else str(chosen)
    else:
        truth = a == b if kind is IS_EQUAL else a > b if kind is IS_LARGER else a < b
        answer = YES[language] if truth else NO[language]
    prompt, worked = rng.choice(kind[language]).format(a=a, b=b), f"{compared(a, b)} = {answer}"
    return Item(prompt, answer, "compare", language, difficulty, key, worked)


def _numbers(rng: random.Random, difficulty: Difficulty) -> list[int]:
    """Distinct numbers up to two digits. Easy: three or four, often single digits. Hard: five or six."""
    if difficulty == "easy":
        return rng.sample(range(rng.choice((10, 100, 100))), rng.randint(3, 4))
    return rng.sample(range(100), rng.randint(5, 6))


def _listed(rng: random.Random, numbers: list[int], language: Language) -> str:
    return ("、" if language == "zh" and rng.random() < 0.5 else ", ").join(map(str, numbers))


def draw_extreme(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """The largest or smallest of a list."""
    numbers = _numbers(rng, difficulty)
    kind, answer = rng.choice(((MAXIMUM, max(numbers)), (MINIMUM, min(numbers))))
    prompt = rng.choice(kind[language]).format(list=_listed(rng, numbers, language))
    return Item(prompt, str(answer), "extreme", language, difficulty, list_key(numbers))


def draw_sort(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """A list in ascending or descending order, written "3, 15, 22"."""
    numbers = _numbers(rng, difficulty)
    descending = rng.random() < 0.4
    kind = DESCENDING if descending else ASCENDING
    prompt = rng.choice(kind[language]).format(list=_listed(rng, numbers, language))
    answer = ", ".join(map(str, sorted(numbers, reverse=descending)))
    worked = sort_worked(numbers, descending)
    return Item(prompt, answer, "sort", language, difficulty, list_key(numbers), worked)
