"""Composed questions about numbers: nested expressions, chains of operations, sorting results, units and times."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from demo.composed.question import Argument, Draft, Result, Unsuitable
from demo.world.item import Language
from demo.world.measures import CONVERSIONS, Unit

SUM_SIZES = frozenset({(1, 1), (1, 2), (2, 2), (1, 3), (2, 3), (3, 3), (3, 4)})
PRODUCT_SIZES = frozenset({(1, 1), (1, 2), (2, 2), (1, 3)})
"""Digit counts of the operands that the demo models were taught."""

SIGNS = {"+": "sum", "-": "difference", "*": "product"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A question with its plan and the content that decides the split. `number` is the result that a comparison may be
    asked of; `text` ends in a question mark then."""

    text: str
    content: str
    number: Result | None = None


Family = Callable[[random.Random, Draft], Drawn]

CALCULATE = {
    "en": ("What is {e}?", "What is {e}?", "Calculate {e}.", "Work out {e}."),
    "zh": ("{e} 等于多少？", "{e} 是多少？", "计算 {e}。"),
}
COMPARE = {"en": ("Which is larger, {a} or {b}?", "Which is greater: {a} or {b}?"), "zh": ("{a} 和 {b} 哪个大？",)}
EXTREME = {
    "maximum": {"en": "What is the largest of {l}?", "zh": "{l} 中最大的是多少？"},
    "minimum": {"en": "What is the smallest of {l}?", "zh": "{l} 中最小的是多少？"},
}
SORT = {
    "ascending": {"en": "Sort {l} from smallest to largest.", "zh": "把 {l} 从小到大排序。"},
    "descending": {"en": "Sort {l} from largest to smallest.", "zh": "把 {l} 从大到小排序。"},
}
START = {
    "+": {"en": "Add {a} and {b}", "zh": "{a}加{b}"},
    "-": {"en": "Subtract {b} from {a}", "zh": "{a}减{b}"},
    "*": {"en": "Multiply {a} by {b}", "zh": "{a}乘以{b}"},
}
GO_ON = {
    "+": {"en": ", then add {n}", "zh": "，再加{n}"},
    "-": {"en": ", then subtract {n}", "zh": "，再减{n}"},
    "*": {"en": ", then multiply by {n}", "zh": "，再乘以{n}"},
}
TOGETHER = {
    "en": ("How many {t} are {n} {s} and {m} {t} together?", "How many {t} are {n} {s} plus {m} {t}?"),
    "zh": ("{n}{s}和{m}{t}一共是多少{t}？", "{n}{s}加{m}{t}是多少{t}？"),
}
CONVERT = {"en": "Convert {n} {s} to {t}", "zh": "把{n}{s}换算成{t}"}
LATER = {"en": "What time is it {h} hours and {m} minutes after {time}?", "zh": "{time}过{h}小时{m}分钟是几点？"}


def value_of(argument: int | Result) -> int:
    return argument if isinstance(argument, int) else argument.number


def calculate(draft: Draft, sign: str, a: int | Result, b: int | Result) -> Result:
    """Add the step of an operation on two numbers.

    Raises:
        Unsuitable: the demo models were not taught operands of these sizes.
    """
    left, right = value_of(a), value_of(b)
    sizes = tuple(sorted((len(str(left)), len(str(right)))))
    taught = sizes in PRODUCT_SIZES and min(left, right) >= 2 if sign == "*" else sizes in SUM_SIZES
    if not taught or (sign == "-" and left <= right):
        raise Unsuitable
    return draft.ask(SIGNS[sign], a, b)


def listing(parts: list[str], language: Language) -> str:
    """ "a, b and c", in either language."""
    if language == "zh":
        return "、".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(rng: random.Random) -> int:
    return rng.randint(2, 9) if rng.random() < 0.3 else rng.randint(10, 99)


Part = tuple[str, int | Result]
"""A part of an expression: as it is written, and what it comes to."""


def _atom(rng: random.Random, draft: Draft) -> Part:
    n = _number(rng)
    return str(n), n


def _group(rng: random.Random, draft: Draft) -> Part:
    return draft.redrawn(lambda: _drawn_group(rng, draft))


def _drawn_group(rng: random.Random, draft: Draft) -> Part:
    a, b, sign = _number(rng), _number(rng), rng.choice("+-")
    if sign == "-" and a < b:
        a, b = b, a
    return f"({a} {sign} {b})", calculate(draft, sign, a, b)


def _product(rng: random.Random, draft: Draft) -> Part:
    return draft.redrawn(lambda: _drawn_product(rng, draft))


def _drawn_product(rng: random.Random, draft: Draft) -> Part:
    parts = [rng.choice((_atom, _group))(rng, draft) for _ in range(2)]
    (left, a), (right, b) = parts
    return f"{left} * {right}", calculate(draft, "*", a, b)


def _and_another(rng: random.Random, draft: Draft, result: int | Result) -> tuple[str, Result]:
    right, b = rng.choice((_atom, _group, _product))(rng, draft)
    sign = rng.choice("+-")
    return f" {sign} {right}", calculate(draft, sign, result, b)


def expression(rng: random.Random, draft: Draft) -> Drawn:
    """A nested expression: "(23 + 48) * (17 - 9)", "12 * 7 + 5 * (30 - 8)"."""
    text, result = rng.choice((_product, _product, _group))(rng, draft)
    if rng.random() < 0.6 or len(draft.steps) < 2:
        more, result = draft.redrawn(lambda: _and_another(rng, draft, result))
        text += more
    if len(draft.steps) < 2:
        raise Unsuitable
    assert isinstance(result, Result)
    phrasing = rng.choice(CALCULATE[draft.language])
    return Drawn(phrasing.format(e=text), text, result)


def chain(rng: random.Random, draft: Draft) -> Drawn:
    """One operation after the other: "Add 23 and 48, then multiply by 6, then subtract 17." """
    language = draft.language
    text, content, result = draft.redrawn(lambda: _started(rng, draft))
    text += _go_on(rng, draft, result, rng.randint(1, 4))
    return Drawn(_ended(text, language), content + text[-9:])


def _started(rng: random.Random, draft: Draft) -> tuple[str, str, Result]:
    a, b, sign = _number(rng), _number(rng), rng.choice("+-*")
    return START[sign][draft.language].format(a=a, b=b), f"{a}{sign}{b}", calculate(draft, sign, a, b)


def _go_on(rng: random.Random, draft: Draft, result: Result, times: int) -> str:
    text = ""
    for _ in range(times):
        more, result = draft.redrawn(partial(_next, rng, draft, result))
        text += more
    return text


def _next(rng: random.Random, draft: Draft, result: Result) -> tuple[str, Result]:
    sign, n = rng.choice("+-*"), _number(rng)
    return GO_ON[sign][draft.language].format(n=n), calculate(draft, sign, result, n)


def _ended(text: str, language: Language) -> str:
    return f"{text}。" if language == "zh" else f"{text}."


def _small(rng: random.Random, draft: Draft) -> Part:
    """An operation with a result of at most two digits."""
    return draft.redrawn(lambda: _drawn_small(rng, draft))


def _drawn_small(rng: random.Random, draft: Draft) -> Part:
    sign = rng.choice("+-*")
    a, b = (rng.randint(2, 9), rng.randint(2, 30)) if sign == "*" else (rng.randint(10, 80), rng.randint(2, 60))
    result = calculate(draft, sign, a, b)
    if result.number > 99:
        raise Unsuitable
    return f"{a} {sign} {b}", result


def several(rng: random.Random, draft: Draft) -> Drawn:
    """Results to be sorted, or the largest or smallest of them."""
    language = draft.language
    parts = [_small(rng, draft) for _ in range(rng.choice((2, 3, 3, 4, 5)))]
    texts, results = [text for text, _ in parts], [result for _, result in parts if isinstance(result, Result)]
    if len({r.value for r in results}) < len(results):
        raise Unsuitable
    content = "|".join(texts)
    if len(parts) == 2:
        draft.ask("larger", *results)
        return Drawn(rng.choice(COMPARE[language]).format(a=texts[0], b=texts[1]), content)
    wordings = {**EXTREME, **SORT, **SORT} if rng.random() < 0.4 else SORT
    name = rng.choice(sorted(wordings))
    draft.ask(name, results)
    return Drawn(wordings[name][language].format(l=listing(texts, language)), f"{name}|{content}")


def _amounts(rng: random.Random, factor: int) -> int:
    return rng.randint(2, 9 if factor == 1000 else 12)


def _names(source: Unit, target: Unit, language: Language) -> dict[str, str]:
    return {"s": source.zh, "t": target.zh} if language == "zh" else {"s": source.many, "t": target.many}


def units(rng: random.Random, draft: Draft) -> Drawn:
    """A conversion whose result is used further: "How many metres are 3 kilometres and 250 metres together?" """
    language = draft.language
    source, target, factor = rng.choice(CONVERSIONS)
    n = _amounts(rng, factor)
    result = draft.ask(f"{source.many} to {target.many}", n)
    names, content = _names(source, target, language), f"{source.one}|{target.one}|{n}"
    if rng.random() < 0.4:
        text = CONVERT[language].format(n=n, **names) + _go_on(rng, draft, result, rng.randint(1, 2))
        return Drawn(_ended(text, language), content + text[-9:])
    m = rng.randint(100, 999) if factor == 1000 else rng.randint(3, 99)
    total = calculate(draft, "+", result, m)
    return Drawn(rng.choice(TOGETHER[language]).format(n=n, m=m, **names), f"{content}|{m}", total)


def clock(rng: random.Random, draft: Draft) -> Drawn:
    """A time of day some hours and minutes later."""
    hour, minute = rng.randint(0, 17), rng.randrange(0, 60, 5)
    h, m = rng.randint(2, 5), rng.randint(2, 59)
    time = f"{hour:02d}:{minute:02d}"
    later: Argument = draft.ask("hours later", h, time)
    draft.ask("minutes later", m, later)
    return Drawn(LATER[draft.language].format(h=h, m=m, time=time), f"{time}|{h}|{m}")
