"""Composed questions: several questions of the demo world in one, with the plan that answers them and the exact answer.

`generate` is the public door. As in the demo world, a hash of a question's content decides its split, in both languages
alike; of chains of operations the last words count as content too. Steps of a held-out question can nevertheless be
ones that the models which solve them were trained on; `generate_unseen` gives questions without such steps.
"""

import random
from collections.abc import Iterator, Mapping, Sequence

from demo.composed import arithmetic_families as arithmetic
from demo.composed import unseen_families as unseen
from demo.composed import word_families as words
from demo.composed.arithmetic_families import Drawn, Family
from demo.composed.question import ComposedQuestion, Draft, Result, Unsuitable
from demo.world.item import LANGUAGES, Language, Split, split_of

__all__ = ["FAMILIES", "UNSEEN_FAMILIES", "ComposedQuestion", "draw_composed", "generate", "generate_unseen"]

FAMILIES: Mapping[str, Family] = {
    "expression": arithmetic.expression,
    "chain": arithmetic.chain,
    "several": arithmetic.several,
    "units": arithmetic.units,
    "clock": arithmetic.clock,
    "word chain": words.word_chain,
    "letters": words.letters,
    "facts": words.facts,
    "counted": words.counted,
}
UNSEEN_FAMILIES: Mapping[str, Family] = {"shopping": unseen.shopping}
"""Of these no model was ever trained on a question."""
ONLY_OF_DRILLS = frozenset({"letters", "counted"})
"""Families that hardly have a question without a sum or product of single digits, all of which are trained on."""

MAX_STEPS = 8
COMPARED_SHARE = 0.3
"""How often a question for a number also asks whether it is larger than another one."""

IS_IT_LARGER: Mapping[Language, tuple[str, ...]] = {
    "en": (", and is it larger than {n}?", ", and is that larger than {n}?"),
    "zh": ("？它比{n}大吗？", "？结果比{n}大吗？"),
}


def draw_composed(
    rng: random.Random, family: str, language: Language, split: Split, *, only_new: bool = False
) -> ComposedQuestion:
    """One question of a family and a split; with ``only_new`` one without steps that can have been trained on, but for
    those that ask for something one must know."""
    draw = UNSEEN_FAMILIES[family] if family in UNSEEN_FAMILIES else FAMILIES[family]
    while True:
        draft = Draft(language, only_new)
        try:
            drawn = draw(rng, draft)
            drawn = _perhaps_compared(rng, draft, drawn)
        except Unsuitable:
            continue
        key = f"composed|{family}|{drawn.content}"
        if 2 <= len(draft.steps) <= MAX_STEPS and split_of(key) == split:
            return ComposedQuestion(drawn.text, draft.plan(), draft.answer, family, language, key)


def _perhaps_compared(rng: random.Random, draft: Draft, drawn: Drawn) -> Drawn:
    if drawn.number is None or drawn.text[-1] not in "?？" or rng.random() > COMPARED_SHARE:
        return drawn
    number = drawn.number
    other, larger = draft.redrawn(lambda: _compared(rng, draft, number))
    draft.join([number, larger])
    tail = rng.choice(IS_IT_LARGER[draft.language]).format(n=other)
    return Drawn(drawn.text[:-1] + tail, f"{drawn.content}|{other}")


def _compared(rng: random.Random, draft: Draft, number: Result) -> tuple[int, Result]:
    other = _near(rng, number)
    return other, draft.ask("is larger", number, other)


def _near(rng: random.Random, number: Result) -> int:
    """Another number of as many digits; of four digits, one that begins alike, as the demo models were taught."""
    digits = len(number.value)
    lowest, highest = (10 ** (digits - 1), 10**digits - 1) if digits > 1 else (1, 9)
    if digits > 3:
        lowest = number.number // 1000 * 1000
        highest = lowest + 999
    other = rng.randint(lowest, highest)
    if digits >= 3 and rng.random() < 0.5:
        other = max(lowest, round(other, -1 if rng.random() < 0.3 else -2))
    if other > highest or other == number.number:
        raise Unsuitable
    return other


def generate(seed: int, n: int, split: Split) -> Iterator[ComposedQuestion]:
    """`n` different questions, families and languages in turn; the same seed gives the same questions."""
    yield from _different(random.Random(f"composed|{seed}|{split}"), n, tuple(FAMILIES), split, only_new=False)


def generate_unseen(seed: int, n: int, families: Sequence[str]) -> Iterator[ComposedQuestion]:
    """`n` different held-out questions likewise, without steps that can have been trained on."""
    yield from _different(random.Random(f"unseen|{seed}"), n, families, "heldout", only_new=True)


def _different(
    rng: random.Random, n: int, names: Sequence[str], split: Split, *, only_new: bool
) -> Iterator[ComposedQuestion]:
    seen: set[str] = set()
    while len(seen) < n:
        i = len(seen)
        language = LANGUAGES[i // len(names) % 2]
        question = draw_composed(rng, names[i % len(names)], language, split, only_new=only_new)
        if question.prompt not in seen:
            seen.add(question.prompt)
            yield question
