"""What one step of a composed question can ask: questions of the demo world, in its own phrasings.

Each operation can be written (as the task of a step), recognised (in any of the world's phrasings for it) and worked
out exactly, so that a plan can be compared with another and executed without a model.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from demo.world import arithmetic, measures, numbers, translate, words
from demo.world.facts import FACTS, PHRASINGS
from demo.world.item import LANGUAGES, Language, Phrasings
from demo.world.lexicon import WORDS

QUOTE = r"\{\d+\}"
"""How a task quotes the answer of an earlier step: {2}."""

NUMBER, WORD, CLOCK = rf"(?:-?\d+|{QUOTE})", rf"(?:[A-Za-z]+|{QUOTE})", rf"(?:\d\d:\d\d|{QUOTE})"
LIST, TEXT = r"[^?？:：。]+?", r".+?"

Arguments = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of step.

    `slots` are the placeholders of the phrasings with a pattern for what fills them, in the order of the arguments.
    `written` is the phrasing that plans use, in English and in Chinese. `tokens` is a budget that a fully worked answer
    fits in; `difficulty` says from the arguments, as far as they are known, which model should solve it: the small one
    what it hardly ever gets wrong, the large one the hard half of the demo world, and comparing and sorting. `commutes`
    means that the order of the arguments says nothing.

    `key` is the content that decides the world's split, by which one knows whether a step can stand in the training
    data of the demo models: empty where it always does, None for what one has to know and cannot work out.
    """

    name: str
    phrasings: Phrasings
    slots: Mapping[str, str]
    solve: Callable[[Language, Arguments], str]
    difficulty: Callable[[Arguments], int]
    tokens: int
    written: tuple[int, int] = (0, 0)
    commutes: bool = False
    key: Callable[[Arguments], str | None] = lambda _: None

    def task(self, language: Language, arguments: Sequence[object]) -> str:
        """The task of a step: the question in the phrasing that plans use."""
        phrasing = self.phrasings[language][self.written[LANGUAGES.index(language)]]
        return phrasing.format(**dict(zip(self.slots, arguments, strict=True)))


@dataclass(frozen=True, slots=True)
class Recognised:
    """A task as an operation with its arguments."""

    operation: Operation
    language: Language
    arguments: Arguments


def _always(level: int) -> Callable[[Arguments], int]:
    return lambda _: level


def _digits(argument: str) -> int:
    """Digits of a number; an answer that is not there yet counts as three."""
    return len(argument) if argument.isdigit() else 3


def _sum_difficulty(arguments: Arguments) -> int:
    return 2 if max(map(_digits, arguments)) <= 2 else 6


def _product_difficulty(arguments: Arguments) -> int:
    small, large = sorted(map(_digits, arguments))
    return 3 if small == 1 and large <= 2 else 7


def _word_difficulty(longest: int) -> Callable[[Arguments], int]:
    """Easy up to so many letters; a word that is not known yet may be longer."""
    return lambda arguments: 3 if arguments[0].isalpha() and len(arguments[0]) <= longest else 6


def listed(text: str) -> list[str]:
    """The members of a list as the world writes it: "12, 7, 30"."""
    return [part.strip() for part in re.split("[,、]", text)]


def _integers(text: str) -> list[int]:
    return [int(part) for part in listed(text)]


def _larger(language: Language, arguments: Arguments) -> str:
    a, b = map(int, arguments)
    return numbers.EQUAL[language] if a == b else str(max(a, b))


def _is_larger(language: Language, arguments: Arguments) -> str:
    a, b = map(int, arguments)
    return numbers.YES[language] if a > b else numbers.NO[language]


def _sorted(descending: bool) -> Callable[[Language, Arguments], str]:
    return lambda _, arguments: ", ".join(map(str, sorted(_integers(arguments[0]), reverse=descending)))


OfTwo = Callable[[int, int], T]


def _pair(name: str, phrasings: Phrasings, combine: OfTwo[int], key: OfTwo[str], commutes: bool) -> Operation:
    difficulty, tokens = (_product_difficulty, 128) if name == "product" else (_sum_difficulty, 64)
    return Operation(
        name,
        phrasings,
        {"a": NUMBER, "b": NUMBER},
        lambda _, arguments: str(combine(int(arguments[0]), int(arguments[1]))),
        difficulty,
        tokens,
        commutes=commutes,
        key=lambda arguments: key(int(arguments[0]), int(arguments[1])),
    )


def _convert(source: measures.Unit, target: measures.Unit, factor: int) -> Operation:
    phrasings: Phrasings = {
        "en": [p.replace("{source}", source.many).replace("{target}", target.many) for p in measures.CONVERT["en"]],
        "zh": [p.replace("{source}", source.zh).replace("{target}", target.zh) for p in measures.CONVERT["zh"]],
    }
    return Operation(
        f"{source.many} to {target.many}",
        phrasings,
        {"n": NUMBER},
        lambda _, arguments: str(int(arguments[0]) * factor),
        _always(3),
        96,
        written=(2, 2),
        key=lambda arguments: measures.units_key(source, target, int(arguments[0])),
    )


def _word_operation(name: str, phrasings: Phrasings, of: Callable[[str], str], longest: int) -> Operation:
    # Letters are counted by numbering them, and the short phrasing for it is the third in English.
    tokens, written = (64, (2, 0)) if name == "length" else (24, (0, 0))
    return Operation(
        name,
        phrasings,
        {"w": WORD},
        lambda _, arguments: of(arguments[0]),
        _word_difficulty(longest),
        tokens,
        written,
        key=lambda arguments: None if _is_by_heart(name, arguments[0]) else words.word_key(arguments[0].lower()),
    )


def _is_by_heart(name: str, word: str) -> bool:
    return name == "plural" and word in words.IRREGULAR_PLURALS


def _fact(relation: str, level: int) -> Operation:
    facts = [fact for half in FACTS.values() for fact in half if fact.relation == relation]
    answers = {(language, fact.subject[language]): fact.answer[language] for fact in facts for language in fact.subject}
    subjects = sorted({subject for _, subject in answers}, key=len, reverse=True)
    pattern = f"(?:{'|'.join([*map(re.escape, subjects), QUOTE])})"
    return Operation(
        relation,
        PHRASINGS[relation],
        {"s": pattern},
        lambda language, arguments: answers[language, arguments[0]],
        _always(level),
        24,
    )


def _translation(name: str, phrasings: Phrasings, table: Mapping[str, str]) -> Operation:
    return Operation(name, phrasings, {"t": TEXT}, lambda _, arguments: table[arguments[0]], _always(3), 24, (1, 1))


def _later(name: str, phrasings: Phrasings, minutes: int, level: int) -> Operation:
    def solve(_: Language, arguments: Arguments) -> str:
        hour, minute = map(int, arguments[1].split(":"))
        hour, minute = divmod((hour * 60 + minute + int(arguments[0]) * minutes) % (24 * 60), 60)
        return f"{hour:02d}:{minute:02d}"

    def key(arguments: Arguments) -> str:
        hour, minute = map(int, arguments[1].split(":"))
        start = hour * 60 + minute
        return measures.time_key(start, start + int(arguments[0]) * minutes)

    return Operation(name, phrasings, {"n": NUMBER, "time": CLOCK}, solve, _always(level), 96, key=key)


def _compare_key(arguments: Arguments) -> str:
    return numbers.compare_key(int(arguments[0]), int(arguments[1]))


def _of_list(
    name: str, phrasings: Phrasings, solve: Callable[[Language, Arguments], str], level: int, tokens: int
) -> Operation:
    slots = {"list": LIST}
    return Operation(
        name, phrasings, slots, solve, _always(level), tokens, key=lambda a: numbers.list_key(_integers(a[0]))
    )


_TWO = {"a": NUMBER, "b": NUMBER}
OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        _pair("sum", arithmetic.SUM, lambda a, b: a + b, arithmetic.sum_key, True),
        _pair("difference", arithmetic.DIFFERENCE, lambda a, b: a - b, arithmetic.difference_key, False),
        _pair("product", arithmetic.PRODUCT, lambda a, b: a * b, arithmetic.product_key, True),
        Operation("larger", numbers.LARGER, _TWO, _larger, _always(5), 48, commutes=True, key=_compare_key),
        Operation("is larger", numbers.IS_LARGER, _TWO, _is_larger, _always(5), 48, key=_compare_key),
        _of_list("maximum", numbers.MAXIMUM, lambda _, a: str(max(_integers(a[0]))), 5, 48),
        _of_list("minimum", numbers.MINIMUM, lambda _, a: str(min(_integers(a[0]))), 5, 48),
        _of_list("ascending", numbers.ASCENDING, _sorted(False), 6, 128),
        _of_list("descending", numbers.DESCENDING, _sorted(True), 6, 128),
        *(_convert(*conversion) for conversion in measures.CONVERSIONS),
        _word_operation("reverse", words.REVERSE, lambda w: w[::-1], 5),
        _word_operation("upper", words.UPPER, str.upper, 6),
        _word_operation("length", words.LENGTH, lambda w: str(len(w)), 6),
        _word_operation("first", words.FIRST, lambda w: w[0], 6),
        _word_operation("last", words.LAST, lambda w: w[-1], 6),
        _word_operation("plural", words.PLURAL, words.plural_of, 0),
        *(_fact(relation, 2) for relation in ("atomic number", "legs", "sides", "month days", "planet order")),
        *(_fact(relation, 5) for relation in ("element of number", "planet of order")),
        _later("hours later", measures.LATER_HOURS, 60, 3),
        _later("minutes later", measures.LATER_MINUTES, 1, 6),
        _translation("to English", translate.TO_ENGLISH, {zh: en for en, zh in WORDS.items()}),
        _translation("to Chinese", translate.TO_CHINESE, WORDS),
    )
}


@cache
def _patterns() -> list[tuple[re.Pattern[str], Operation, Language]]:
    """Every phrasing of every operation; those that name more of what they ask for go first."""
    found: list[tuple[int, re.Pattern[str], Operation, Language]] = []
    for operation in OPERATIONS.values():
        for language, phrasings in operation.phrasings.items():
            for phrasing in phrasings:
                pattern = re.escape(phrasing)
                for slot, filling in operation.slots.items():
                    pattern = pattern.replace(re.escape(f"{{{slot}}}"), f"(?P<{slot}>{filling})")
                loose = TEXT in operation.slots.values()
                found.append((1000 * loose - len(phrasing), re.compile(pattern), operation, language))
    return [(pattern, operation, language) for _, pattern, operation, language in sorted(found, key=lambda f: f[0])]


def recognise(task: str) -> Recognised | None:
    """The operation that a task asks for, in whichever of the world's phrasings; None for anything else."""
    for pattern, operation, language in _patterns():
        if match := pattern.fullmatch(task.strip()):
            return Recognised(operation, language, tuple(match[slot] for slot in operation.slots))
    return None


def work_out(task: str) -> str:
    """The exact answer to a task that quotes nothing.

    Raises:
        ValueError: it is no question of the operations above, or one about something the world does not know.
    """
    found = recognise(task)
    if found is None:
        raise ValueError(f"{task!r} is no operation of the demo world")
    try:
        return found.operation.solve(found.language, found.arguments)
    except KeyError as exc:
        raise ValueError(f"the demo world does not know {found.arguments[0]!r}") from exc
