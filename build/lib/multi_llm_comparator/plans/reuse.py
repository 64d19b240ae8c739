"""Steps that were solved before, found again by what they ask rather than by their ids: planners number anew."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.prompts import filled_task
from multi_llm_comparator.plans.step_run import StepRun

# What a step asks: its task with quotes by position, difficulty, budget, and which answers it needs.
_Asked = tuple[str, int, int, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class _Known:
    run: StepRun
    kept_in: MutableMapping[str, StepRun]


class SolvedSteps:
    """Answers of earlier tries at a plan, each by step id. One that is taken leaves the mapping it was in, so that
    nothing counts twice."""

    def __init__(self, earlier: Iterable[MutableMapping[str, StepRun]] = ()) -> None:
        self._known: dict[_Asked, list[_Known]] = {}
        for runs in earlier:
            for run in runs.values():
                needed = [runs.get(n) for n in run.step.rely]
                if run.state == "done" and (asked := _asked(run.step, needed)) is not None:
                    self._known.setdefault(asked, []).append(_Known(run, runs))

    def take(self, step: Step, needed: Sequence[StepRun | None]) -> StepRun | None:
        """The run that answers ``step``, or None.

        Args:
            step: what is to be solved.
            needed: for each step it relies on the earlier run that was taken, None for one that was solved anew: an
                answer from before would not follow from it.
        """
        asked = _asked(step, needed)
        found = self._known.get(asked, []) if asked is not None else []
        if not found:
            return None
        # Of several that ask the same, the one of the same id is the likeliest to be meant.
        known = next((k for k in found if k.run.step.id == step.id), found[0])
        found.remove(known)
        known.kept_in.pop(known.run.step.id, None)
        return known.run


def _asked(step: Step, needed: Sequence[StepRun | None]) -> _Asked | None:
    answers = tuple(id(run) for run in needed if run is not None)
    if len(answers) < len(step.rely):
        return None
    places = {n: f"\0{place}" for place, n in enumerate(step.rely)}
    return filled_task(step, places)[0], step.difficulty, step.token, answers
