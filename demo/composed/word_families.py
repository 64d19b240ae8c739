"""Composed questions about words and facts."""

import random
from collections.abc import Mapping

from demo.composed.arithmetic_families import Drawn, calculate, listing
from demo.composed.question import Draft, Result, Unsuitable
from demo.world.fact_table import ELEMENTS, LEGS, MONTHS, PLANETS, SIDES, rows
from demo.world.item import Language
from demo.world.lexicon import MORE_NOUNS, NOUNS
from demo.world.words import REAL_WORDS, invented_word, plural_of

LONGEST_WORD = 8

Wordings = Mapping[str, Mapping[Language, str]]
"""How an operation is asked for, in each language."""

FIRST_STEP = {
    "reverse": {"en": 'Reverse the word "{w}"', "zh": "把“{w}”倒过来写"},
    "plural": {"en": 'Take the plural of "{w}"', "zh": "取“{w}”的复数"},
    "to English": {"en": "Translate “{w}” into English", "zh": "把“{w}”翻译成英文"},
    "element of number": {"en": "Take the element with atomic number {w}", "zh": ""},
}
NEXT_STEP = {
    "plural": {"en": "take its plural", "zh": "取复数"},
    "reverse": {"en": "reverse it", "zh": "倒过来写"},
    "upper": {"en": "write it in upper case", "zh": "改成大写"},
    "length": {"en": "count its letters", "zh": "数有几个字母"},
    "first": {"en": "take its first letter", "zh": "取第一个字母"},
    "last": {"en": "take its last letter", "zh": "取最后一个字母"},
}
LETTERS = {
    "length": {"en": "How many letters do {l} have together?", "zh": "{l}一共有几个字母？"},
    "plural": {"en": "How many letters do the plurals of {l} have together?", "zh": "{l}的复数一共有几个字母？"},
    "to English": {
        "en": "How many letters do the English words for {l} have together?",
        "zh": "{l}的英文一共有几个字母？",
    },
}
HIGHER = {
    "en": (
        "Which has the higher atomic number, {x} or {y}, and what is the sum of both?",
        "Which of {x} and {y} has the higher atomic number, and what is the sum of both?",
    ),
    "zh": ("{x}和{y}哪个原子序数更大？两者的和是多少？",),
}
ATOMIC_SUM = {
    "en": ("What is the sum of the atomic numbers of {l}?", "Add up the atomic numbers of {l}."),
    "zh": ("{l}的原子序数之和是多少？",),
}
HIGHEST: Wordings = {
    "maximum": {"en": "Which of {l} has the highest atomic number?", "zh": "{l}中哪个原子序数最大？"},
    "minimum": {"en": "Which of {l} has the lowest atomic number?", "zh": "{l}中哪个原子序数最小？"},
}
ATOMIC_SORT: Wordings = {
    "ascending": {
        "en": "Sort the atomic numbers of {l} from smallest to largest.",
        "zh": "把{l}的原子序数从小到大排序。",
    },
    "descending": {
        "en": "Sort the atomic numbers of {l} from largest to smallest.",
        "zh": "把{l}的原子序数从大到小排序。",
    },
}
FURTHER = {
    "en": ("Which is further from the Sun, {x} or {y}?", "Which planet is further from the Sun: {x} or {y}?"),
    "zh": ("{x}和{y}哪个离太阳更远？",),
}
COUNTED = {
    "legs": {"en": "How many legs do {l} have together?", "zh": "{l}一共有几条腿？"},
    "sides": {"en": "How many sides do {l} have together?", "zh": "{l}一共有几条边？"},
    "month days": {"en": "How many days do {l} have together?", "zh": "{l}一共有多少天？"},
}
MEASURE = {"legs": "只", "sides": "个"}


def _word(rng: random.Random, shortest: int = 3) -> str:
    length = rng.randint(shortest, LONGEST_WORD)
    real = [word for word in REAL_WORDS if len(word) == length]
    return rng.choice(real) if rng.random() < 0.6 else invented_word(rng, length)


def word_chain(rng: random.Random, draft: Draft) -> Drawn:
    """One word operation after the other: 'Reverse the word "planet", then write it in upper case.'"""
    language = draft.language
    sources = ["reverse", "reverse", "plural", "to English", *(["element of number"] if language == "en" else [])]
    first = rng.choice(sources)
    given, is_noun = _given(rng, first)
    result = draft.ask(first, given)
    later = ["plural"] if is_noun and rng.random() < 0.3 else []
    if first != "reverse" and rng.random() < 0.6:
        later.append("reverse")
    if not later or rng.random() < 0.8:
        later.append(rng.choice(("upper", "upper", "length", "first", "last")))
    for name in later:
        result = draft.ask(name, result)
        if len(result.value) > LONGEST_WORD + 2:
            raise Unsuitable
    content = f"{given}|{first}|{'|'.join(later)}"
    beginning = FIRST_STEP[first][language].format(w=given)
    if language == "zh":
        return Drawn(f"{beginning}{''.join(f'，再{NEXT_STEP[name][language]}' for name in later)}。", content)
    return Drawn(f"{beginning}{''.join(f', then {NEXT_STEP[name][language]}' for name in later)}.", content)


def _given(rng: random.Random, first: str) -> tuple[str, bool]:
    """What the first step starts from, and whether its result is a noun in the singular."""
    if first == "plural":
        return rng.choice([noun for noun in MORE_NOUNS if len(noun) <= LONGEST_WORD]), False
    if first == "to English":
        return rng.choice(NOUNS).zh, True
    if first == "element of number":
        return rng.choice(rows(ELEMENTS))[3], False
    return _word(rng), False


def letters(rng: random.Random, draft: Draft) -> Drawn:
    """The letters of several words together, of their plurals, or of their translations."""
    language, kind = draft.language, rng.choice(sorted(LETTERS))
    count = rng.choice((2, 2, 3))
    if kind == "to English":
        given = [noun.zh for noun in rng.sample(NOUNS, count)]
    elif kind == "plural":
        given = rng.sample([noun for noun in MORE_NOUNS if len(noun) < LONGEST_WORD], count)
    else:
        given = [_word(rng) for _ in range(count)]
    results = [draft.ask(kind, word) for word in given]
    if kind != "length":
        results = [draft.ask("length", result) for result in results]
    total = _total(draft, results)
    quoted = [f"“{word}”" if language == "zh" or kind == "to English" else f'"{word}"' for word in given]
    return Drawn(LETTERS[kind][language].format(l=listing(quoted, language)), f"{kind}|{'|'.join(given)}", total)


def _total(draft: Draft, results: list[Result]) -> Result:
    total = results[0]
    for result in results[1:]:
        total = calculate(draft, "+", total, result)
    return total


def _name(row: list[str], language: Language) -> str:
    return row[1 if language == "zh" else 0]


def facts(rng: random.Random, draft: Draft) -> Drawn:
    """Atomic numbers of several elements: compared, added up, sorted. Sometimes the places of planets instead."""
    kind = rng.choice(("higher", "higher", "higher", "sum", "sum", "extreme", "extreme", "sort", "sort", "planets"))
    if kind == "planets":
        return _planets(rng, draft)
    count = {"higher": 2, "sum": rng.choice((2, 3))}.get(kind, rng.randint(3, 4))
    chosen = rng.sample(rows(ELEMENTS), count)
    names = [_name(row, draft.language) for row in chosen]
    content = f"{kind}|{'|'.join(row[0] for row in chosen)}"
    results = [draft.ask("atomic number", name) for name in names]
    if kind == "higher":
        draft.join([draft.ask("element of number", draft.ask("larger", *results)), draft.ask("sum", *results)])
        return Drawn(rng.choice(HIGHER[draft.language]).format(x=names[0], y=names[1]), content)
    together = listing(names, draft.language)
    if kind == "sum":
        total = _total(draft, results)
        return Drawn(rng.choice(ATOMIC_SUM[draft.language]).format(l=together), content, total)
    return _ordered(rng, draft, HIGHEST if kind == "extreme" else ATOMIC_SORT, results, together, content)


def _ordered(
    rng: random.Random,
    draft: Draft,
    wordings: Wordings,
    results: list[Result],
    together: str,
    content: str,
) -> Drawn:
    name = rng.choice(sorted(wordings))
    found = draft.ask(name, results)
    if wordings is HIGHEST:
        draft.ask("element of number", found)
    return Drawn(wordings[name][draft.language].format(l=together), f"{name}|{content}")


def _planets(rng: random.Random, draft: Draft) -> Drawn:
    """Which of two planets is further from the Sun."""
    names = [_name(row, draft.language) for row in rng.sample(rows(PLANETS), 2)]
    orders = [draft.ask("planet order", name) for name in names]
    draft.ask("planet of order", draft.ask("larger", *orders))
    text = rng.choice(FURTHER[draft.language]).format(x=names[0], y=names[1])
    return Drawn(text, "|".join(sorted(order.value for order in orders)))


def counted(rng: random.Random, draft: Draft) -> Drawn:
    """Legs of so many animals, sides of so many shapes, days of several months."""
    language, relation = draft.language, rng.choice(("legs", "legs", "sides", "sides", "month days"))
    if relation == "month days":
        return _months(rng, draft)
    chosen = rng.sample(
        [row for row in rows(LEGS if relation == "legs" else SIDES) if row[2] != "0"], rng.choice((2, 2, 3))
    )
    numbers = [rng.randint(2, 9) for _ in chosen]
    each = [draft.ask(relation, _name(row, language)) for row in chosen]
    products = [calculate(draft, "*", result, number) for result, number in zip(each, numbers, strict=True)]
    total = _total(draft, products)
    parts = [
        f"{number}{MEASURE[relation]}{row[1]}" if language == "zh" else f"{number} {plural_of(row[0])}"
        for row, number in zip(chosen, numbers, strict=True)
    ]
    content = "|".join(f"{number} {row[0]}" for row, number in zip(chosen, numbers, strict=True))
    return Drawn(COUNTED[relation][language].format(l=listing(parts, language)), content, total)


def _months(rng: random.Random, draft: Draft) -> Drawn:
    language = draft.language
    chosen = sorted(rng.sample(range(12), rng.choice((2, 3))))
    names = [f"{order + 1}月" if language == "zh" else rows(MONTHS)[order][0] for order in chosen]
    total = _total(draft, [draft.ask("month days", name) for name in names])
    return Drawn(COUNTED["month days"][language].format(l=listing(names, language)), f"months|{chosen}", total)
