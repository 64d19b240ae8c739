"""What a request meets on its way: attempts, retries, fallback."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import (
    Attempted,
    AttemptFailed,
    Cost,
    Event,
    Failed,
    FellBack,
    Finished,
    Queued,
    Retrying,
)
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    KeyRefusedError,
    ModelProcessDied,
    RateLimitedError,
    RequestRefusedError,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.timings import AnswerProgress
from tests.support.gateways import (
    CONFIG,
    DOWN,
    ActingSource,
    ask,
    asking,
    break_after_text,
    failure,
    gateway_of,
    of,
    text_of,
)


async def test_a_model_without_any_group_answers(tmp_path: Path) -> None:
    async with gateway_of("{}", tmp_path) as gateway:
        events = await ask(gateway, "anything")
    assert text_of(events) == "I am anything"
    assert [type(e) for e in events[-2:]] == [Cost, Finished]
    assert of(events, Attempted)[0].model == "anything"


async def test_the_first_model_of_the_echelon_answers_with_tokens_and_cost(tmp_path: Path) -> None:
    async with gateway_of(CONFIG, tmp_path) as gateway:
        events = await ask(gateway, "fast_group.echelon1")
    cost = of(events, Cost)[0]
    assert (cost.model, cost.usd, cost.priced_by, cost.prompt_tokens, cost.completion_tokens) == (
        "a",
        0.0,
        "local",
        3,
        3,
    )


async def test_retries_then_falls_back_and_says_so(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual |= {"a": DOWN, "b": ModelProcessDied("gone")}
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group")
        history, statistics = gateway.get_history(), gateway.get_statistics()
    assert source.asked == ["a", "a", "b", "b", "c"]
    assert text_of(events) == "I am c"
    assert [(e.model, e.number) for e in of(events, Attempted)] == [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("c", 5)]
    assert [(e.from_model, e.to_model, e.strategy) for e in of(events, FellBack)] == [
        ("a", "b", "echelon_down"),
        ("b", "c", "echelon_down"),
    ]
    assert [e.model for e in of(events, Retrying)] == ["a", "b"]
    assert len(of(events, AttemptFailed)) == 4
    assert [r["outcome"] for r in history] == ["answered", "failed", "failed", "failed", "failed"]
    assert statistics["requests"] == {"answered": 1}
    assert statistics["errors"] == {"ProviderUnavailableError": 2, "ModelProcessDied": 2}
    assert statistics["fallbacks"] == {"echelon_down": 2}


async def test_progress_folds_what_the_gateway_says(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("a", DOWN, DOWN)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        progress = AnswerProgress(requested_at=0.0)
        for event in await ask(gateway, "fast_group"):
            progress.apply(event)
    assert (progress.state, progress.answered_by, progress.attempts, progress.fallbacks) == ("done", "b", 3, 1)
    assert progress.cost_usd == 0.0


async def test_a_refused_request_is_neither_retried_nor_sent_elsewhere(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = RequestRefusedError("400")
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group")
        assert gateway.get_status()["breakers"]["a"]["failures"] == 0, "the request was wrong, not the model"
    assert source.asked == ["a"]
    assert failure(events) == "RequestRefusedError"


async def test_a_refused_key_is_not_tried_again_but_another_model_is(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = KeyRefusedError("401")
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "fast_group")) == "I am b"
    assert source.asked == ["a", "b"]


async def test_a_failed_event_counts_like_an_exception(tmp_path: Path) -> None:
    async def refuse(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        yield Failed(request_id=request.id, error_type="ModelLoadError", message="no")

    source = ActingSource()
    source.usual["a"] = refuse
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "fast_group")) == "I am b"


@pytest.mark.parametrize("error", [DOWN, RateLimitedError("429"), InferenceError("broken")])
async def test_after_the_first_text_a_failure_is_reported_as_it_is(tmp_path: Path, error: InferenceError) -> None:
    source = ActingSource()
    source.usual["a"] = break_after_text(error)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group")
        assert gateway.get_history()[0]["outcome"] == "failed_after_text"
    assert source.asked == ["a"]
    assert (text_of(events), failure(events)) == ("half", type(error).__name__)
    assert of(events, Cost)[0].estimated


async def test_an_error_of_any_other_kind_fails_the_attempt_only(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = ZeroDivisionError("a bug in a source")
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "fast_group")) == "I am b"


async def test_a_stream_that_just_ends_is_no_answer(tmp_path: Path) -> None:
    async def nothing(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        return
        yield

    source = ActingSource()
    source.usual["a"] = nothing
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "fast_group")) == "I am b"


async def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("a", RateLimitedError("429", retry_after_s=0.05))
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group")
    assert text_of(events) == "I am a"
    assert of(events, Retrying)[0].delay_s == 0.05
    waited = of(events, Attempted)[1].at - of(events, Retrying)[0].at
    assert waited >= 0.05


async def test_a_retry_after_too_long_to_wait_falls_back_and_rests_the_model(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("a", RateLimitedError("429", retry_after_s=100))
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "fast_group")) == "I am b"
        assert text_of(await ask(gateway, "fast_group")) == "I am b"
        assert "asks to wait" in gateway.get_status()["models"]["a"]["out"]
    assert source.asked == ["a", "b", "b"]


async def test_a_group_of_one_that_rests_shortly_is_waited_for(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        gateway.parts.health.rest("d", 0.05)
        events = await ask(gateway, "other_group")
    assert text_of(events) == "I am d"
    assert of(events, Queued)


LONG = """
models:
  short: {context_length: 100}
  long: {context_length: 4000}
  longer: {context_length: 9000}
task_groups:
  g:
    echelon1: {models: [short, unknown]}
    echelon2: {models: [longer, long]}
    fallback_strategy: model_rotate
"""


async def test_an_overflow_goes_to_the_next_longer_context_of_the_group(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["short"] = ContextOverflowError("too long")
    async with gateway_of(LONG, tmp_path, source) as gateway:
        events = await ask(gateway, "g.echelon1")
    assert source.asked == ["short", "long"]
    assert of(events, FellBack)[0].strategy == "context_overflow"


async def test_an_overflow_everywhere_is_reported_as_one(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual = dict.fromkeys(["short", "long", "longer"], ContextOverflowError("too long"))
    async with gateway_of(LONG, tmp_path, source) as gateway:
        assert failure(await ask(gateway, "g.echelon1")) == "ContextOverflowError"
    assert source.asked == ["short", "long", "longer"]


async def test_an_overflow_of_local_models_goes_by_what_their_files_say(tmp_path: Path) -> None:
    contexts = {"short": 256, "long": 32_768, "other": 1024}
    config = "task_groups: {g: {e1: {models: [short, unknown]}, e2: {models: [long, other]}}}"
    source = ActingSource()
    source.usual = dict.fromkeys(["short", "other"], ContextOverflowError("too long"))
    async with gateway_of(config, tmp_path, source, local_context=contexts.get) as gateway:
        assert text_of(await ask(gateway, "g")) == "I am long"
        assert source.asked == ["short", "other", "long"]
        source.asked.clear()
        source.usual["long"] = ContextOverflowError("too long")
        assert failure(await ask(gateway, "g", asking(n_ctx=1024))) == "ContextOverflowError"
        assert source.asked == ["short", "long"], "loaded with the same n_ctx, the other one holds no more"
        assert gateway.get_status()["models"]["long"]["context_length"] == 32_768


async def test_fallback_groups_follow_in_their_order(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual = dict.fromkeys("abc", KeyRefusedError("no"))
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group", fallback_groups=["other_group", "single"])
    assert source.asked == ["a", "b", "c", "d"]
    assert of(events, FellBack)[-1].strategy == "fallback_groups"


async def test_when_nothing_is_left_the_last_failure_is_told(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual = dict.fromkeys("abc", DOWN)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "fast_group")
    assert failure(events) == "ProviderUnavailableError"
    assert text_of(events) == ""


async def test_attempts_are_bounded(tmp_path: Path) -> None:
    config = (
        "gateway: {max_attempts: 3, retry_wait_s: 0, breaker: {failure_threshold: 99}}\n" + CONFIG.split("\n", 2)[2]
    )
    source = ActingSource()
    source.usual = dict.fromkeys("abc", DOWN)
    async with gateway_of(config, tmp_path, source) as gateway:
        await ask(gateway, "fast_group")
    assert len(source.asked) == 3


@pytest.mark.parametrize("target", ["fast_group.echelon9", "fast_group.a"])
async def test_an_unknown_echelon_is_refused_with_the_known_ones(tmp_path: Path, target: str) -> None:
    async with gateway_of(CONFIG, tmp_path) as gateway:
        events = await ask(gateway, target)
    assert failure(events) == "ModelNotFoundError"
    assert "echelon1, echelon2" in events[-1].message  # type: ignore[attr-defined]


async def test_invalid_parameters_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert failure(await ask(gateway, "a", asking(temperature=9.0))) == "InvalidParameterError"
    assert source.asked == []


NODE = """
task_groups:
  plan_group: {echelon1: {models: [a]}, echelon2: {models: [b]}}
  thinking_group: {echelon1: {models: [c]}}
nodes:
  planning_node:
    type: llm_node
    config:
      llm_group: plan_group.echelon1
      fallback_groups: [plan_group.echelon2, thinking_group.echelon1]
      system_prompt: You plan.
      max_tokens: 30
      concurrency_limit: 1
"""


async def test_a_node_is_a_target_with_its_own_prompt_limits_and_fallback(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual = dict.fromkeys("ab", KeyRefusedError("no"))
    async with gateway_of(NODE, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "planning_node")) == "I am c"
        assert gateway.get_status()["limits"]["levels"]["node:planning_node"]["concurrency_limit"] == 1
    assert source.asked == ["a", "b", "c"]
    assert source.requests[0].config.system_prompt == "You plan."
    assert source.requests[0].config.max_tokens == 30


async def test_groups_ask_only_models_that_see_about_images_and_a_model_asked_by_name_says_itself_whether_it_does(
    tmp_path: Path,
) -> None:
    config = """
models: {seer: {tags: [vision]}}
task_groups: {g: {echelon1: {models: [blind, seer]}}}
"""
    source = ActingSource()
    async with gateway_of(config, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "g", asking(images=("data:,",)))) == "I am seer"
        assert text_of(await ask(gateway, "blind", asking(images=("data:,",)))) == "I am blind"
