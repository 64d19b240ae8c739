"""Words letter by letter: reversing, upper and lower case, counting letters, and English plurals."""

import random

from demo.world.item import Difficulty, Item, Language, Phrasings
from demo.world.lexicon import MORE_NOUNS, WORDS

REVERSE: Phrasings = {
    "en": ('Reverse the word "{w}".', 'Write "{w}" backwards.', 'Spell "{w}" backwards.', 'What is "{w}" reversed?'),
    "zh": ("把“{w}”倒过来写。", "将单词“{w}”反过来拼写。", '把"{w}"倒过来写。', "“{w}”倒过来是什么？"),
}
UPPER: Phrasings = {
    "en": (
        'Write "{w}" in upper case.',
        'Convert "{w}" to upper case.',
        'Write "{w}" in capital letters.',
        'Uppercase "{w}".',
    ),
    "zh": ("把“{w}”改成大写。", "用大写字母写“{w}”。", '把"{w}"转换成大写。'),
}
LOWER: Phrasings = {
    "en": ('Write "{w}" in lower case.', 'Convert "{w}" to lower case.', 'Lowercase "{w}".'),
    "zh": ("把“{w}”改成小写。", "用小写字母写“{w}”。", '把"{w}"转换成小写。'),
}
LENGTH: Phrasings = {
    "en": (
        'How many letters are there in "{w}"?',
        'How many letters does "{w}" have?',
        'Count the letters in "{w}".',
        'What is the length of the word "{w}"?',
    ),
    "zh": ("“{w}”有几个字母？", "单词“{w}”有多少个字母？", '数一数"{w}"有几个字母。'),
}
OCCURRENCES: Phrasings = {
    "en": (
        'How many times does the letter "{c}" occur in "{w}"?',
        'How many "{c}" are in "{w}"?',
        'Count the letter "{c}" in "{w}".',
    ),
    "zh": ("“{w}”里有几个“{c}”？", "字母“{c}”在“{w}”中出现几次？"),
}
FIRST: Phrasings = {
    "en": ('What is the first letter of "{w}"?', 'Which letter does "{w}" start with?'),
    "zh": ("“{w}”的第一个字母是什么？", "“{w}”以哪个字母开头？"),
}
LAST: Phrasings = {
    "en": ('What is the last letter of "{w}"?', 'Which letter does "{w}" end with?'),
    "zh": ("“{w}”的最后一个字母是什么？", "“{w}”以哪个字母结尾？"),
}
PLURAL: Phrasings = {
    "en": (
        'What is the plural of "{w}"?',
        'Write the plural of "{w}".',
        'Give the plural form of "{w}".',
        "One {w}, two ...?",
    ),
    "zh": ("“{w}”的复数是什么？", "写出“{w}”的复数形式。", '"{w}"的复数形式是什么？'),
}
IRREGULAR_PLURALS: dict[str, str] = {
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "wolf": "wolves",
    "wife": "wives",
    "fish": "fish",
    "sheep": "sheep",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "hero": "heroes",
    "shelf": "shelves",
    "people": "people",
    "scarf": "scarves",
    "piano": "pianos",
    "radio": "radios",
    "bus": "buses",
    "thief": "thieves",
    "ox": "oxen",
}
"""Learnt by heart: in the training data whatever the hash says, asked in held-out phrasings only."""

REAL_WORDS: tuple[str, ...] = tuple(sorted({w for w in (*WORDS, *MORE_NOUNS) if w.isalpha() and len(w) > 2}))
_PLURAL_NOUNS = tuple(sorted({*MORE_NOUNS} - {*IRREGULAR_PLURALS}))
_SYLLABLE_PARTS = """
b c d f g h j k l m n p r s t v w z br ch cl dr fl gr pl sh sp st th tr
a e i o u a e i o u ea oo ai ou
b d g k l m n p r s t x ll nd nt rk sh st
"""
_ONSETS, _VOWELS, _CODAS = (line.split() for line in _SYLLABLE_PARTS.strip().splitlines())


def plural_of(noun: str) -> str:
    """The English plural by rule, or by heart where the rule fails."""
    if noun in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def invented_word(rng: random.Random, length: int) -> str:
    """A pronounceable word of exactly `length` letters."""
    word = ""
    while len(word) < length:
        word += rng.choice(_ONSETS) + rng.choice(_VOWELS) + (rng.choice(_CODAS) if rng.random() < 0.4 else "")
    return word[:length]


def _word(rng: random.Random, shortest: int, longest: int) -> str:
    """A word of so many letters: a real one in two of five cases."""
    length = rng.randint(shortest, longest)
    if rng.random() < 0.4:
        real = [w for w in REAL_WORDS if len(w) == length]
        if real:
            return rng.choice(real)
    return invented_word(rng, length)


def word_key(word: str) -> str:
    """A word is held out of all that is asked of its letters."""
    return f"word|{word}"


def draw_reverse(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Easy: three to five letters. Hard: six to nine."""
    word = _word(rng, 3, 5) if difficulty == "easy" else _word(rng, 6, 9)
    prompt = rng.choice(REVERSE[language]).format(w=word)
    return Item(prompt, word[::-1], "reverse", language, difficulty, word_key(word))


def draw_case(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Upper case; sometimes lower case. Easy: three to six letters. Hard: seven to ten."""
    word = _word(rng, 3, 6) if difficulty == "easy" else _word(rng, 7, 10)
    if rng.random() < 0.75:
        prompt, answer = rng.choice(UPPER[language]).format(w=word), word.upper()
    else:
        prompt, answer = rng.choice(LOWER[language]).format(w=word.upper()), word
    return Item(prompt, answer, "case", language, difficulty, word_key(word))


def numbered(word: str) -> str:
    """The letters with their places: "c 1, a 2, t 3"."""
    return ", ".join(f"{letter} {place}" for place, letter in enumerate(word, 1))


def counted(word: str, letter: str) -> str:
    """The letters with how many of them, so far, are `letter`: "t 0, r 0, e 1, e 2" for e."""
    return ", ".join(f"{seen} {word[: place + 1].count(letter)}" for place, seen in enumerate(word))


def draw_letters(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """The first or last letter, the number of letters. Hard: of longer words, and how often a letter occurs."""
    word = _word(rng, 3, 6) if difficulty == "easy" else _word(rng, 6, 9)
    kind = rng.choice((LENGTH, LENGTH, FIRST, LAST) if difficulty == "easy" else (LENGTH, OCCURRENCES))
    letter = rng.choice(word) if rng.random() < 0.8 else rng.choice("abcdefghijklmnopqrstuvwxyz")
    answers = {id(FIRST): word[0], id(LAST): word[-1], id(OCCURRENCES): str(word.count(letter))}
    answer = answers.get(id(kind), str(len(word)))
    prompt = rng.choice(kind[language]).format(w=word, c=letter)
    working = {id(LENGTH): numbered(word), id(OCCURRENCES): counted(word, letter)}.get(id(kind))
    worked = f"{working} = {answer}" if working else ""
    return Item(prompt, answer, "letters", language, difficulty, word_key(word), worked)


def draw_plural(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Easy: plurals by rule, of nouns held out whole. Hard: plurals by heart."""
    index = rng.randrange(len(PLURAL[language]))
    if difficulty == "hard":
        noun = rng.choice(sorted(IRREGULAR_PLURALS))
        key = f"plural|{noun}|{language}|{index}"
    else:
        noun = rng.choice(_PLURAL_NOUNS)
        key = word_key(noun)
    return Item(PLURAL[language][index].format(w=noun), plural_of(noun), "plural", language, difficulty, key)
