"""What a cooperation was worth, from the evaluations in the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.source import CooperationSource
from multi_llm_comparator.cooperation.spec import PREFIX
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.cooperation_worth import Worths
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.groups.named_answers import NamedAnswers
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.cooperation.making import spec_of
from tests.evaluation.measuring.making import evaluation, no_tasks, prompt_set
from tests.support.gateways import ActingSource, Deed, answer

ROWS = tuple((f"What is {n} + {n}?", str(2 * n)) for n in range(12))


def knows(*numbers: int) -> Deed:
    """A model that knows some of the sums, and says 1 to the others."""

    async def deed(request: GenerationRequest) -> AsyncIterator[Event]:
        n = int(request.messages[0].content.split()[2])
        async for event in answer(request, str(2 * n) if n in numbers else "1"):
            yield event

    return deed


@pytest.fixture
async def worths(tmp_path: Path) -> AsyncIterator[Worths]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    source = ActingSource()
    source.usual |= {"a": knows(*range(8)), "b": knows(*range(2, 10)), "c": knows(*range(4, 12))}
    runs = RunRegistry(store)
    cooperations = CooperationRegistry(runs, source)
    saved = SavedCooperations(lambda: ("a", "b", "c"), tmp_path / "cooperations")
    saved.save("voting", spec_of("voting", "a", "b", "c"))
    texts = NamedAnswers(source, {PREFIX: CooperationSource(cooperations, saved)})
    found = Worths(EvaluationRegistry(runs, Sources(texts, None, lambda target: False), no_tasks))
    yield found
    await runs.aclose()
    store.close()


async def measured(worths: Worths, *subjects: str) -> None:
    run = await worths._evaluations.start(evaluation(prompt_set(*ROWS), *subjects))
    await run.wait()
    assert run.state == "done"


async def test_without_an_evaluation_nothing_is_known(worths: Worths) -> None:
    assert await worths.of("voting", ["a", "b", "c"]) is None
    assert await worths.weights(["a", "b", "c"]) == {}


async def test_gain_and_cost_are_those_beside_the_best_member(worths: Worths) -> None:
    await measured(worths, "a", "b", "c", "cooperate:voting")
    found = await worths.of("voting", ["c", "b", "a"])
    assert found is not None and found.tokens_ratio is not None
    assert (found.n, round(found.best_score, 3), round(found.score, 3)) == (12, 0.667, 0.667)
    assert found.gain.difference == pytest.approx(0.0)
    assert 2 <= found.tokens_ratio <= 3
    assert await worths.of("voting", ["a", "b"]) is None
    assert await worths.of("council", ["a", "b", "c"]) is None


async def test_weights_come_from_an_evaluation_of_all_members(worths: Worths) -> None:
    await measured(worths, "a", "b", "c")
    found = await worths.weights(["c", "a", "b"])
    assert found.keys() == {"a", "b", "c"}
    assert max(found.values()) > 0
    assert await worths.weights(["a", "d"]) == {}
