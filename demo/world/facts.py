"""Looking up facts: directly (easy) and backwards (hard)."""

import random
from dataclasses import dataclass

from demo.world.fact_table import (
    CONTINENTS,
    COUNTED,
    COUNTRIES,
    CURRENCIES,
    ELEMENTS,
    LEGS,
    MONTHS,
    PLANETS,
    SIDES,
    rows,
)
from demo.world.item import Difficulty, Item, Language, Phrasings


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: what is asked about and the answer, in each language. `relation` is a key of `PHRASINGS`."""

    relation: str
    subject: dict[Language, str]
    answer: dict[Language, str]


PHRASINGS: dict[str, Phrasings] = {
    "capital": {
        "en": (
            "What is the capital of {s}?",
            "Name the capital of {s}.",
            "What city is the capital of {s}?",
            "Capital of {s}?",
            "Tell me the capital of {s}.",
        ),
        "zh": (
            "{s}的首都是哪里？",
            "{s}的首都是什么？",
            "{s}的首都是哪座城市？",
            "说出{s}的首都。",
            "请问{s}的首都是哪里？",
        ),
    },
    "continent": {
        "en": (
            "On which continent is {s}?",
            "Which continent is {s} in?",
            "What continent does {s} belong to?",
            "Name the continent of {s}.",
        ),
        "zh": ("{s}在哪个洲？", "{s}位于哪个洲？", "{s}属于哪个大洲？", "{s}在哪个大洲？"),
    },
    "symbol": {
        "en": (
            "What is the chemical symbol of {s}?",
            "What is the symbol of {s}?",
            "Give the chemical symbol for {s}.",
            "Which symbol stands for {s}?",
        ),
        "zh": ("{s}的化学符号是什么？", "{s}的元素符号是什么？", "写出{s}的化学符号。", "{s}元素的符号是什么？"),
    },
    "atomic number": {
        "en": (
            "What is the atomic number of {s}?",
            "Give the atomic number of {s}.",
            "Which atomic number does {s} have?",
            "How many protons does {s} have?",
        ),
        "zh": ("{s}的原子序数是多少？", "{s}元素的原子序数是多少？", "写出{s}的原子序数。", "{s}有多少个质子？"),
    },
    "planet order": {
        "en": (
            "Which planet from the Sun is {s}, by number?",
            "What is the position of {s} from the Sun?",
            "Counting from the Sun, which number is {s}?",
            "Give the position of {s} counted from the Sun.",
        ),
        "zh": (
            "{s}是离太阳第几近的行星？",
            "从太阳数起{s}是第几颗行星？",
            "{s}是太阳系的第几颗行星？",
            "{s}离太阳第几近？",
        ),
    },
    "month number": {
        "en": (
            "Which month of the year is {s}, by number?",
            "What is the number of the month {s}?",
            "Give the number of the month {s}.",
            "{s} is which month by number?",
        ),
        "zh": ("{s}是第几个月？", "{s}的英文月份是第几个月？", "{s}是几月？", "{s}是一年中的第几个月？"),
    },
    "month days": {
        "en": (
            "How many days does {s} have?",
            "How many days are there in {s}?",
            "Give the number of days in {s}.",
            "What is the number of days in {s}?",
        ),
        "zh": ("{s}有多少天？", "{s}有几天？", "{s}一共有多少天？", "{s}这个月有多少天？"),
    },
    "legs": {
        "en": (
            "How many legs does a {s} have?",
            "What is the number of legs of a {s}?",
            "Give the number of legs of a {s}.",
            "A {s} has how many legs?",
        ),
        "zh": ("{s}有几条腿？", "一只{s}有几条腿？", "{s}有多少条腿？", "{s}的腿有几条？"),
    },
    "sides": {
        "en": (
            "How many sides does a {s} have?",
            "What is the number of sides of a {s}?",
            "Give the number of sides of a {s}.",
            "A {s} has how many sides?",
        ),
        "zh": ("{s}有几条边？", "一个{s}有几条边？", "{s}有多少条边？", "{s}的边有几条？"),
    },
    "currency": {
        "en": (
            "What is the currency of {s}?",
            "Which currency is used in {s}?",
            "Name the currency of {s}.",
            "What money is used in {s}?",
        ),
        "zh": ("{s}的货币是什么？", "{s}使用什么货币？", "{s}用什么钱？", "说出{s}的货币。"),
    },
    "counted": {
        "en": ("{s}", "Tell me: {s}", "Please answer: {s}", "I want to know: {s}"),
        "zh": ("{s}", "请问，{s}", "请回答：{s}", "我想知道：{s}"),
    },
    "country of capital": {
        "en": (
            "Which country has the capital {s}?",
            "{s} is the capital of which country?",
            "Of which country is {s} the capital?",
            "What country is {s} the capital of?",
        ),
        "zh": (
            "{s}是哪个国家的首都？",
            "哪个国家的首都是{s}？",
            "首都是{s}的国家是哪个？",
            "以{s}为首都的国家是哪个？",
        ),
    },
    "element of symbol": {
        "en": (
            "Which element has the symbol {s}?",
            "What element is {s}?",
            "{s} is the symbol of which element?",
            "Name the element with the symbol {s}.",
        ),
        "zh": ("哪种元素的符号是{s}？", "{s}是什么元素？", "{s}是哪种元素的符号？", "符号是{s}的元素是什么？"),
    },
    "element of number": {
        "en": (
            "Which element has the atomic number {s}?",
            "What is the element with atomic number {s}?",
            "Name the element with atomic number {s}.",
            "Atomic number {s} is which element?",
        ),
        "zh": (
            "哪种元素的原子序数是{s}？",
            "原子序数是{s}的元素是什么？",
            "原子序数{s}是什么元素？",
            "{s}是哪种元素的原子序数？",
        ),
    },
    "planet of order": {
        "en": (
            "Which planet is number {s} from the Sun?",
            "Name planet number {s} from the Sun.",
            "What is planet number {s} of the solar system?",
            "Counting from the Sun, what is planet number {s}?",
        ),
        "zh": (
            "离太阳第{s}近的行星是什么？",
            "从太阳数起第{s}颗行星是什么？",
            "太阳系第{s}颗行星是哪一颗？",
            "第{s}颗行星叫什么？",
        ),
    },
    "month of number": {
        "en": (
            "Which month is month number {s}?",
            "Name month number {s} of the year.",
            "What is month number {s} called?",
            "Month number {s} is which month?",
        ),
        "zh": ("第{s}个月的英文是什么？", "{s}月用英文怎么说？", "{s}月的英文是什么？", "写出{s}月的英文。"),
    },
}


def _both(text: str) -> dict[Language, str]:
    return {"en": text, "zh": text}


def _easy_facts() -> list[Fact]:
    facts: list[Fact] = []
    for en, zh, capital, capital_zh, continent in rows(COUNTRIES):
        country: dict[Language, str] = {"en": en, "zh": zh}
        facts.append(Fact("capital", country, {"en": capital, "zh": capital_zh}))
        facts.append(Fact("continent", country, {"en": continent, "zh": CONTINENTS[continent]}))
    for en, zh, symbol, number in rows(ELEMENTS):
        facts.append(Fact("symbol", {"en": en, "zh": zh}, _both(symbol)))
        facts.append(Fact("atomic number", {"en": en, "zh": zh}, _both(number)))
    for order, (en, zh) in enumerate(rows(PLANETS), start=1):
        facts.append(Fact("planet order", {"en": en, "zh": zh}, _both(str(order))))
    for order, (en, days) in enumerate(rows(MONTHS), start=1):
        facts.append(Fact("month number", _both(en), _both(str(order))))
        facts.append(Fact("month days", {"en": en, "zh": f"{order}月"}, _both(days)))
    for relation, table in (("legs", LEGS), ("sides", SIDES)):
        facts += [Fact(relation, {"en": en, "zh": zh}, _both(number)) for en, zh, number in rows(table)]
    for en, zh, money, money_zh in rows(CURRENCIES):
        facts.append(Fact("currency", {"en": en, "zh": zh}, {"en": money, "zh": money_zh}))
    facts += [Fact("counted", {"en": en, "zh": zh}, _both(number)) for en, zh, number in rows(COUNTED)]
    return facts


INVERSE = {
    "capital": "country of capital",
    "symbol": "element of symbol",
    "atomic number": "element of number",
    "planet order": "planet of order",
    "month number": "month of number",
}
FACTS: dict[Difficulty, list[Fact]] = {"easy": _easy_facts()}
FACTS["hard"] = [Fact(INVERSE[f.relation], f.answer, f.subject) for f in FACTS["easy"] if f.relation in INVERSE]


def draw_fact(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """A fact in one of its phrasings; held out are combinations of a fact, a language and a phrasing."""
    fact = rng.choice(FACTS[difficulty])
    phrasings = PHRASINGS[fact.relation][language]
    index = rng.randrange(len(phrasings))
    subject = fact.subject[language]
    key = f"fact|{fact.relation}|{subject}|{language}|{index}"
    return Item(phrasings[index].format(s=subject), fact.answer[language], "fact", language, difficulty, key)
