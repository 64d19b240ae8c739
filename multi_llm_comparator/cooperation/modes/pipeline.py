"""Named roles in a row: draft, critique, revise; or roles of one's own."""

from __future__ import annotations

from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.outcome import Outcome
from multi_llm_comparator.cooperation.prompts import prompt, quoted
from multi_llm_comparator.cooperation.spec import CooperationSpec

ROLES = ("draft", "critique", "revise")


def stages_of(spec: CooperationSpec) -> list[tuple[str, int]]:
    """Who does what, in order: each role with a member's number.

    Members with roles keep to them, in their order. Others share draft, critique and revise: one member does all three,
    of two the first drafts and revises, of more than three those in the middle all criticise.
    """
    numbers = range(len(spec.members))
    if any(member.role for member in spec.members):
        return [(member.role or ROLES[min(n, 2)], n) for n, member in enumerate(spec.members)]
    if len(numbers) == 1:
        return [(role, 0) for role in ROLES]
    if len(numbers) == 2:
        return [("draft", 0), ("critique", 1), ("revise", 0)]
    return [("draft", 0), *(("critique", n) for n in numbers[1:-1]), ("revise", numbers[-1])]


async def pipeline(desk: Desk) -> Outcome:
    """Each stage works on what is there. One that fails is passed over: the work as it was then goes on."""
    desk.enter("answering")
    question, work, by, critiques = desk.spec.question, "", "", list[str]()
    for number, (role, member) in enumerate(stages_of(desk.spec), 1):
        asked = _asked(role, question, work, critiques)
        call = await desk.ask_member(member, "answer", desk.conversation(asked), role=role, round=number)
        if not call.is_done:
            desk.note("stage_failed", role=role, target=call.target)
        elif role == "critique" and work:
            critiques.append(quoted(call.text))
        else:
            work, by, critiques = call.text.strip(), call.target, []
    if not work:
        raise desk.nothing()
    return desk.outcome(work, "pipeline", by)


def _asked(role: str, question: str, work: str, critiques: list[str]) -> str:
    if not work:
        return question
    if role == "critique":
        return prompt("critique", question, work=quoted(work))
    if role == "revise":
        return prompt("revise", question, work=quoted(work), critique="\n\n".join(critiques) or "–")
    return prompt("role", question, role=role, work="\n\n".join([quoted(work), *critiques]))
