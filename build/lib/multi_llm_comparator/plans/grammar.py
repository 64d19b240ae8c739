"""The grammar of plans: what a planner can write under it is a valid plan.

Ids count up from 1, so none occurs twice; a step relies on earlier ones only, in ascending order, so none is unknown
and there is no cycle; texts are escaped and bounded, numbers are in range. What no grammar can hold is whether the
plan is a good one. When a planner's tokens run out, it is made to end the plan where it is.

It is written in Lark, of which it uses so little (texts, classes of characters, repetition) that the same rules are
read as GBNF once the signs between and around them are exchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.plans.plan import EASIEST, HARDEST

MAX_STEPS = 16
MAX_TASK_CHARACTERS = 600
# From anywhere in a plan to its end by the shortest way, at one character a token.
RESERVE = 72
# In thinking "</" ends it, in a text or number '"', after a step's last attribute "/", between steps "</".
CLOSERS = ("</", '"', "/")
# Blanks of all scripts: a task of blanks alone is none.
_BLANKS = (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
# The characters that XML can hold, without controls and without what would end the attribute.
_TEXT = ((0x20, 0x21), (0x23, 0x25), (0x27, 0x3B), (0x3D, 0x7E), (0xA0, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))

Rule = tuple[str, str]


@lru_cache(maxsize=16)
def plan_grammar(
    *, max_steps: int = MAX_STEPS, max_task_characters: int = MAX_TASK_CHARACTERS, may_think: bool = False
) -> Constraint:
    """The grammar of plans of up to ``max_steps`` steps.

    Args:
        max_steps: how many steps a plan may have.
        max_task_characters: how long a task may be.
        may_think: whether a ``<think>`` block may come before the plan. A model that was not trained to think may open
            one and never close it.
    """
    thinking = r'plan | "<think>"? THOUGHT? "</think>" GAP? plan' if may_think else "plan"
    rules = [("start", thinking), ("plan", r'"<Plan>" GAP? step1'), *_steps(max_steps)]
    rules += _terminals(max_task_characters)
    rules += [("THOUGHT", "/[^<]/+")] if may_think else []
    return Constraint(
        lark="".join(f"{name}: {body}\n" for name, body in rules),
        gbnf="".join(f"{'root' if name == 'start' else name} ::= {_as_gbnf(body)}\n" for name, body in rules),
        closers=CLOSERS,
        reserve=RESERVE,
    )


def _as_gbnf(body: str) -> str:
    """A rule's body with its classes of characters as GBNF has them: bare. No text in quotes looks like one."""
    return re.sub(r"/(\[[^]]+\])/", r"\1", body)


def _steps(count: int) -> Iterator[Rule]:
    """One rule for each step, which goes on to the next or to the end, and one for what it may rely on."""
    for number in range(1, count + 1):
        rely = f"rely{number}? " if number > 1 else ""
        end = r'"</Plan>"' if number == count else rf'("</Plan>" | step{number + 1})'
        yield (
            f"step{number}",
            rf'"<Step ID=\"{number}\" Task=\"" TASK "\" Difficulty=\"" DIFFICULTY "\" Token=\"" TOKEN "\" Rely=\"" '
            rf'{rely}"\"" " "? "/>" GAP? {end}',
        )
        yield from _relies(number)


def _relies(step: int) -> Iterator[Rule]:
    """Ascending lists of the ids before ``step``: one of them, then perhaps the later ones, each once."""
    if step == 1:
        return
    later = {n: f" rest{n + 1}of{step}" if n + 1 < step else "" for n in range(1, step)}
    yield f"rely{step}", " | ".join(f'"{n}"{more}' for n, more in later.items())
    for n in range(2, step):
        yield f"rest{n}of{step}", f'("," " "? "{n}")?{later[n]}'


def _terminals(max_task: int) -> list[Rule]:
    entities = " | ".join(f'"{name}"' for name in ("amp", "lt", "gt", "quot", "apos"))
    return [
        ("TASK", f"(FIRST | ENTITY) (OTHER | ENTITY){{0,{max_task - 1}}}"),
        ("FIRST", _class(_without_blanks())),
        ("OTHER", _class(_TEXT)),
        ("ENTITY", f'"&" ({entities}) ";"'),
        ("DIFFICULTY", " | ".join(f'"{n}"' for n in range(EASIEST, HARDEST + 1))),
        ("TOKEN", "/[1-9]/ /[0-9]/{0,3}"),
        ("GAP", r'"\n" " "{0,4}'),
    ]


def _without_blanks() -> Iterator[tuple[int, int]]:
    """The ranges of :data:`_TEXT`, cut up at the blanks."""
    for low, high in _TEXT:
        for blank in sorted(_BLANKS):
            if low <= blank <= high:
                if low < blank:
                    yield low, blank - 1
                low = blank + 1
        if low <= high:
            yield low, high


def _class(ranges: Iterable[tuple[int, int]]) -> str:
    """A class of characters. It says what is in it: llama.cpp takes a character that comes in parts for one that a
    negated class excludes, wherever that could turn out so."""
    return "/[" + "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in ranges) + "]/"
