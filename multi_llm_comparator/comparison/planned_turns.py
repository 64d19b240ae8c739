"""Prompts to be sent one after the other: those of a run that is made again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multi_llm_comparator.comparison.documents import allowed
from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.stored_images import StoredImage


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """A prompt to be sent: to whom and with what parameters, whatever the panes are now; ``picked`` is a pane whose
    answer a shared thread then goes on from."""

    prompt: str
    panes: tuple[Pane, ...]
    picked: str | None = None
    images: tuple[StoredImage, ...] = ()


def planned_turns(snapshot: ComparisonSnapshot, *, same_seeds: bool = True) -> tuple[PlannedTurn, ...]:
    """What :meth:`Comparison.play` takes to ask a run's prompts again; one that reached nobody is left out."""
    now_there = {pane.id: pane for pane in snapshot.panes}
    planned = []
    for turn in snapshot.turns:
        panes = []
        for pane_id, answer in turn.answers.items():
            seed = now_there[pane_id].config.seed if pane_id in now_there else None
            if same_seeds:
                seed = answer.config.seed if answer.legs[0].seed is None else answer.legs[0].seed
            config = allowed(replace(answer.config, seed=seed))
            panes.append(Pane(pane_id, answer.target, config, constraint=answer.constraint))
        # A run from a file may tell of any number of panes.
        panes = sorted(panes, key=lambda pane: pane.id not in now_there)[:MAX_PANES]
        if panes:
            planned.append(PlannedTurn(turn.prompt, tuple(panes), turn.picked, snapshot.images_of(turn)))
    return tuple(planned)
