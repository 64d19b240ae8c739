"""Multiple choice with four options, answered by reading them up to the right one: "A. Rome, B. Paris = B".

The letter stands before its option, so a small model that has written the option first cannot find its way back to it;
reading along in the question's own order, it only ever goes forward.
"""

import random

from demo.world.arithmetic import PRODUCT
from demo.world.facts import FACTS, PHRASINGS
from demo.world.item import Difficulty, Item, Language, Phrasings
from demo.world.lexicon import WORDS

LETTERS = "ABCD"
LAYOUTS: Phrasings = {
    "en": (
        "{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:",
        "{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}",
        "{q}\nA) {a}\nB) {b}\nC) {c}\nD) {d}\nChoose one.",
        "Question: {q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer:",
        "{q} A. {a} B. {b} C. {c} D. {d}",
    ),
    "zh": (
        "{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n答案：",
        "{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}",
        "{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n请选择。",
        "问题：{q}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n答案：",
    ),
}
WANTED: dict[Language, str] = {"en": "Look for: ", "zh": "要找的是: "}
"""Worked out, the right answer is said first, and then looked for among the options."""
MEANING: Phrasings = {"en": ("Which word means {w}?",), "zh": ("哪个词的意思是{w}？",)}
ECHO: Phrasings = {"en": ("Which option is {w}?", "Which letter stands before {w}?"), "zh": ("哪个选项是{w}？",)}
LARGEST: Phrasings = {
    "en": ("Which number is the largest?", "Which of these numbers is the largest?"),
    "zh": ("哪个数最大？", "下面哪个数最大？"),
}
SMALLEST: Phrasings = {
    "en": ("Which number is the smallest?", "Which of these numbers is the smallest?"),
    "zh": ("哪个数最小？", "下面哪个数最小？"),
}


def _fact_question(
    rng: random.Random, language: Language, difficulty: Difficulty = "easy"
) -> tuple[str, str, list[str], str]:
    """Question, right answer, distractors of the same relation, content key."""
    fact = rng.choice(FACTS[difficulty])
    right = fact.answer[language]
    same = sorted({f.answer[language] for f in FACTS[difficulty] if f.relation == fact.relation} - {right})
    while len(same) < 3:
        same.append(str(rng.randint(1, 400)))
    wrong = rng.sample(same, 3)
    question = rng.choice(PHRASINGS[fact.relation][language]).format(s=fact.subject[language])
    return question, right, wrong, f"choice|{fact.relation}|{fact.subject[language]}|{sorted(wrong)}"


def _number_question(rng: random.Random, language: Language) -> tuple[str, str, list[str], str]:
    numbers = rng.sample(range(rng.choice((10, 100, 1000))), 4)
    kind, pick = rng.choice(((LARGEST, max), (SMALLEST, min)))
    right = pick(numbers)
    wrong = [str(n) for n in numbers if n != right]
    return rng.choice(kind[language]), str(right), wrong, f"choice|numbers|{sorted(numbers)}"


def _meaning_question(rng: random.Random, language: Language) -> tuple[str, str, list[str], str]:
    pairs = [(en, zh) if language == "en" else (zh, en) for en, zh in rng.sample(list(WORDS.items()), 4)]
    asked = pairs[0][1]
    question = rng.choice(MEANING[language]).format(w=asked)
    wrong = [word for word, _ in pairs[1:]]
    return question, pairs[0][0], wrong, f"choice|meaning|{asked}|{sorted(wrong)}"


def _echo_question(rng: random.Random, language: Language) -> tuple[str, str, list[str], str]:
    """Which option says a given word: drill for naming the letter of an option, hence without a key."""
    right, *wrong = [en if language == "en" else zh for en, zh in rng.sample(list(WORDS.items()), 4)]
    return rng.choice(ECHO[language]).format(w=right), right, wrong, ""


def _product_question(rng: random.Random, language: Language) -> tuple[str, str, list[str], str]:
    """The times table with near misses."""
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    right = a * b
    wrong = rng.sample([n for n in (right + delta for delta in (-a, -b, -10, -2, -1, 1, 2, 10, a, b)) if n > 0], 3)
    while len(set(wrong)) < 3:
        wrong = [right + delta for delta in rng.sample(range(1, 12), 3)]
    question = rng.choice(PRODUCT[language]).format(a=a, b=b)
    return question, str(right), [str(n) for n in wrong], f"choice|product|{a}|{b}|{sorted(wrong)}"


def draw_choice(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Easy: facts, the largest or smallest number, meanings. Hard: facts asked backwards, the times table."""
    if difficulty == "hard" and rng.random() < 0.6:
        question, right, wrong, key = _fact_question(rng, language, "hard")
    elif difficulty == "hard":
        question, right, wrong, key = _product_question(rng, language)
    else:
        source = rng.choice((_fact_question, _fact_question, _number_question, _meaning_question, _echo_question))
        question, right, wrong, key = source(rng, language)
    place = rng.randrange(4)
    options = dict(zip("abcd", [*wrong[:place], right, *wrong[place:]], strict=True))
    prompt = rng.choice(LAYOUTS[language]).format(q=question, **options)
    read = ", ".join(
        f"{letter}. {option}" for letter, option in zip(LETTERS[: place + 1], options.values(), strict=False)
    )
    worked = f"{WANTED[language]}{right}. {read} = {LETTERS[place]}"
    return Item(prompt, f"{read} = {LETTERS[place]}", "choice", language, difficulty, key, worked)
