"""Who is asked when: local models one after the other, each everything before the next; remote ones beside them.

A model is loaded once: two hundred prompts to eight models, of which two fit into memory, take eight loads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.together import together
from multi_llm_comparator.evaluation.measuring.asking import Sources, asked
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.spec import Subject

if TYPE_CHECKING:
    from multi_llm_comparator.evaluation.measuring.run import EvaluationRun

# The first prompts of a subject are asked one by one: their speed is the model's own. The first one may load it, and
# six are the fewest whose median has an interval.
ALONE = 7
# Questions of choices that are computed together.
CHOICES_IN_FLIGHT = 48
REMOTE_LANES = 4
# After one of these no other prompt of the subject is asked: it would end the same way.
HOPELESS = frozenset(
    {
        "ModelNotFoundError",
        "ModelLoadError",
        "UnsupportedModelError",
        "InsufficientMemoryError",
        "KeyRefusedError",
        "ConfigurationError",
        "InvalidParameterError",
        "BudgetExceededError",
    }
)


class AskingOrder:
    """Asks all that is open of a run.

    Args:
        run: gets the answers.
        materials: its items.
        sources: who is asked.
    """

    def __init__(self, run: EvaluationRun, materials: Sequence[Material], sources: Sources) -> None:
        self._run, self._materials, self._sources = run, materials, sources

    async def ask_all(self) -> None:
        """Raises StoreError, RunAtWorkError: answers cannot be written down."""
        subjects = self._run.spec.subjects
        here = [s for s in subjects if self._sources.is_local(s.target)]
        # One model asked in two ways stays loaded between them.
        order = list(dict.fromkeys(s.target for s in here))
        here.sort(key=lambda s: (order.index(s.target), repr(s.config.load_options())))
        remote = [s for s in subjects if s not in here]
        places = asyncio.Semaphore(REMOTE_LANES)

        async def beside(subject: Subject) -> None:
            async with places:
                await self._ask(subject)

        await together([self._one_by_one(here), *(beside(subject) for subject in remote)])

    async def _one_by_one(self, subjects: Iterable[Subject]) -> None:
        for subject in subjects:
            await self._ask(subject)

    async def _ask(self, subject: Subject) -> None:
        """All that is open of one subject: written answers, the first few alone, then choices."""
        open_keys = [
            CellKey(number, subject.id, repeat)
            for number in range(len(self._materials))
            for repeat in range(self._run.spec.repeats)
            if (cell := self._run.cells.get(CellKey(number, subject.id, repeat))) is None or cell.state != "done"
        ]
        choices = [key for key in open_keys if self._run.items[key.item].is_choice]
        written = [key for key in open_keys if not self._run.items[key.item].is_choice]
        for keys, in_flight in (
            (written[:ALONE], 1),
            (written[ALONE:], self._run.in_flight * self._sources.width),
            (choices, CHOICES_IN_FLIGHT * self._sources.width),
        ):
            if (hopeless := await self._ask_keys(subject, keys, in_flight)) is not None:
                await self._give_up(open_keys, hopeless)
                return

    async def _ask_keys(self, subject: Subject, keys: Sequence[CellKey], in_flight: int) -> Cell | None:
        """Ask these, so many at a time; what makes the others hopeless, if anything does."""
        waiting, hopeless = iter(keys), list[Cell]()

        async def work() -> None:
            for key in waiting:
                if hopeless:
                    return
                cell = await self._ask_one(subject, key)
                if cell.error_type in HOPELESS:
                    hopeless.append(cell)

        await together([work() for _ in range(min(in_flight, len(keys)))])
        return hopeless[0] if hopeless else None

    async def _ask_one(self, subject: Subject, key: CellKey) -> Cell:
        progress = AnswerProgress(requested_at=now())
        self._run.began(key, progress)
        seed = self._run.spec.seed + key.repeat
        material = self._materials[key.item]
        cell = await asked(self._sources, subject, material, seed, progress, lambda: self._run.changed(str(key)))
        await self._run.finished((key, cell))
        return cell

    async def _give_up(self, keys: Iterable[CellKey], because: Cell) -> None:
        """Those that were not asked fail for the same reason."""
        untold = [key for key in keys if key not in self._run.cells]
        at = now()
        failed = Cell(state="failed", error=because.error, error_type=because.error_type, requested_at=at, ended_at=at)
        if untold:
            await self._run.finished(*((key, failed) for key in untold))
