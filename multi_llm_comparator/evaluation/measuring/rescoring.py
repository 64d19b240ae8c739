"""Scores made anew from stored answers: nobody is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.scores import ContinuationScore, ScoreResult
from multi_llm_comparator.evaluation.measuring.asking import scored
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.prompt_task import PromptSetTask
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer

if TYPE_CHECKING:
    from multi_llm_comparator.evaluation.measuring.run import EvaluationRun


async def rescored(
    run: EvaluationRun, prompts: PromptSet | None
) -> tuple[EvaluationSpec, tuple[Material, ...], dict[CellKey, Cell]]:
    """What the run asks now, its items, and the answers whose score or reason is another now.

    Raises:
        ConfigurationError: ``prompts`` asks something else than the run did.
    """
    spec, materials = run.spec, await run.materials()
    if prompts is not None:
        spec, materials = _with_prompts(spec, materials, prompts)
    changed = {}
    for key, cell in run.cells.items():
        if cell.state == "done":
            again = await scored(cell, materials[key.item], _answer(cell))
            if again != cell:
                changed[key] = again
    return spec, materials, changed


def _with_prompts(
    spec: EvaluationSpec, materials: tuple[Material, ...], prompts: PromptSet
) -> tuple[EvaluationSpec, tuple[Material, ...]]:
    if spec.prompts is None:
        raise ConfigurationError("this evaluation asked no prompt set")
    task = PromptSetTask(prompts)
    before = [one.item for one in materials if isinstance(one.task, PromptSetTask)]
    if [item.id for item in before] != [item.id for item in task.items]:
        raise ConfigurationError(f"{prompts.name!r} has other rows now than the evaluation asked; ask it anew")
    for old, new in zip(before, task.items, strict=True):
        if old.prompt != new.prompt:
            raise ConfigurationError(f"row {new.id!r} asks something else now; ask it anew")
    own = tuple(Material(task, item) for item in task.items)
    return spec.model_copy(update={"prompts": prompts}), (*own, *materials[len(own) :])


def _answer(cell: Cell) -> ItemAnswer:
    if cell.how != "scored":
        return cell.text
    scores = (ContinuationScore(logprob=p, token_logprobs=(p,), is_greedy=False) for p in cell.logprobs)
    return ScoreResult(continuations=tuple(scores), tie_nats=cell.tie_nats)
