"""Who meets whom over which prompt, and who stands where: drawn anew for each turn, the same for the same seed."""

from __future__ import annotations

from itertools import combinations
from random import Random

from multi_llm_comparator.voting.spec import VotingSpec


def drawn(spec: VotingSpec, number: int) -> tuple[int, tuple[str, ...]]:
    """The prompt of a turn (its index), and the contestants in the order in which their answers stand.

    Over all turns each prompt comes once for each two (or four) contestants; so many turns as there are prompts show
    each about as often as the others. ``number`` counts from 0.
    """
    prompts = len(spec.prompts)
    passed, place = divmod(number, prompts)
    order = list(range(prompts))
    if spec.is_shuffled:
        Random(f"prompts {spec.seed} {passed}").shuffle(order)
    meetings = list(combinations([one.id for one in spec.contestants], spec.shown))
    Random(f"meetings {spec.seed}").shuffle(meetings)
    prompt = order[place]
    # By the prompt, not by its place: so a later pass brings each prompt another meeting.
    standing = list(meetings[(prompt + passed) % len(meetings)])
    Random(f"places {spec.seed} {number}").shuffle(standing)
    return prompt, tuple(standing)
