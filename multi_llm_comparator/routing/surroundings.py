"""What a router works in, in an open workbench."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from multi_llm_comparator.routing.candidates import Candidate, find_candidates
from multi_llm_comparator.routing.router import Learnt, Surroundings
from multi_llm_comparator.routing.rules import Rules

if TYPE_CHECKING:
    from multi_llm_comparator.routing.learning import Learning
    from multi_llm_comparator.workbench import Services

FOLDER = "routing"
# One for each home: what was learnt is read once.
_learning: dict[str, Learning] = {}


def surroundings_of(services: Services) -> Surroundings:
    """The gateway's models and groups, the modes of cooperation, and what was learnt in this home."""

    def candidates(rules: Rules) -> Sequence[Candidate]:
        return find_candidates(services.gateway, services.models, services.engine, rules)

    def learnt() -> Learnt | None:
        if not (services.settings.home / FOLDER / "learnt.json").is_file():
            return None
        return learning_of(services).current()

    return Surroundings(services.answers, candidates, lambda: modes_of(services), learnt)


def learning_of(services: Services) -> Learning:
    """What keeps the learnt router of this home; brings numpy."""
    from multi_llm_comparator.routing.learning import Learning

    folder = services.settings.home / FOLDER
    return _learning.setdefault(str(folder), Learning(folder))


def modes_of(services: Services) -> tuple[str, ...]:
    """Names of the cooperation modes that can be asked."""
    return tuple(services.saved_cooperations.names())
