"""A mixture of agents: answers, refined in layers, then combined. One model sampled several times is one too."""

from __future__ import annotations

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.integration import integrated
from multi_llm_comparator.cooperation.outcome import Outcome
from multi_llm_comparator.cooperation.prompts import answers_text, prompt
from multi_llm_comparator.core.together import together


async def ensemble(desk: Desk) -> Outcome:
    """Mixture of agents (arXiv 2406.04692); with one member and several samples its self-form (arXiv 2502.00674)."""
    spec = desk.spec
    desk.enter("answering")
    if spec.samples > 1 and any((member.config or spec.config).is_greedy for member in spec.members):
        desk.note("greedy_samples")
    kept: list[Call] = []
    for layer in range(1, spec.rounds + 1):
        asked = spec.question
        if kept:
            asked = prompt("refine", asked, answers=answers_text([call.text for call in kept], asked))
        conversation = desk.conversation(asked)
        calls = await together(
            [
                desk.ask_member(number, "answer", conversation, round=layer, sample=sample)
                for number in range(len(spec.members))
                for sample in range(spec.samples)
            ]
        )
        # A layer in which everybody fails leaves the answers of the one before.
        kept = [call for call in calls if call.is_done] or kept
        if desk.is_overdue:
            break
    return await integrated(desk, kept, "ensemble")
