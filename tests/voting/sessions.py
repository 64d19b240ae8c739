"""Sessions of votes for tests: what is asked of whom, and such as were voted on."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.comparison.snapshots import ModelFacts
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import CONTESTANT_IDS, VotingSpec, checked_spec
from multi_llm_comparator.voting.turns import VoteAnswer, VoteTurn

TARGETS = ("small", "large", "medium", "tiny")


def session_spec(*prompts: str, targets: Sequence[str] = TARGETS[:2], **fields: object) -> VotingSpec:
    """A session over these prompts. Their tags are the first words."""
    rows = [{"id": str(n), "text": text, "tags": (text.split()[0],)} for n, text in enumerate(prompts, 1)]
    contestants = [
        {"id": letter, "target": target, "label": target.title(), "config": ModelConfig(temperature=0.0)}
        for letter, target in zip(CONTESTANT_IDS, targets, strict=False)
    ]
    usual = {"contestants": contestants, "prompts": rows, "is_shuffled": False, "seed": 5}
    return checked_spec(**{**usual, **fields})


def answered(number: int, choice: str, *texts: str, places: str = "ab", prompt: int = 0, **fields: object) -> VoteTurn:
    """A turn with its vote."""
    answers = tuple(
        VoteAnswer(contestant=one, text=text, seed=7, tokens=len(text.split()), tokens_per_s=12.5, duration_s=1.0)
        for one, text in zip(places, texts, strict=True)
    )
    return VoteTurn(
        number=number,
        prompt=prompt,
        places=tuple(places),
        answers=answers,
        state="voted",
        choice=choice,
        ready_at=100.0,
        voted_at=105.0,
        **fields,  # type: ignore[arg-type]
    )


def session(
    spec: VotingSpec, *turns: VoteTurn, hashes: Sequence[str | None] = ("h1", "h2", "h3", "h4")
) -> VotingSnapshot:
    """A session that is over."""
    facts = {
        one.id: ModelFacts(id=one.target, name=one.name, fingerprint=fingerprint)
        for one, fingerprint in zip(spec.contestants, hashes, strict=False)
    }
    return VotingSnapshot(
        id="session1",
        title=spec.title or spec.prompts[0].text,
        state="done",
        phase="",
        version=1,
        created_at=1_700_000_000.0,
        ended_at=1_700_000_100.0,
        error=None,
        spec=spec,
        turns=turns,
        facts=facts,
        versions={"python": "3"},
    )
