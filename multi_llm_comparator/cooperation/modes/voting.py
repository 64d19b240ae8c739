"""Voting: weighted, over what answers say, ended as soon as the rest cannot change it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from multi_llm_comparator.cooperation.calls import Call, Reason
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.grouping import grouped
from multi_llm_comparator.cooperation.normalising import Ballot, ballot_of, kind_of
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.prompts import answers_text, prompt
from multi_llm_comparator.cooperation.votes import Vote, chance_of_leader, fewest_that_decide, is_decided, tally
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.together import end_tasks

MAJORITY = 0.5
_LEAST_HEARD = 2


@dataclass
class Heard:
    """What was heard in one round: calls with their weights, and what each says, by key."""

    calls: list[tuple[Call, float]] = field(default_factory=list)
    ballots: dict[str, Ballot] = field(default_factory=dict)

    def votes(self) -> list[Vote]:
        return [Vote(c.key, b.value if (b := self.ballots.get(c.key)) else None, w) for c, w in self.calls]

    def unread(self) -> list[float]:
        """Weights of answers that say something at length: what they vote for is not known yet."""
        return [w for c, w in self.calls if c.is_done and c.key not in self.ballots]

    def shown(self) -> tuple[tuple[str, str], ...]:
        """Choices as they were written, each as its weightiest voter did."""
        found: dict[str, str] = {}
        for call, _ in sorted(self.calls, key=lambda heard: -heard[1]):
            if ballot := self.ballots.get(call.key):
                found.setdefault(ballot.value, cut_line(ballot.shown, 200))
        return tuple(found.items())


async def voting(desk: Desk) -> Outcome:
    """Rounds of votes until one has a majority, or none are left."""
    spec, heard = desk.spec, Heard()
    for round_ in range(1, spec.rounds + 1):
        desk.enter("answering")
        asked = spec.question
        if round_ > 1:
            # In a fixed order that does not tell how many said what.
            said = sorted({call.text.strip() for call, _ in heard.calls if call.is_done})
            asked = prompt("vote_again", asked, answers=answers_text(said, asked))
        latest = await _Round(desk, desk.conversation(asked), round_).hold()
        if round_ > 1 and not any(call.is_done for call, _ in latest.calls):
            # What was said before stands.
            break
        heard = latest
        count = await _count(desk, heard, round_)
        if count.tally.share > MAJORITY or desk.is_overdue:
            break
    return _outcome(desk, heard, count)


class _Round:
    """One round. As many members are asked at a time as are needed to decide at all; who is not needed is not asked."""

    def __init__(self, desk: Desk, asked: tuple[Message, ...], number: int) -> None:
        self._desk, self._asked, self._number = desk, asked, number
        self._heard = Heard()
        self._running: dict[asyncio.Task[Call], int] = {}
        spec = desk.spec
        voters = [n for n in spec.by_weight if spec.weight(n) > 0] or list(range(len(spec.members)))
        self._weights = {n: spec.weight(n) if spec.weight(n) > 0 else 1.0 for n in voters}
        self._waiting = voters
        for n in set(range(len(spec.members))) - set(voters):
            desk.leave_out(spec.members[n].target, "no_weight")

    async def hold(self) -> Heard:
        """The votes, in the order of the members."""
        try:
            while True:
                self._start()
                if not self._running:
                    break
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._hear(self._running.pop(task), task.result())
                if self._is_decided():
                    break
        finally:
            await self._end_running()
        for number in self._waiting:
            self._leave(number)
        self._heard.calls.sort(key=lambda heard: heard[0].member or 0)
        return self._heard

    def _start(self) -> None:
        open_weights = [self._weights[n] for n in [*self._running.values(), *self._waiting]]
        wanted = len(open_weights)
        if self._desk.spec.stop_early:
            # What was written at length may come to mean anything: it is as open as what is still to be written.
            unread = self._heard.unread()
            wanted = max(1, fewest_that_decide(self._cast(), [*unread, *open_weights]) - len(unread))
        while self._waiting and len(self._running) < wanted and not self._desk.is_overdue:
            number = self._waiting.pop(0)
            work = self._desk.ask_member(number, "vote", self._asked, round=self._number)
            self._running[asyncio.create_task(work)] = number

    def _hear(self, number: int, call: Call) -> None:
        spec = self._desk.spec
        self._heard.calls.append((call, self._weights[number]))
        if call.is_done and (ballot := ballot_of(call.text, spec.question, spec.answers)) is not None:
            self._heard.ballots[call.key] = ballot
            call.ballot = ballot.shown
            self._desk.count(Count(tally(self._heard.votes()), self._number, self._heard.shown()))

    def _cast(self) -> list[Vote]:
        return [vote for vote in self._heard.votes() if vote.choice is not None]

    def _is_decided(self) -> bool:
        spec, cast = self._desk.spec, self._cast()
        if not spec.stop_early or not cast:
            return False
        still = [self._weights[n] for n in [*self._running.values(), *self._waiting]] + self._heard.unread()
        if is_decided(cast, still):
            return True
        is_enough = spec.confidence is not None and len(cast) >= _LEAST_HEARD and not self._heard.unread()
        return is_enough and chance_of_leader(cast) >= (spec.confidence or 1.0)

    async def _end_running(self) -> None:
        tasks = dict(self._running)
        await end_tasks(*tasks)
        for number in tasks.values():
            self._leave(number, was_asked=True)

    def _leave(self, number: int, *, was_asked: bool = False) -> None:
        desk = self._desk
        reason: Reason = "deadline" if desk.is_overdue else "decided"
        key = f"vote.{self._number}.{number}"
        if was_asked and (call := desk.run.calls.get(key)) is not None:
            call.left = reason
        desk.leave_out(desk.spec.members[number].target, reason)


async def _count(desk: Desk, heard: Heard, round_: int) -> Count:
    """The count; answers that say it at length are grouped by a judge first."""
    spec = desk.spec
    kind = kind_of(spec.question) if spec.answers == "auto" else spec.answers
    unread = [call for call, _ in heard.calls if call.is_done and call.key not in heard.ballots]
    if unread and kind in ("text", "long"):
        heard.ballots = await grouped(desk, [call for call, _ in heard.calls if call.is_done], round_)
    for call, _ in heard.calls:
        ballot = heard.ballots.get(call.key)
        call.ballot = ballot.shown if ballot else None
        if call.is_done and ballot is None:
            desk.leave_out(call.target, "no_ballot", cut_line(call.text, 200))
    count = Count(tally(heard.votes()), round_, heard.shown())
    desk.count(count)
    return count


def _outcome(desk: Desk, heard: Heard, count: Count) -> Outcome:
    found = count.tally
    if found.winner is None:
        done = [(call, weight) for call, weight in heard.calls if call.is_done]
        if not done:
            raise desk.nothing()
        call, _ = max(done, key=lambda heard: heard[1])
        desk.note("nothing_to_count")
        return desk.outcome(call.text.strip(), "member", call.target)
    if found.tied:
        desk.note("tie", choices=", ".join(count.words(choice) for choice in found.tied))
    voters = set(found.standings[0].voters)
    call, _ = max(((c, w) for c, w in heard.calls if c.key in voters), key=lambda heard: heard[1])
    return desk.outcome(call.text.strip(), "vote", call.target)


async def counted_outcome(desk: Desk, answers: Sequence[Call]) -> Outcome:
    """Count answers that were given for another end."""
    heard, spec = Heard(), desk.spec
    for call in answers:
        weight = spec.weight(call.member) if call.member is not None else 1.0
        heard.calls.append((call, weight))
        if (ballot := ballot_of(call.text, spec.question, spec.answers)) is not None:
            heard.ballots[call.key] = ballot
    count = await _count(desk, heard, 1)
    return _outcome(desk, heard, count)
