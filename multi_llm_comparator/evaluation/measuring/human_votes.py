"""Blind votes on the answers of an evaluation: the person's side of a judge's kappa, not knowing whose they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.prompt_task import PROMPTS
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.voting.human_preferences import HumanPreference
from multi_llm_comparator.voting.spec import MAX_CONTESTANTS, VotingSpec, checked_spec


def voting_spec(snapshot: EvaluationSnapshot) -> VotingSpec:
    """A session of votes over the answers that an evaluation has: nobody is asked again. Prompts that not all subjects
    answered are left out.

    Raises:
        ConfigurationError: fewer than two subjects, or no prompt that all of them answered.
    """
    prompts, subjects = snapshot.spec.prompts, snapshot.spec.subjects[:MAX_CONTESTANTS]
    if prompts is None or len(subjects) < 2:
        raise ConfigurationError("there is nothing to vote on: two models and a set of prompts are needed")
    rows, given = [], {}
    for number, row in enumerate(prompts.rows[: len(snapshot.items)]):
        cells = {one.id: snapshot.cells.get(CellKey(number, one.id)) for one in subjects}
        texts = {name: cell.text for name, cell in cells.items() if cell is not None and cell.state == "done"}
        # Of a choice there is nothing to see but a letter, and who votes sees no images.
        is_seen = row.compare != "choice" and not row.images
        if len(texts) == len(subjects) and is_seen and snapshot.items[number].source == PROMPTS:
            rows.append({"id": row.id, "text": prompts.prompt_of(row), "tags": row.tags})
            given[row.id] = texts
    if not rows:
        raise ConfigurationError("there is nothing to vote on yet: no prompt was answered by all models")
    return checked_spec(
        contestants=[
            {"id": one.id, "target": one.target, "label": one.label, "config": one.config} for one in subjects
        ],
        prompts=rows,
        given=given,
        source=prompts.name,
        digest=prompts.digest,
    )


def scores_by_votes(snapshot: EvaluationSnapshot, votes: Iterable[HumanPreference]) -> dict[CellKey, float]:
    """What people's votes say of an evaluation's answers, 0 to 1: the share of comparisons that each won, a tie half.

    A vote counts where prompt and both texts are the same, whoever wrote them where it was given.
    """
    prompts = snapshot.spec.prompts
    if prompts is None:
        return {}
    places: dict[tuple[str, str], list[CellKey]] = defaultdict(list)
    for key, cell in snapshot.cells.items():
        if cell.state == "done" and snapshot.items[key.item].source == PROMPTS:
            places[prompts.prompt_of(prompts.rows[key.item]), cell.text].append(key)
    won: dict[CellKey, list[float]] = defaultdict(list)
    for vote in votes:
        first, second = (places.get((vote.prompt, text), []) for text in (vote.first_text, vote.second_text))
        if first and second:
            for keys, value in ((first, vote.value), (second, 1 - vote.value)):
                for key in keys:
                    won[key].append(value)
    return {key: sum(values) / len(values) for key, values in won.items()}
