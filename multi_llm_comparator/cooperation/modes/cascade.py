"""A cascade: the small members vote, and the large one is asked only where they disagree."""

from __future__ import annotations

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.normalising import ballot_of
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.votes import Vote, tally
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.together import together

# One answer agrees with itself: a single small member is asked twice at least.
LEAST_ANSWERS = 2


async def cascade(desk: Desk) -> Outcome:
    """All members but the last vote; they must agree by the wished share of all that were asked. What says nothing that
    can be counted disagrees."""
    spec = desk.spec
    desk.enter("answering")
    small = range(len(spec.members) - 1)
    samples = max(spec.samples, LEAST_ANSWERS if len(small) == 1 else 1)
    if samples > 1 and any((spec.members[n].config or spec.config).is_greedy for n in small):
        desk.note("greedy_samples")
    asked = desk.conversation()
    work = [desk.ask_member(n, "vote", asked, sample=s) for n in small for s in range(samples)]
    calls = await together(work)
    chosen, share = _agreed(desk, calls)
    large = spec.members[-1].target
    if chosen is not None and share >= spec.agreement - 1e-9:
        desk.leave_out(large, "agreed")
        return desk.outcome(chosen.text.strip(), "vote", chosen.target)
    desk.note("escalated", target=large, share=f"{share:.0%}")
    desk.enter("escalating")
    call = await desk.ask_member(len(spec.members) - 1, "answer", asked)
    if call.is_done:
        return desk.outcome(call.text.strip(), "member", call.target)
    desk.note("large_failed", target=large, error=call.progress.error or "")
    if chosen is None:
        raise desk.nothing()
    return desk.outcome(chosen.text.strip(), "vote", chosen.target)


def _agreed(desk: Desk, calls: list[Call]) -> tuple[Call | None, float]:
    """The answer that most gave, and by which share of all that were asked; one of any that is done where none can be
    counted."""
    spec = desk.spec
    votes, shown = [], dict[str, str]()
    for call in calls:
        ballot = ballot_of(call.text, spec.question, spec.answers) if call.is_done else None
        if ballot is not None:
            call.ballot = ballot.shown
            shown.setdefault(ballot.value, cut_line(ballot.shown, 200))
        elif call.is_done:
            desk.leave_out(call.target, "no_ballot", cut_line(call.text, 200))
        weight = spec.weight(call.member or 0)
        votes.append(Vote(call.key, ballot.value if ballot else None, weight))
    found = tally(votes)
    desk.count(Count(found, 1, tuple(shown.items())))
    if found.winner is None:
        return next((call for call in calls if call.is_done), None), 0.0
    total = sum(vote.weight for vote in votes)
    voters = found.standings[0].voters
    chosen = next(call for call in calls if call.key in voters)
    return chosen, found.standings[0].weight / total if total else 0.0
