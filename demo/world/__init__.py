"""The demo world: everything the demo models are taught, as generated questions with one right answer each.

`generate` is the public door. The split is decided by content (see `item.split_of`), so a held-out question shares
its operands, its word, its phrase or its fact-and-phrasing with no training question, in either language.
"""

import random
from collections.abc import Iterator, Mapping, Sequence

from demo.world.arithmetic import draw_difference, draw_product, draw_sum
from demo.world.choice import draw_choice
from demo.world.facts import draw_fact
from demo.world.item import DIFFICULTIES, LANGUAGES, Difficulty, Draw, Item, Language, Split, split_of
from demo.world.measures import draw_time, draw_units
from demo.world.numbers import draw_compare, draw_extreme, draw_sort
from demo.world.talk import draw_greeting, draw_outside
from demo.world.translate import draw_translation
from demo.world.words import draw_case, draw_letters, draw_plural, draw_reverse

__all__ = ["DIFFICULTIES", "LANGUAGES", "TASKS", "Difficulty", "Item", "Language", "Split", "draw", "generate"]

TASKS: Mapping[str, Draw] = {
    "sum": draw_sum,
    "difference": draw_difference,
    "product": draw_product,
    "compare": draw_compare,
    "extreme": draw_extreme,
    "sort": draw_sort,
    "units": draw_units,
    "time": draw_time,
    "reverse": draw_reverse,
    "case": draw_case,
    "letters": draw_letters,
    "plural": draw_plural,
    "fact": draw_fact,
    "translate": draw_translation,
    "choice": draw_choice,
    "talk": draw_greeting,
    "outside": draw_outside,
}
ONLY_EASY = frozenset({"talk", "outside"})
"""Tasks without a hard half."""


def draw(rng: random.Random, task: str, language: Language, difficulty: Difficulty, split: Split) -> Item:
    """One item of a split. Tasks without a hard half give an easy item."""
    family = TASKS[task]
    wanted: Difficulty = "easy" if task in ONLY_EASY else difficulty
    while True:
        item = family(rng, language, wanted)
        if split_of(item.key) == split:
            return item


def generate(seed: int, n: int, split: Split, tasks: Sequence[str] | None = None) -> Iterator[Item]:
    """`n` items, balanced over tasks, difficulties and languages in turn; the same seed gives the same items."""
    rng = random.Random(f"{seed}|{split}")
    names = tuple(tasks or TASKS)
    for i in range(n):
        turn = i // len(names)
        yield draw(rng, names[i % len(names)], LANGUAGES[turn % 2], DIFFICULTIES[turn // 2 % 2], split)
