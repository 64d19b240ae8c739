"""Composed questions: several questions of the demo world in one, with the plan that answers them and the exact answer.

`generate` is the public door. As in the demo world, a hash of a question's content decides its split, in both languages
alike; of chains of operations the last words count as content too.
"""

import random
from collections.abc import Iterator, Mapping

from demo.composed import arithmetic_families as arithmetic
from demo.composed import word_families as words
from demo.composed.arithmetic_families import Drawn, Family, Unsuitable
from demo.composed.question import ComposedQuestion, Draft, Result
from demo.world.item import LANGUAGES, Language, Split, split_of

__all__ = ["FAMILIES", "ComposedQuestion", "draw_composed", "generate"]

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
MAX_STEPS = 8
COMPARED_SHARE = 0.3
"""How often a question for a number also asks whether it is larger than another one."""

IS_IT_LARGER: Mapping[Language, tuple[str, ...]] = {
    "en": (", and is it larger than {n}?", ", and is that larger than {n}?"),
    "zh": ("？它比{n}大吗？", "？结果比{n}大吗？"),
}


def draw_composed(rng: random.Random, family: str, language: Language, split: Split) -> ComposedQuestion:
    """One question of a family and a split."""
    while True:
        draft = Draft(language)
        try:
            drawn = FAMILIES[family](rng, draft)
            drawn = _perhaps_compared(rng, draft, drawn)
        except Unsuitable:
            continue
        key = f"composed|{family}|{drawn.content}"
        if 2 <= len(draft.steps) <= MAX_STEPS and split_of(key) == split:
            return ComposedQuestion(drawn.text, draft.plan(), draft.answer, family, language, key)


def _perhaps_compared(rng: random.Random, draft: Draft, drawn: Drawn) -> Drawn:
    if drawn.number is None or drawn.text[-1] not in "?？" or rng.random() > COMPARED_SHARE:
        return drawn
    other = _near(rng, drawn.number)
    draft.join([drawn.number, draft.ask("is larger", drawn.number, other)])
    tail = rng.choice(IS_IT_LARGER[draft.language]).format(n=other)
    return Drawn(drawn.text[:-1] + tail, f"{drawn.content}|{other}")


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
    rng = random.Random(f"composed|{seed}|{split}")
    names = tuple(FAMILIES)
    seen: set[str] = set()
    while len(seen) < n:
        i = len(seen)
        question = draw_composed(rng, names[i % len(names)], LANGUAGES[i // len(names) % 2], split)
        if question.prompt not in seen:
            seen.add(question.prompt)
            yield question
