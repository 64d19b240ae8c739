"""What a router works in, in an open workbench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.groups import Gateway
from multi_llm_comparator.routing.candidates import Candidate, find_candidates
from multi_llm_comparator.routing.point import chosen_priority
from multi_llm_comparator.routing.router import Learnt, Surroundings
from multi_llm_comparator.routing.rules import Rules
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager

if TYPE_CHECKING:
    from multi_llm_comparator.routing.learning import Learning

FOLDER = "routing"
# One for each folder: what was learnt is read once.
_learning: dict[Path, Learning] = {}


def surroundings(
    *,
    gateway: Gateway,
    models: ModelManager,
    engine: InferenceEngine,
    answers: TextSource,
    saved: SavedCooperations | None = None,
    folder: Path | None = None,
) -> Surroundings:
    """The gateway's models and groups, the modes of cooperation, and what was learnt.

    Args:
        saved: names the modes; without it there are none.
        folder: where what was learnt is kept; without it rules alone decide.
    """

    def candidates(rules: Rules) -> Sequence[Candidate]:
        return find_candidates(gateway, models, engine, rules)

    def modes() -> Sequence[str]:
        return saved.names() if saved is not None else ()

    def learnt() -> Learnt | None:
        if folder is None or not (folder / "learnt.json").is_file():
            return None
        return learning_in(folder).current()

    def priority() -> float | None:
        return chosen_priority(folder) if folder is not None else None

    return Surroundings(answers, candidates, modes, learnt, priority)


def learning_in(folder: Path) -> Learning:
    """What keeps the learnt router in a folder; brings numpy."""
    from multi_llm_comparator.routing.learning import Learning

    return _learning.setdefault(folder, Learning(folder))
