"""Translation between English and Chinese: single words (easy) and short phrases (hard)."""

import random

from demo.world.item import Difficulty, Item, Language, Phrasings
from demo.world.lexicon import ADJECTIVES, COUNTS, NOUNS, PRONOUNS, VERBS, WORDS, Noun

TO_CHINESE: Phrasings = {
    "en": (
        'Translate "{t}" into Chinese.',
        "Translate into Chinese: {t}",
        'What is "{t}" in Chinese?',
        'How do you say "{t}" in Chinese?',
        "Translate to Chinese: {t}",
    ),
    "zh": ("把“{t}”翻译成中文。", "翻译成中文：{t}", "“{t}”用中文怎么说？", "“{t}”的中文是什么？", "“{t}”是什么意思？"),
}
TO_ENGLISH: Phrasings = {
    "en": (
        "Translate “{t}” into English.",
        "Translate into English: {t}",
        'What is "{t}" in English?',
        'How do you say "{t}" in English?',
        "Translate to English: {t}",
    ),
    "zh": ("把“{t}”翻译成英文。", "翻译成英文：{t}", "“{t}”用英语怎么说？", "“{t}”的英文是什么？", "把{t}翻译成英语。"),
}


def _phrase(rng: random.Random) -> tuple[str, str]:
    """A composed phrase or sentence, English and Chinese."""
    noun: Noun = rng.choice(NOUNS)
    adjective, adjective_zh = rng.choice(list(ADJECTIVES.items()))
    count, count_zh = rng.choice(list(COUNTS.items()))
    subject, subject_zh = rng.choice(list(PRONOUNS.items()))
    verb, verb_zh = rng.choice(list(VERBS.items()))
    predicate_zh = adjective_zh.removesuffix("的") if adjective not in ("blue", "green", "yellow") else adjective_zh
    statement_zh = (
        f"{noun.zh}是{adjective_zh.removesuffix('的')}的。" if adjective in _COLOURS else f"{noun.zh}很{predicate_zh}。"
    )
    forms = (
        (f"{adjective} {noun.plural}", f"{adjective_zh}{noun.zh}"),
        (f"{count} {noun.plural}", f"{count_zh}{noun.measure}{noun.zh}"),
        (f"{subject} {verb} {noun.plural}.", f"{subject_zh}{verb_zh}{noun.zh}。"),
        (f"{subject} {verb} {adjective} {noun.plural}.", f"{subject_zh}{verb_zh}{adjective_zh}{noun.zh}。"),
        (f"The {noun.en} is {adjective}.", statement_zh),
        (f"{subject} {verb} {count} {noun.plural}.", f"{subject_zh}{verb_zh}{count_zh}{noun.measure}{noun.zh}。"),
    )
    return rng.choice(forms)


_COLOURS = frozenset({"red", "white", "black", "blue", "green", "yellow"})


def draw_translation(rng: random.Random, language: Language, difficulty: Difficulty) -> Item:
    """Held out are combinations of a word and a phrasing (easy) and whole phrases (hard)."""
    to_chinese = rng.random() < 0.5
    phrasings = (TO_CHINESE if to_chinese else TO_ENGLISH)[language]
    index = rng.randrange(len(phrasings))
    if difficulty == "easy":
        en, zh = rng.choice(list(WORDS.items()))
        key = f"translate|{en}|{to_chinese}|{language}|{index}"
    else:
        en, zh = _phrase(rng)
        key = f"translate|{en}"
    source, answer = (en, zh) if to_chinese else (zh, en)
    return Item(phrasings[index].format(t=source), answer, "translate", language, difficulty, key)
