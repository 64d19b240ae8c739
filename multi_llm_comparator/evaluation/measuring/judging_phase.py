"""After all answers are there: those that are to be judged are put before the judge, who is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.core.requests import OneRun
from multi_llm_comparator.core.together import together
from multi_llm_comparator.evaluation.judges import AnswerJudge
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel

if TYPE_CHECKING:
    from multi_llm_comparator.evaluation.measuring.run import EvaluationRun

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class JudgingPhase:
    """Judges what is open of a run."""

    run: EvaluationRun

    def todo(self) -> list[Work]:
        """What is still to be judged; what a judge could not say earlier is asked again."""
        spec = self.run.spec
        if spec.judge is None or spec.prompts is None:
            return []
        rows = [number for number, item in enumerate(self.run.items) if item.compare == "judged"]
        if spec.judge.mode == "pairwise":
            return [
                partial(self._duel, duel)
                for row in rows
                for one, other in spec.pairs
                for repeat in range(spec.repeats)
                if self._is_open(duel := Duel(item=row, first=one.id, second=other.id, repeat=repeat))
            ]
        return [
            partial(self._grade, key, cell)
            for key, cell in self.run.cells.items()
            if key.item in rows and cell.state == "done" and (cell.judgement is None or cell.judgement.value is None)
        ]

    async def judge_all(self) -> None:
        """Raises StoreError, RunAtWorkError: a verdict cannot be written down."""
        todo = self.todo()
        self.run.pace.judged = (0, len(todo))
        waiting = iter(todo)

        async def work() -> None:
            for one in waiting:
                await one()
                done, all_of_them = self.run.pace.judged
                self.run.pace.judged = (done + 1, all_of_them)
                self.run.version += 1

        await together([work() for _ in range(min(self.run.in_flight, len(todo)))])

    def _is_open(self, duel: Duel) -> bool:
        known = self.run.duels.get(duel.key)
        return (known is None or known.orders is None) and None not in self._answers(duel)

    def _answers(self, duel: Duel) -> tuple[str | None, str | None]:
        first = self.run.cells.get(CellKey(duel.item, duel.first, duel.repeat))
        second = self.run.cells.get(CellKey(duel.item, duel.second, duel.repeat))
        return _text(first), _text(second)

    async def _duel(self, duel: Duel) -> None:
        first, second = self._answers(duel)
        assert first is not None
        assert second is not None
        orders, said = await self._judge().compare(self._question(duel.item), first, second)
        await self.run.judged(replace(duel, orders=orders, reasons=said.reasons, error=said.error))

    async def _grade(self, key: CellKey, cell: Cell) -> None:
        judgement = await self._judge().grade(self._question(key.item), cell.text, self._expected(key.item))
        now_there = self.run.cells.get(key, cell)
        await self.run.judged(cells={key: replace(now_there, judgement=judgement)})

    def _judge(self) -> AnswerJudge:
        assert self.run.spec.judge is not None
        return AnswerJudge(OneRun(self.run.sources.texts, self.run.id), self.run.spec.judge)

    def _question(self, number: int) -> str:
        prompts = self.run.spec.prompts
        assert prompts is not None
        row = prompts.rows[number]
        unseen = f"\n\n({len(row.images)} images stood before the question; they are not shown here.)"
        return prompts.prompt_of(row) + (unseen if row.images else "")

    def _expected(self, number: int) -> str:
        prompts = self.run.spec.prompts
        assert prompts is not None
        return prompts.expected_of(prompts.rows[number])


def _text(cell: Cell | None) -> str | None:
    return cell.text if cell is not None and cell.state == "done" else None
