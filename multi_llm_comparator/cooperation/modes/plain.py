"""Members one after the other, or all at once."""

from __future__ import annotations

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.integration import integrated
from multi_llm_comparator.cooperation.outcome import Outcome
from multi_llm_comparator.cooperation.prompts import answers_text, prompt
from multi_llm_comparator.core.together import together


async def sequential(desk: Desk) -> Outcome:
    """Each member sees what those before it answered, and answers itself. One that fails is passed over."""
    desk.enter("answering")
    calls: list[Call] = []
    for number in range(len(desk.spec.members)):
        before = [call.text for call in calls if call.is_done]
        asked = desk.spec.question
        if before:
            asked = prompt("deepen", asked, answers=answers_text(before, asked))
        calls.append(await desk.ask_member(number, "answer", desk.conversation(asked)))
    return await integrated(desk, calls, "last")


async def parallel(desk: Desk) -> Outcome:
    """All members answer at once; one answer is made of theirs."""
    desk.enter("answering")
    asked = desk.conversation()
    calls = await together([desk.ask_member(n, "answer", asked) for n in range(len(desk.spec.members))])
    return await integrated(desk, calls, "ensemble")
