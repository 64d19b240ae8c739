"""Sums, differences and products of whole numbers."""

import random

from demo.world.item import Difficulty, Item, Language, Phrasings

SUM: Phrasings = {
    "en": (
        "What is {a} + {b}?",
        "{a} + {b} =",
        "{a} + {b}",
        "Calculate {a} + {b}.",
        "What is the sum of {a} and {b}?",
        "Add {a} and {b}.",
        "How much is {a} plus {b}?",
        "Add {b} to {a}.",
        "{a}+{b}=?",
    ),
    "zh": (
        "{a} + {b} 等于多少？",
        "{a}加{b}等于多少？",
        "计算 {a} + {b}。",
        "{a}与{b}的和是多少？",
        "求{a}和{b}的和。",
        "{a}+{b}=？",
        "{a}加上{b}是多少？",
    ),
}
DIFFERENCE: Phrasings = {
    "en": (
        "What is {a} - {b}?",
        "{a} - {b} =",
        "{a} - {b}",
        "Calculate {a} - {b}.",
        "Subtract {b} from {a}.",
        "How much is {a} minus {b}?",
        "{a}-{b}=?",
        "Take {b} away from {a}.",
    ),
    "zh": (
        "{a} - {b} 等于多少？",
        "{a}减{b}等于多少？",
        "计算 {a} - {b}。",
        "{a}减去{b}是多少？",
        "从{a}中减去{b}是多少？",
        "{a}-{b}=？",
    ),
}
DISTANCE: Phrasings = {
    "en": ("What is the difference between {a} and {b}?", "Find the difference of {a} and {b}."),
    "zh": ("{a}和{b}相差多少？", "求{a}与{b}的差。"),
}
"""These ask for the larger minus the smaller, in whichever order the two come."""

PRODUCT: Phrasings = {
    "en": (
        "What is {a} * {b}?",
        "{a} * {b} =",
        "{a} * {b}",
        "Calculate {a} * {b}.",
        "What is the product of {a} and {b}?",
        "Multiply {a} by {b}.",
        "How much is {a} times {b}?",
        "What is {a} x {b}?",
        "{a}*{b}=?",
    ),
    "zh": (
        "{a} * {b} 等于多少？",
        "{a}乘以{b}等于多少？",
        "计算 {a} * {b}。",
        "{a}与{b}的积是多少？",
        "求{a}和{b}的乘积。",
        "{a}*{b}=？",
        "{a} × {b} 是多少？",
    ),
}


def _leading_place(n: int) -> int:
    """The value of a number's first digit: 600 for 678."""
    power: int = 10 ** (len(str(n)) - 1)
    return n // power * power


def added_up(terms: list[int]) -> list[str]:
    """The lines that add `terms` up, one digit at a time: "67 + 58", "117 + 8", "125"."""
    lines = [" + ".join(map(str, terms))]
    while len(terms) > 1:
        first, second, *rest = terms
        place = _leading_place(second)
        terms = [first + place, second - place, *rest] if place < second else [first + second, *rest]
        lines.append(" + ".join(map(str, terms)))
    return lines


def sum_working(a: int, b: int) -> str:
    """`a + b` from the larger one on: "58 + 67 = 117 + 8 = 125". The result follows the last "="."""
    return " = ".join([f"{a} + {b}", *added_up([max(a, b), min(a, b)])[1:]])


def difference_working(a: int, b: int) -> str:
    """`a - b` likewise: "83 - 47 = 43 - 7 = 36", "47 - 83 = -(83 - 47) = -(43 - 7) = -36"."""
    larger, smaller = max(a, b), min(a, b)
    lines = [f"{larger} - {smaller}"]
    while (place := _leading_place(smaller)) < smaller:
        larger, smaller = larger - place, smaller - place
        lines.append(f"{larger} - {smaller}")
    if a < b:
        return " = ".join([f"{a} - {b}", *(f"-({line})" for line in lines), f"-{larger - smaller}"])
    return " = ".join([*lines, str(larger - smaller)])


def _places(n: int) -> list[int]:
    """The values of a number's digits: 600, 70 and 8 for 678."""
    digits = str(n)
    return [int(digit) * 10 ** (len(digits) - 1 - i) for i, digit in enumerate(digits)]


def product_working(a: int, b: int) -> str:
    """`a * b` by partial products, added up: "23 * 17 = 230 + 161 = 330 + 61 = 390 + 1 = 391".

    The second factor is split into its digits, or the first where only that one has several.
    """
    factor, split = (b, a) if b < 10 <= a else (a, b)
    parts = [factor * place for place in _places(split) if factor * place] or [0]
    return " = ".join([f"{a} * {b}", *added_up(parts)])


def product_worked(a: int, b: int) -> str:
    """`a * b` by products of single digits alone: "23 * 17 = 200 + 140 + 30 + 21 = ... = 391"."""
    if a < 10 or b < 10:
        return product_working(a, b)
    parts = [left * right for right in _places(b) for left in _places(a) if left * right] or [0]
    return " = ".join([f"{a} * {b}", *added_up(parts)])


def number_of_digits(rng: random.Random, digits: int) -> int:
    """A uniform number with exactly this many digits (one digit: 0 to 9)."""
    return rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1)


def _operands(rng: random.Random, shapes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Two numbers whose digit counts are one of `shapes`, in either order."""
    pair = [number_of_digits(rng, digits) for digits in rng.choice(shapes)]
    rng.shuffle(pair)
    return pair[0], pair[1]


def sum_key(a: int, b: int) -> str:
    """Sums of single digits are the alphabet of addition: held out, nothing larger could be learnt."""
    return "" if a < 10 and b < 10 else f"sum|{min(a, b)}|{max(a, b)}"


def difference_key(a: int, b: int) -> str:
    return "" if a < 20 and b < 10 else f"difference|{max(a, b)}|{min(a, b)}"


def product_key(a: int, b: int) -> str:
    return "" if a < 10 and b < 10 else f"product|{min(a, b)}|{max(a, b)}"


EASY_SHAPES = ((1, 1), (1, 2), (2, 2), (2, 2), (2, 2), (1, 3))
HARD_SHAPES = ((2, 3), (3, 3), (3, 3), (3, 4))


def draw_sum(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Easy: two digits each at most (or three and one). Hard: three digits, and four."""
    a, b = _operands(rng, EASY_SHAPES if difficulty == "easy" else HARD_SHAPES)
    prompt = rng.choice(SUM[language]).format(a=a, b=b)
    return Item(prompt, sum_working(a, b), "sum", language, difficulty, sum_key(a, b))


def draw_difference(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """As for sums; about one in eight results is negative."""
    a, b = _operands(rng, EASY_SHAPES if difficulty == "easy" else HARD_SHAPES)
    key = difference_key(a, b)
    if rng.random() < 0.25:
        prompt = rng.choice(DISTANCE[language]).format(a=a, b=b)
        return Item(prompt, difference_working(max(a, b), min(a, b)), "difference", language, difficulty, key)
    if a < b and rng.random() < 0.7:
        a, b = b, a
    prompt = rng.choice(DIFFERENCE[language]).format(a=a, b=b)
    return Item(prompt, difference_working(a, b), "difference", language, difficulty, key)


def draw_product(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Easy: one digit by one or two digits. Hard: two by two digits, or three by one."""
    a, b = _operands(rng, ((1, 1), (1, 2), (1, 2), (1, 2)) if difficulty == "easy" else ((2, 2), (2, 2), (1, 3)))
    if rng.random() < 0.05:
        a = rng.choice((0, 1, 10))
    prompt = rng.choice(PRODUCT[language]).format(a=a, b=b)
    worked = product_worked(a, b)
    return Item(prompt, product_working(a, b), "product", language, difficulty, product_key(a, b), worked)
