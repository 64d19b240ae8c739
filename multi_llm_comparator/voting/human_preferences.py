"""What people preferred, for whoever wants to know whether a judge prefers the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from multi_llm_comparator.voting.snapshot import VotingSnapshot


@dataclass(frozen=True, slots=True)
class HumanPreference:
    """Two answers to one prompt. ``value``: 1 the first is better, 0 the second, 0.5 neither. ``first`` and ``second``
    are targets of the gateway."""

    prompt: str
    first: str
    second: str
    first_text: str
    second_text: str
    value: float


def human_preferences(sessions: Iterable[VotingSnapshot], prompts_digest: str = "") -> list[HumanPreference]:
    """All pairs that people compared; with ``prompts_digest`` those on the prompt set of this digest.

    Pairs that were counted as ties because their answers were the same are not people's word, and left out; so are
    answers about images, which an evaluation does not ask about.
    """
    found = []
    for session in sessions:
        if prompts_digest and session.spec.digest != prompts_digest:
            continue
        targets = {one.id: one.target for one in session.spec.contestants}
        for turn in session.voted:
            if turn.is_automatic or session.spec.prompts[turn.prompt].images:
                continue
            prompt = session.spec.prompts[turn.prompt].text
            for n, one in enumerate(turn.answers):
                for other in turn.answers[n + 1 :]:
                    if turn.best is not None and turn.best not in (one, other):
                        # The best of four says nothing of two others.
                        continue
                    value = 0.5 if turn.best is None else float(turn.best is one)
                    first, second = targets[one.contestant], targets[other.contestant]
                    found.append(HumanPreference(prompt, first, second, one.text, other.text, value))
    return found
