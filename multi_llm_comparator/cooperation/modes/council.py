"""A council: all answer, all review the answers without knowing whose they are, one presides and writes the last."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from statistics import fmean

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.integration import integrated
from multi_llm_comparator.cooperation.outcome import Outcome, Ranked
from multi_llm_comparator.cooperation.prompts import answers_text, letter_of, prompt, within_braces
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.together import together

MAX_REASON_CHARS = 400


async def council(desk: Desk) -> Outcome:
    """Answers, anonymous shuffled reviews, and the chair's answer, which knows how the others were ranked."""
    desk.enter("answering")
    asked = desk.conversation()
    calls = await together([desk.ask_member(n, "answer", asked) for n in range(len(desk.spec.members))])
    answers = [call for call in calls if call.is_done]
    ranking: list[Ranked] = []
    if len(answers) > 1:
        desk.enter("reviewing")
        ranking = await _reviewed(desk, answers)
    return await integrated(desk, answers, "ensemble", ranking)


async def _reviewed(desk: Desk, answers: Sequence[Call]) -> list[Ranked]:
    """The answers by their mean place, the best first. Reviews that cannot be read do not count, and are named."""
    reviews = await together([_review(desk, number, answers) for number in range(len(desk.spec.members))])
    places: dict[int, list[int]] = {n: [] for n in range(len(answers))}
    for review in reviews:
        for place, number in enumerate(review or (), 1):
            places[number].append(place)
    if not any(reviews):
        desk.note("no_reviews")
        return []
    ranked = [(fmean(found), n) for n, found in places.items() if found]
    return [Ranked(answers[n].target, place, len(places[n])) for place, n in sorted(ranked)]


async def _review(desk: Desk, reviewer: int, answers: Sequence[Call]) -> list[int] | None:
    """One member's ranking, as numbers of the answers. Each sees them in an order of its own."""
    order = list(range(len(answers)))
    random.Random(f"{desk.spec.seed}/{reviewer}").shuffle(order)
    letters = [letter_of(n) for n in range(len(order))]
    question = desk.spec.question
    texts = answers_text([answers[n].text for n in order], question)
    named = ", ".join(f'"{letter}"' for letter in letters)
    messages = desk.conversation(prompt("review", question, answers=texts, letters=named))
    call = await desk.ask_member(reviewer, "review", messages, constraint=_form(letters))
    if not call.is_done:
        return None
    places = read_ranking(call.text, letters)
    if places is None:
        desk.note("review_unread", target=call.target, said=cut_line(call.text, 100))
        return None
    call.ballot = " > ".join(letters[p] for p in places)
    return [order[place] for place in places]


def read_ranking(reply: str, letters: Sequence[str]) -> list[int] | None:
    """The ranking in a reviewer's reply, as places of ``letters``: each exactly once; None where it is not there."""
    try:
        named = json.loads(within_braces(reply))["ranking"]
    except (ValueError, KeyError, TypeError, RecursionError):
        lines = [line for line in reply.upper().splitlines() if line.count(">") == len(letters) - 1]
        named = [part.strip(" *:.[]\"'")[-1:] for part in lines[-1].split(">")] if lines else []
    if not isinstance(named, list) or sorted(map(str, named)) != sorted(letters):
        return None
    return [letters.index(letter) for letter in named]


def _form(letters: Sequence[str]) -> Constraint:
    ranking = {
        "type": "array",
        "items": {"enum": list(letters)},
        "minItems": len(letters),
        "maxItems": len(letters),
    }
    return Constraint.of_schema(
        {
            "type": "object",
            "properties": {"reason": {"type": "string", "maxLength": MAX_REASON_CHARS}, "ranking": ranking},
            "required": ["reason", "ranking"],
            "additionalProperties": False,
        }
    )
