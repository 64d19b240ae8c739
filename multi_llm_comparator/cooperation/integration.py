"""From several answers to one: strategies by name. One of your own is a small class and a call of :func:`register`."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Protocol

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.outcome import Outcome, Ranked
from multi_llm_comparator.cooperation.prompts import answers_text, letter_of, prompt, quoted
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ConfigurationError


class Integration(Protocol):
    """Makes one answer of several."""

    name: str

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        """The outcome.

        Args:
            desk: asks whoever is needed.
            answers: one or more that are done, in the order of their members.
            ranking: what reviewers thought of them, the best first; empty where nobody reviewed.
        """
        ...


class Ensemble:
    """A model, the chair, reads all answers and writes one."""

    name = "ensemble"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        question = desk.spec.question
        context = ""
        if ranking:
            places = {ranked.target: n for n, ranked in enumerate(ranking)}
            order = sorted(range(len(answers)), key=lambda n: places.get(answers[n].target, len(places)))
            context = prompt("ranked", question, ranking=" > ".join(letter_of(n) for n in order))
        texts = answers_text([call.text for call in answers], question)
        messages = desk.conversation(prompt("ensemble", question, answers=texts, context=context))
        desk.enter("integrating")
        call = await desk.ask(
            "integrate", desk.spec.chair, "integrate", messages, member=_chair(desk), constraint=desk.spec.constraint
        )
        if call.is_done:
            return desk.outcome(call.text.strip(), self.name, call.target, ranking)
        desk.note("integration_failed", target=call.target, error=call.progress.error or "")
        best = _best_known(desk, answers, ranking)
        return desk.outcome(best.text.strip(), "member", best.target, ranking)


class Best:
    """A model, the chair, reads all answers and names the best, which stands as it is. The order is shuffled, so that
    the first one is not preferred."""

    name = "best"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        shown = list(answers)
        random.Random(desk.spec.seed).shuffle(shown)
        question = desk.spec.question
        texts = answers_text([call.text for call in shown], question)
        letters = [letter_of(n) for n in range(len(shown))]
        desk.enter("integrating")
        call = await desk.ask(
            "integrate",
            desk.spec.chair,
            "integrate",
            desk.conversation(prompt("best", question, answers=texts)),
            member=_chair(desk),
            constraint=Constraint(choices=tuple(letters)),
        )
        found = re.search(r"[A-Z]\d*", call.text) if call.is_done else None
        if found is not None and found[0] in letters:
            chosen = shown[letters.index(found[0])]
        else:
            desk.note("integration_failed", target=call.target, error=call.progress.error or call.text[:100])
            chosen = _best_known(desk, answers, ranking)
        return desk.outcome(chosen.text.strip(), self.name, chosen.target, ranking)


class Concatenation:
    """All answers below each other, each with who gave it."""

    name = "concatenation"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        parts = [f"**{call.target}**\n\n{quoted(call.text)}" for call in answers]
        return desk.outcome("\n\n---\n\n".join(parts), self.name, "", ranking)


class Last:
    """The last answer stands: in a sequence it was built on all others."""

    name = "last"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        return desk.outcome(answers[-1].text.strip(), self.name, answers[-1].target, ranking)


class First:
    """The answer that reviewers put first, else that of the weightiest member, stands."""

    name = "first"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        best = _best_known(desk, answers, ranking)
        return desk.outcome(best.text.strip(), self.name, best.target, ranking)


class Majority:
    """The answers are counted as votes."""

    name = "majority"

    async def integrate(self, desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked] = ()) -> Outcome:
        # Voting integrates by counting, and everything else may.
        from multi_llm_comparator.cooperation.modes.voting import counted_outcome

        return await counted_outcome(desk, answers)


_strategies: dict[str, Integration] = {}


def register(strategy: Integration) -> None:
    """Make a strategy known by its name; one of that name is replaced."""
    _strategies[strategy.name] = strategy


for _one in (Ensemble(), Majority(), Best(), Concatenation(), Last(), First()):
    register(_one)


def strategy_names() -> tuple[str, ...]:
    return tuple(_strategies)


def strategy(name: str) -> Integration:
    """A strategy by its name.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in _strategies:
        raise ConfigurationError(f"no integration strategy is called {name!r}; there are {', '.join(_strategies)}")
    return _strategies[name]


async def integrated(desk: Desk, answers: Sequence[Call], usual: str, ranking: Sequence[Ranked] = ()) -> Outcome:
    """Make one answer by the strategy that was wished for, else by the mode's usual one.

    Raises:
        InferenceError: there is none to make it of.
    """
    done = [call for call in answers if call.is_done]
    if not done:
        raise desk.nothing()
    if len(done) == 1:
        if len(desk.spec.members) > 1:
            desk.note("only_one", target=done[0].target)
        return desk.outcome(done[0].text.strip(), "member", done[0].target, ranking)
    return await strategy(desk.spec.integration or usual).integrate(desk, done, ranking)


def _best_known(desk: Desk, answers: Sequence[Call], ranking: Sequence[Ranked]) -> Call:
    if ranking:
        return next((call for call in answers if call.target == ranking[0].target), answers[0])
    return max(answers, key=lambda c: desk.spec.weight(c.member) if c.member is not None else 0.0)


def _chair(desk: Desk) -> int | None:
    """The chair's number among the members, if it is one: its own parameters are used then."""
    targets = [member.target for member in desk.spec.members]
    return targets.index(desk.spec.chair) if desk.spec.chair in targets else None
