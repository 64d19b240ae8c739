from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.judges import AnswerJudge
from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.report import verdict_lines
from multi_llm_comparator.evaluation.measuring.results import JudgeTrust, results_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.spec import JudgeSpec
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.evaluation.measuring.making import Opened, Saying, asked_all, evaluation, prompt_set

DEMO = Path(__file__).parents[3] / "models" / "gguf" / "demo-small-Q8_0.gguf"
POEMS = prompt_set(*({"prompt": f"Poem {n}", "compare": "judged", "expected": "a poem"} for n in range(8)))
ANSWERS = {"long": "a long answer", "short": "an answer"}


def says(**fields: Any) -> str:
    return json.dumps({"reason": "because", **fields})


def shown(request: GenerationRequest) -> str:
    return request.messages[0].content


def judged_by(verdict: Any) -> Saying:
    """Subjects answer by their name; the judge as ``verdict`` says of what it is shown."""
    return Saying(lambda target, request: ANSWERS[target] if target in ANSWERS else verdict(shown(request)))


def trust_of(run: EvaluationRun) -> JudgeTrust:
    trust = results_of(run.snapshot()).trust
    assert trust is not None
    return trust


def prefers_long(text: str) -> str:
    first, second = text.index(ANSWERS["long"]), text.index(ANSWERS["short"])
    return says(better="first" if first < second else "second")


async def test_a_judge_that_always_takes_the_first_finds_nothing_but_ties(opened: Opened) -> None:
    source = judged_by(lambda text: says(better="first"))
    spec = evaluation(POEMS, "long", "short", judge=JudgeSpec(target="judge"))
    run = await asked_all(opened(source), spec)
    duels = run.snapshot().duels.values()
    assert (len(duels), {duel.value for duel in duels}) == (8, {0.5})
    results = results_of(run.snapshot())
    assert (results.verdicts[0].outcome, trust_of(run).flip_rate) == ("alike", 1.0)


async def test_a_judge_that_looks_at_the_answers_is_not_led_by_their_order(opened: Opened) -> None:
    source = judged_by(prefers_long)
    run = await asked_all(opened(source), evaluation(POEMS, "long", "short", judge=JudgeSpec(target="judge")))
    results = results_of(run.snapshot())
    (verdict,) = results.verdicts
    assert (verdict.outcome, verdict.basis, verdict.paired.first_only) == ("better", "judge", 8)
    assert (trust_of(run).judged, trust_of(run).flipped) == (8, 0)
    asked = [shown(request) for target, request in source.asked if target == "judge"]
    assert len(asked) == 16
    assert not any(name in text for text in asked for name in ("long:", "short:"))
    assert next(iter(run.snapshot().duels.values())).reasons == ("because", "because")


async def test_a_judge_is_called_by_its_name_and_not_by_the_id_that_it_is_asked_by(opened: Opened) -> None:
    judge = JudgeSpec(target="0a1b2c3d", label="SmolLM2 · GGUF")
    run = await asked_all(opened(judged_by(prefers_long)), evaluation(POEMS, "long", "short", judge=judge))
    (trust, *_) = verdict_lines(run.snapshot(), results_of(run.snapshot()), "en")
    assert trust.startswith("Judged by SmolLM2 · GGUF, whose agreement with you is not known")


async def test_agreement_of_a_judge_is_counted_on_what_the_person_scored(opened: Opened) -> None:
    run = await asked_all(
        opened(judged_by(prefers_long)), evaluation(POEMS, "long", "short", judge=JudgeSpec(target="judge"))
    )
    assert trust_of(run).agreement.n == 0
    for number, (long, short) in enumerate([(1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]):
        await run.score_by_hand(CellKey(number, "a"), long)
        await run.score_by_hand(CellKey(number, "b"), short)
    agreement = trust_of(run).agreement
    assert (agreement.n, agreement.same) == (4, 2)
    # The person's scores tell how good the judge is; they are no part of what it found.
    assert results_of(run.snapshot()).verdicts[0].paired.first_only == 8


@pytest.mark.parametrize(
    ("mode", "answer", "mean"),
    [
        ("reference", lambda text: says(correct=ANSWERS["long"] in text), 1.0),
        ("rubric", lambda _: says(score=7), 2 / 3),
    ],
)
async def test_single_answers_are_judged_by_a_reference_or_a_rubric(
    opened: Opened, mode: str, answer: Any, mean: float
) -> None:
    source = judged_by(answer)
    run = await asked_all(opened(source), evaluation(POEMS, "long", "short", judge={"target": "judge", "mode": mode}))
    first = results_of(run.snapshot()).of("prompts")[0]
    assert first.interval is not None and first.interval.mean == pytest.approx(mean)
    asked = [shown(request) for target, request in source.asked if target == "judge"]
    assert ("a poem" in asked[0]) == (mode == "reference")
    constraint = next(request.constraint for target, request in source.asked if target == "judge")
    assert constraint is not None and constraint.json_schema is not None
    assert next(iter(json.loads(constraint.json_schema)["properties"])) == "reason"


async def test_a_rubric_judge_that_changes_its_mind_with_the_order_is_counted_as_flipped() -> None:
    source = Saying(
        lambda _, request: says(score=9 if shown(request).index("Question:") < shown(request).index("Answer:") else 2)
    )
    judgement = await AnswerJudge(source, JudgeSpec(target="judge", mode="rubric")).grade("Q", "A", "")
    assert (judgement.flipped, judgement.value) == (True, pytest.approx((8 / 9 + 1 / 9) / 2))


@pytest.mark.slow
@pytest.mark.skipif(not DEMO.exists(), reason="the demo models are not made yet")
async def test_a_model_of_this_machine_judges_and_can_always_be_read(opened: Opened) -> None:
    """It has learnt sums alone, so what it says means nothing: but the schema holds it to a verdict with a reason."""
    engine, model = InferenceEngine(), model_at(DEMO)
    engine.know(model)

    class Both:
        def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
            return engine.stream(target, request) if target == model.id else subjects.stream(target, request)

    subjects = judged_by(lambda _: "")
    judge = JudgeSpec(target=model.id, config=ModelConfig(temperature=0.0, max_tokens=512))
    rows = prompt_set(*({"prompt": f"Poem {n}", "compare": "judged"} for n in range(2)))
    try:
        run = await opened(Both()).start(evaluation(rows, "long", "short", judge=judge))
        await run.wait()
    finally:
        await engine.aclose()
    duels = run.snapshot().duels.values()
    assert [duel.error for duel in duels] == [None, None]
    assert all(len(duel.reasons) == 2 and duel.orders is not None for duel in duels)


async def test_what_a_judge_says_otherwise_than_asked_is_asked_for_again_and_then_left_open(opened: Opened) -> None:
    replies = iter(["The first one!", says(better="first"), says(better="second")] + [says(better="both")] * 99)
    judge = AnswerJudge(Saying(lambda *_: next(replies)), JudgeSpec(target="judge"))
    orders, said = await judge.compare("Q", "one", "other")
    assert (orders, said.flipped) == ((1.0, 1.0), False)
    orders, said = await judge.compare("Q", "one", "other")
    assert orders is None
    assert "better" in (said.error or "")


async def test_a_judge_that_fails_leaves_duels_open_and_is_asked_again_on_resuming(opened: Opened) -> None:
    is_broken = True

    def judge(text: str) -> str | Failed:
        if is_broken:
            return Failed(request_id="", error_type="InferenceError", message="out of order")
        return prefers_long(text)

    registry = opened(judged_by(judge))
    run = await asked_all(registry, evaluation(POEMS, "long", "short", judge=JudgeSpec(target="judge")))
    assert {duel.error for duel in run.snapshot().duels.values()} == {"out of order"}
    assert trust_of(run).failed == 8
    is_broken = False
    await registry.resume(run.id)
    await run.wait()
    assert [duel.value for duel in run.snapshot().duels.values()] == [1.0] * 8
    stored = await opened(judged_by(judge)).get(run.id)
    assert stored.snapshot().duels == run.snapshot().duels
