"""Composed questions of families that no model was ever trained on: neither the planner on such questions and plans,
nor the tokenizer on such wordings. Their steps are operations that the models which solve steps were taught."""

import random

from demo.composed.arithmetic_families import Drawn, calculate, listing
from demo.composed.question import Draft, Result
from demo.world.item import Language

GOODS: tuple[tuple[str, str, str], ...] = (
    ("pens", "支", "钢笔"),
    ("books", "本", "书"),
    ("chairs", "把", "椅子"),
    ("lamps", "盏", "灯"),
    ("bottles", "个", "瓶子"),
    ("hats", "顶", "帽子"),
)
"""What is bought: in English, and in Chinese with the word that counts it."""

COST: dict[Language, tuple[str, ...]] = {
    "en": ("Someone buys {l}. How much is to be paid?", "How much do {l} cost?"),
    "zh": ("买{l}，一共要付多少钱？", "{l}一共多少钱？"),
}
CHANGE: dict[Language, str] = {
    "en": "Someone buys {l} and pays with {p}. How much comes back?",
    "zh": "买{l}，付了{p}，应找回多少？",
}


def shopping(rng: random.Random, draft: Draft) -> Drawn:
    """Several goods at so much each: what they cost together, or what comes back of a sum that was paid."""
    language = draft.language
    goods = rng.sample(GOODS, rng.choice((2, 2, 3)))
    bought = [draft.redrawn(lambda: _bought(rng, draft)) for _ in goods]
    parts = [_named(good, count, price, language) for good, (count, price, _) in zip(goods, bought, strict=True)]
    total = bought[0][2]
    for _, _, cost in bought[1:]:
        total = calculate(draft, "+", total, cost)
    content = "|".join(f"{count}*{price}" for count, price, _ in bought)
    together = listing(parts, language)
    if rng.random() < 0.5:
        return Drawn(rng.choice(COST[language]).format(l=together), content)
    paid, _ = draft.redrawn(lambda: _change(rng, draft, total))
    return Drawn(CHANGE[language].format(l=together, p=paid), f"{content}|{paid}")


def _bought(rng: random.Random, draft: Draft) -> tuple[int, int, Result]:
    count, price = rng.randint(2, 9), rng.randint(11, 49)
    return count, price, calculate(draft, "*", count, price)


def _change(rng: random.Random, draft: Draft, total: Result) -> tuple[int, Result]:
    paid = rng.randint(total.number + 1, 999) if total.number < 990 else 999
    return paid, calculate(draft, "-", paid, total)


def _named(good: tuple[str, str, str], count: int, price: int, language: Language) -> str:
    many, measure, zh = good
    return f"单价{price}元的{zh}{count}{measure}" if language == "zh" else f"{count} {many} at {price} each"
