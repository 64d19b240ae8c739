"""A session of votes as a file: a page to read anywhere, a table of votes, or everything.

Turns that wait for a vote are in none of them: a file must not tell either who wrote what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pydantic_core import to_jsonable_python

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, csv_text
from multi_llm_comparator.runs.exporting import Exports
from multi_llm_comparator.voting.documents import VotingDocument, turn_document
from multi_llm_comparator.voting.export_html import to_html
from multi_llm_comparator.voting.export_markdown import to_markdown
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import tally
from multi_llm_comparator.voting.turns import BAD, TIE

FORMAT = "multi-llm-comparator votes"


def votes_data(snapshot: VotingSnapshot) -> dict[str, Any]:
    """Everything, as plain data: what was asked of whom, each vote, and the ranking."""
    found = tally([snapshot])
    # While it goes on these would tell who stands where.
    hidden = {"seed", "given"} if snapshot.is_running or snapshot.open_turn is not None else None
    return {
        "format": FORMAT,
        "schema_version": VotingDocument.schema_version,
        "exported_at": now(),
        "id": snapshot.id,
        "title": snapshot.title,
        "state": snapshot.state,
        "created_at": iso_time(snapshot.created_at),
        "spec": snapshot.spec.model_dump(mode="json", exclude=hidden),
        "models": to_jsonable_python(dict(snapshot.facts)),
        "versions": dict(snapshot.versions),
        "ranking": {"labels": found.labels, **to_jsonable_python(found.ranked())},
        "turns": [turn_document(turn) for turn in snapshot.voted],
        **({"images": [asdict(image) for image in snapshot.images.values()]} if snapshot.images else {}),
    }


def _csv(snapshot: VotingSnapshot) -> str:
    """A row for each answer."""
    return BYTE_ORDER_MARK + csv_text(_rows(snapshot), names=() if snapshot.voted else ("run_id",))


def _rows(snapshot: VotingSnapshot) -> Iterator[dict[str, Any]]:
    for turn in snapshot.voted:
        prompt = snapshot.spec.prompts[turn.prompt]
        for place, answer in enumerate(turn.answers, 1):
            contestant = snapshot.spec.contestant(answer.contestant)
            outcome = turn.choice if turn.choice in (TIE, BAD) else "won" if turn.best is answer else "lost"
            yield {
                "run_id": snapshot.id,
                "vote": turn.number + 1,
                "voted_at": iso_time(turn.voted_at),
                "prompt_id": prompt.id,
                "prompt": prompt.text,
                **({"images_sha256": " ".join(prompt.images)} if snapshot.images else {}),
                "tags": ";".join(prompt.tags),
                "place": place,
                "model": contestant.name,
                "target": contestant.target,
                "fingerprint": snapshot.fingerprint(contestant.id) or "",
                "outcome": outcome,
                "automatic": turn.is_automatic,
                "answer": answer.text,
                "seed": answer.seed,
                "tokens": answer.tokens,
                "tokens_per_s": answer.tokens_per_s,
                "duration_s": answer.duration_s,
                "read_s": None if turn.voted_at is None else max(0.0, turn.voted_at - turn.ready_at),
            }


export_votes = Exports[VotingSnapshot](
    "votes",
    html=to_html,
    json=lambda snapshot, _: json_text(votes_data(snapshot)),
    csv=lambda snapshot, _: _csv(snapshot),
    markdown=to_markdown,
)
