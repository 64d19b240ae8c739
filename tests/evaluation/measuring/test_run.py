from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.events import Event, Failed, Loading
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.evaluation.measuring.asking import EXTRACTED
from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice, checked_spec
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Task, TaskItem
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.measuring.making import Opened, Saying, asked_all, cell_of, evaluation, prompt_set
from tests.support.scripted_models import Catalogue, scripted_model

SUMS = prompt_set(*((f"{n} + {n}", str(2 * n)) for n in range(1, 21)), compare="numeric")


def adds(target: str, request: GenerationRequest) -> str:
    """The good model adds; the bad one cannot carry."""
    one, other = map(int, re.findall(r"\d+", request.messages[-1].content))
    total = one + other
    return f"{one} + {other} = {total if target == 'good' else total % 10}"


async def test_each_subject_is_asked_everything_before_the_next_and_scored(opened: Opened) -> None:
    source = Saying(adds)
    run = await asked_all(opened(source), evaluation(SUMS, "good", "bad", title="Sums"))
    assert (run.state, run.error, run.title) == ("done", None, "Sums")
    assert [target for target, _ in source.asked] == ["good"] * 20 + ["bad"] * 20
    taken = run.snapshot()
    right = {s: sum(bool(cell_of(run, n, s).correct) for n in range(20)) for s in "ab"}
    assert right == {"a": 20, "b": 4}
    cell = cell_of(run, 4, "b")
    assert (cell.text, cell.reason, cell.prompt) == ("5 + 5 = 0", "its number is 0, expected 10", "<s>5 + 5")
    assert [p.state for p in taken.progress] == ["done", "done"]
    # The first few of each are asked alone, so that their speed is the model's own.
    assert [cell.is_alone for cell in (cell_of(run, 0, "a"), cell_of(run, 3, "a"))] == [True, True]
    assert 1 < source.most <= 4


@pytest.mark.slow
# Two hundred are what one waits for over lunch; sixty show the same.
@pytest.mark.parametrize("prompts", [60, pytest.param(200, marks=pytest.mark.nightly)])
async def test_many_prompts_to_eight_models_of_which_two_fit_take_eight_loads(
    tmp_path: Path, opened: Opened, prompts: int
) -> None:
    held = 150_000_000
    models = [replace(scripted_model(tmp_path, f"m{n}", otherwise="2", memory_bytes=held), size=held) for n in range(8)]
    settings = Settings(spare_process=False, home=tmp_path, parallel_requests=8)
    engine = InferenceEngine(MemoryManager(max_memory_gb=0.5), models=Catalogue(*models), settings=settings)
    loads: list[str] = []
    most_resident = 0

    class Counting:
        async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
            nonlocal most_resident
            async for event in engine.stream(target, request):
                if isinstance(event, Loading):
                    loads.append(event.model)
                most_resident = max(most_resident, len(engine.loaded_models()))
                yield event

    rows = prompt_set(*((f"{n} - 1", "2") for n in range(prompts)))
    try:
        run = await asked_all(opened(Counting()), evaluation(rows, *(f"m{n}" for n in range(8))))
    finally:
        await engine.aclose()
    assert (run.state, sum(p.done for p in run.snapshot().progress)) == ("done", 8 * prompts)
    assert loads == [f"m{n}" for n in range(8)]
    assert most_resident <= 3


async def test_a_subject_that_cannot_be_asked_fails_once_and_the_others_go_on(opened: Opened) -> None:
    gone = Failed(request_id="", error_type="ModelLoadError", message="no such file")
    source = Saying(lambda target, request: gone if target == "bad" else adds("good", request))
    run = await asked_all(opened(source), evaluation(SUMS, "bad", "good"))
    taken = run.snapshot()
    assert (run.state, taken.failed, cell_of(run, 19, "a").error) == ("done", 20, "no such file")
    assert [target for target, _ in source.asked].count("bad") == 1


async def test_nothing_answered_is_a_failed_run_that_says_why(opened: Opened) -> None:
    gone = Failed(request_id="", error_type="ModelLoadError", message="no such file")
    run = await asked_all(opened(Saying(lambda *_: gone)), evaluation(SUMS, "bad"))
    assert (run.state, run.error) == ("failed", "no prompt was answered: no such file")


async def test_what_failed_is_asked_again_and_nothing_else(opened: Opened) -> None:
    is_broken = True

    def say(target: str, request: GenerationRequest) -> str | Failed:
        if is_broken and request.messages[-1].content == "7 + 7":
            return Failed(request_id="", error_type="InferenceError", message="out of order")
        return adds("good", request)

    source = Saying(say)
    registry = opened(source)
    run = await asked_all(registry, evaluation(SUMS, "good"))
    assert (run.state, run.snapshot().failed, run.is_complete) == ("done", 1, False)
    is_broken = False
    again = await registry.resume(run.id)
    await again.wait()
    assert (again.snapshot().failed, again.is_complete, len(source.asked)) == (0, True, 21)
    assert await registry.resume(run.id) is again
    assert len(source.asked) == 21


async def test_repeats_are_asked_with_seeds_of_their_own_and_one_answer_a_seed(opened: Opened) -> None:
    source = Saying(adds)
    rows = prompt_set(("1 + 1", "2"))
    run = await asked_all(opened(source), evaluation(rows, "good", repeats=3, seed=5))
    assert [request.config.seed for _, request in source.asked] == [5, 6, 7]
    assert sorted(map(str, run.cells)) == ["0.a.0", "0.a.1", "0.a.2"]


async def test_scores_are_made_anew_without_asking_and_refused_for_another_question(
    opened: Opened, store: Store
) -> None:
    source = Saying(adds)
    registry = opened(source)
    run = await asked_all(registry, evaluation(SUMS, "bad"))
    lenient = SUMS.model_copy(
        update={"rows": tuple(r.model_copy(update={"compare": "regex", "expected": "= 0"}) for r in SUMS.rows)}
    )
    assert run.scores[0].mean == 0.2
    assert await run.rescore(lenient) == 20
    assert (run.scores[0].mean, len(source.asked)) == (0.2, 20)
    assert cell_of(run, 4, "a").correct
    stored = await opened(source).get(run.id)
    assert stored.spec.prompts is not None
    assert (cell_of(stored, 4, "a").correct, stored.spec.prompts.rows[0].compare) == (True, "regex")
    other = prompt_set(*((f"{n} * {n}", "1") for n in range(1, 21)))
    with pytest.raises(ConfigurationError, match="asks something else now"):
        await run.rescore(other)


async def test_a_persons_score_is_kept_with_the_answer_and_counts_where_nothing_else_does(opened: Opened) -> None:
    registry = opened(Saying(adds))
    rows = prompt_set({"prompt": "1 + 1", "compare": "none"}, {"prompt": "2 + 2", "compare": "none"})
    run = await asked_all(registry, evaluation(rows, "good"))
    assert run.scores == []
    await run.score_by_hand(CellKey(0, "a"), 1.0)
    assert (run.scores[0].mean, run.scores[0].n) == (1.0, 1)
    again = await opened(Saying(adds)).get(run.id)
    assert cell_of(again, 0, "a").human == 1.0
    for key, value in ((CellKey(9, "a"), 1.0), (CellKey(0, "a"), 1.5)):
        with pytest.raises(ConfigurationError):
            await run.score_by_hand(key, value)


class Letters(Task):
    """One question of choices."""

    kind, name, version, group, metrics = "choose", "letters", "1", "letters", ("acc",)

    def __init__(self, prompt: str = "Which?") -> None:
        self.items = (TaskItem(id="1", prompt=prompt, target=1, choices=(" A", " B"), labels=("A", "B")),)

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        chosen = answer.strip() if isinstance(answer, str) else item.labels[answer.best]
        return ItemScore(value=float(chosen == "B"), correct=chosen == "B", reason=f"chose {chosen}, right is B")


async def test_a_model_whose_probabilities_cannot_be_seen_is_asked_for_its_choice_and_that_is_said(
    opened: Opened,
) -> None:
    registry = opened(Saying(lambda *_: "B"), tasks=lambda choice: [Letters()])
    run = await asked_all(registry, evaluation(None, "remote", tasks=(TaskChoice(name="letters"),)))
    cell = cell_of(run, 0, "a")
    assert (cell.correct, cell.how, cell.notes) == (True, "extracted", (EXTRACTED,))
    assert run.snapshot().sources == ("letters",)


async def test_a_run_whose_data_changed_is_not_continued_with_other_questions(opened: Opened) -> None:
    gone = Failed(request_id="", error_type="InferenceError", message="out of order")
    first = opened(Saying(lambda *_: gone), tasks=lambda choice: [Letters()])
    run = await asked_all(first, evaluation(None, "m", tasks=(TaskChoice(name="letters"),)))
    assert run.state == "failed"
    later = opened(Saying(lambda *_: "B"), tasks=lambda choice: [Letters("Which one?")])
    again = await later.resume(run.id)
    await again.wait()
    assert again.state == "failed"
    assert "has changed since it began" in (again.error or "")
    with pytest.raises(DocumentError):
        await again.materials()


async def test_the_history_of_a_model_tells_what_its_evaluations_found(opened: Opened) -> None:
    registry = opened(Saying(adds))
    run = await asked_all(registry, evaluation(SUMS, "good", "bad"))
    (past,) = await registry.history("bad")
    assert (past.run_id, past.score.mean, past.score.n, past.score.source) == (run.id, 0.2, 20, "prompts")
    assert await registry.history("unknown") == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"subjects": []}, "subjects"),
        ({"prompts": None}, "nothing to ask"),
        ({"repeats": 0}, "repeats"),
        ({"subjects": [{"id": "a", "target": "m"}, {"id": "a", "target": "n"}]}, "one id"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(fields: dict[str, Any], says: str) -> None:
    whole = {"subjects": [{"id": "a", "target": "m"}], "prompts": SUMS, **fields}
    with pytest.raises(ConfigurationError, match=says):
        checked_spec(**whole)
