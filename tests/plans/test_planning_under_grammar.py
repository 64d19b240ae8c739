"""Planners are held to the form of a plan, and whatever becomes of that has a defined outcome."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.parse import PlanParser
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import CLOSED_EARLY
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget
from tests.support.requests import answer

MODELS = Path(__file__).parents[2] / "models"
DEMO = [
    ("gguf", MODELS / "gguf" / "demo-small-F16.gguf"),
    ("gguf", MODELS / "gguf" / "demo-large-Q8_0.gguf"),
    ("pytorch", MODELS / "pytorch" / "demo-small"),
    ("pytorch", MODELS / "pytorch" / "demo-large"),
]


class Planning(ByTarget):
    """The planner ends as ``endings`` say: a finish reason, or the name of an error; then it answers as it should."""

    def __init__(self, *endings: str) -> None:
        super().__init__(planner=PLAN, small="7", large="568")
        self._endings = list(endings)

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        if target != "planner" or not self._endings:
            async for event in super().stream(target, request):
                yield event
            return
        self.asked.append((target, request))
        ending = self._endings.pop(0)
        yield Started(request_id=request.id, prompt_tokens=1)
        if ending == "length":
            yield TextDelta(request_id=request.id, text=PLAN, tokens=50)
            yield Finished(request_id=request.id, reason="length", prompt_tokens=1, completion_tokens=50)
        else:
            yield Failed(request_id=request.id, error_type=ending, message="no tokens for it")


async def run(source: ByTarget, **options: Any) -> PlanRun:
    plan_run = PlanRun(source, "What is (23 + 48) * (17 - 9)?", replace(OPTIONS, **options), run_id="r")
    await plan_run.execute()
    assert (plan_run.state, plan_run.answer) == ("done", "568")
    return plan_run


@pytest.mark.parametrize(("options", "grammar"), [({}, plan_grammar()), ({"planner_grammar": False}, None)])
async def test_the_planner_alone_writes_under_a_grammar_unless_that_is_off(
    options: dict[str, Any], grammar: Constraint | None
) -> None:
    source = Planning()
    await run(source, **options)
    assert [request.constraint for target, request in source.asked if target == "planner"] == [grammar]
    assert all(request.constraint is None for target, request in source.asked if target != "planner")


async def test_a_planner_may_be_let_think() -> None:
    source = Planning()
    await run(source, planner_thinks=True)
    assert source.asked[0][1].constraint == plan_grammar(may_think=True)


async def test_a_planner_without_a_prompt_is_asked_the_bare_question() -> None:
    source = Planning()
    await run(source, planner_prompt="")
    assert source.asked[0][1].messages == (Message("user", "What is (23 + 48) * (17 - 9)?"),)
    assert source.asked[0][1].config.system_prompt == ""


async def test_a_planner_that_cannot_be_held_to_a_grammar_is_asked_without() -> None:
    source = Planning("GrammarError")
    done = await run(source)
    grammars = [request.constraint for target, request in source.asked if target == "planner"]
    assert grammars == [plan_grammar(), None]
    assert [attempt.error_type for attempt in done.planning] == ["GrammarError", None]


async def test_a_plan_that_was_made_to_end_is_used_and_the_repair_recorded() -> None:
    done = await run(Planning("length"))
    assert done.planning[-1].repairs == [CLOSED_EARLY]
    assert not done.plan_is_direct


@pytest.mark.parametrize(("kind", "path"), DEMO, ids=lambda part: getattr(part, "name", part))
@pytest.mark.slow
def test_untrained_planners_write_valid_plans_also_when_cut_short(kind: str, path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no {path.name}; python -m demo.prepare makes it")
    engine = open_engine(kind, str(path), LoadOptions(n_ctx=1024, n_threads=1, use_gpu=False))
    config = ModelConfig(temperature=1.0, top_p=1.0, top_k=0, repeat_penalty=1.0, max_tokens=200)
    asked = (Message("user", "What is (23 + 48) * 3, and is it larger than 200?"),)
    requests = [
        GenerationRequest(messages=asked, config=replace(config, seed=seed), constraint=plan_grammar())
        for seed in range(4)
    ]
    replies = answer(engine, *requests)
    engine.close()
    for reply in replies:
        parser = PlanParser()
        parser.feed(reply.text)
        assert parser.close(complete=reply.reason == "stop").steps
        assert parser.repairs == []
