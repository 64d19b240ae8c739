"""Long answers as votes: a judge says which of them come to the same conclusion."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.normalising import Ballot
from multi_llm_comparator.cooperation.prompts import answers_text, letter_of, prompt, within_braces
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.readable import cut_line


async def grouped(desk: Desk, answers: Sequence[Call], round_: int = 1) -> dict[str, Ballot]:
    """What each answer votes for, by its key: the group that the chair puts it into.

    The answers are shown without names and in a shuffled order. What the chair does not put into a group stands alone;
    where its reply cannot be used that is noted, and each answer stands alone.
    """
    shown = list(answers)
    if len(shown) > 1:
        random.Random(f"{desk.spec.seed}/{round_}").shuffle(shown)
        desk.enter("grouping")
        letters = [letter_of(n) for n in range(len(shown))]
        texts = answers_text([call.text for call in shown], desk.spec.question)
        call = await desk.ask(
            f"group.{round_}",
            desk.spec.chair,
            "group",
            desk.conversation(prompt("group", desk.spec.question, answers=texts)),
            constraint=_form(letters),
        )
        groups = read_groups(call.text, letters) if call.is_done else None
        if groups is None:
            desk.note("grouping_failed", target=call.target, error=call.progress.error or cut_line(call.text, 100))
    else:
        groups = None
    groups = groups or [[n] for n in range(len(shown))]
    ballots: dict[str, Ballot] = {}
    for group in groups:
        # A group is called what its first answer, in the order of the members, says.
        first = min(group, key=lambda n: answers.index(shown[n]))
        ballot = Ballot(f"group {shown[first].key}", cut_line(shown[first].text, 120))
        ballots |= {shown[n].key: ballot for n in group}
    return ballots


def read_groups(reply: str, letters: Sequence[str]) -> list[list[int]] | None:
    """The groups in a judge's reply, as numbers of the answers; each answer is in one, alone if the reply leaves it
    out. None where there are no groups to be read."""
    try:
        read = json.loads(within_braces(reply) or reply)["groups"]
        named = [[letters.index(letter) for letter in group if letter in letters] for group in read]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    seen: set[int] = set()
    groups = []
    for group in named:
        if fresh := [n for n in dict.fromkeys(group) if n not in seen]:
            seen.update(fresh)
            groups.append(fresh)
    return [*groups, *([n] for n in range(len(letters)) if n not in seen)] if groups else None


def _form(letters: Sequence[str]) -> Constraint:
    group = {"type": "array", "items": {"enum": list(letters)}, "minItems": 1, "maxItems": len(letters)}
    groups = {"type": "array", "items": group, "minItems": 1, "maxItems": len(letters)}
    return Constraint.of_schema(
        {"type": "object", "properties": {"groups": groups}, "required": ["groups"], "additionalProperties": False}
    )
