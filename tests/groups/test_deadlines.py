"""Time: who is left for another in time, who is to blame for a missed deadline, and who stops in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.events import AttemptFailed
from multi_llm_comparator.core.exceptions import RateLimitedError
from tests.support.gateways import (
    ActingSource,
    ask,
    failure,
    gateway_of,
    hang,
    hang_after_text,
    of,
    text_of,
)
from tests.support.scripted_openai_server import Act, ScriptedServer


def failures(status: dict[str, object], model: str) -> int:
    return status["breakers"][model]["failures"]  # type: ignore[index, no-any-return]


@pytest.mark.parametrize("first_token_timeout_s", [0.6, 30])
async def test_a_silent_model_leaves_time_for_another(tmp_path: Path, first_token_timeout_s: float) -> None:
    config = f"""
models: {{a: {{first_token_timeout_s: {first_token_timeout_s}}}}}
task_groups: {{g: {{e: {{models: [a, b], max_retries: 1, timeout: 0.6}}}}}}
"""
    source = ActingSource()
    source.usual["a"] = hang
    async with gateway_of(config, tmp_path, source) as gateway:
        events = await ask(gateway, "g")
        assert failures(gateway.get_status(), "a") == 1
    assert of(events, AttemptFailed)[0].error_type == "FirstTokenTimeoutError"
    assert source.asked == ["a", "b"], "a retry as long as the first attempt would leave no time"
    assert text_of(events) == "I am b"


async def test_a_model_without_any_stand_in_is_waited_for_until_the_end_and_blamed(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act("hang")
        config = {
            "gateway": {"breaker": {"failure_threshold": 2}},
            "models": {"m": {"base_url": server.url, "connect_timeout_s": 60}},
            "task_groups": {"g": {"e": {"models": ["m"], "timeout": 0.2}}},
        }
        async with gateway_of(config, tmp_path) as gateway:
            ends = [failure(await ask(gateway, "g")) for _ in range(3)]
    assert ends == ["DeadlineExceededError", "DeadlineExceededError", "CircuitOpenError"]


async def test_a_model_that_was_asked_late_is_not_to_blame(tmp_path: Path) -> None:
    config = """
models: {a: {first_token_timeout_s: 30}}
task_groups: {g: {e: {models: [a], timeout: 0.4}}}
"""
    source = ActingSource()
    source.usual["a"] = hang
    async with gateway_of(config, tmp_path, source) as gateway:
        gateway.parts.health.rest("a", 0.35)
        assert failure(await ask(gateway, "g")) == "DeadlineExceededError"
        assert failures(gateway.get_status(), "a") == 0


async def test_a_local_model_that_is_still_loading_at_the_deadline_is_not_to_blame(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = hang
    async with gateway_of("task_groups: {g: {e: {models: [a], timeout: 0.05}}}", tmp_path, source) as gateway:
        assert failure(await ask(gateway, "g")) == "DeadlineExceededError"
        assert failures(gateway.get_status(), "a") == 0


async def test_a_retry_after_beyond_the_deadline_falls_back(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("a", RateLimitedError("429", retry_after_s=8))
    config = "task_groups: {g: {e: {models: [a, b], max_retries: 3, timeout: 5}}}"
    async with gateway_of(config, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "g")) == "I am b"
    assert source.asked == ["a", "b"]


async def test_an_answer_that_stops_in_the_middle_is_ended_and_frees_its_place(tmp_path: Path) -> None:
    config = """
models: {a: {stall_timeout_s: 0.05}}
task_groups: {g: {e: {models: [a], concurrency_limit: 1}}}
"""
    source = ActingSource()
    source.script("a", hang_after_text)
    async with gateway_of(config, tmp_path, source) as gateway:
        events = await ask(gateway, "g")
        assert (text_of(events), failure(events)) == ("half", "ProviderUnavailableError")
        assert "sent nothing for 0.05 s" in events[-1].message  # type: ignore[attr-defined]
        assert failures(gateway.get_status(), "a") == 1
        assert text_of(await ask(gateway, "g")) == "I am a"


async def test_endpoints_have_a_stall_timeout_by_default(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act("hang_after_text")
        config = {"gateway": {"stall_timeout_s": 0.1}, "models": {"m": {"base_url": server.url}}}
        async with gateway_of(config, tmp_path) as gateway:
            assert failure(await ask(gateway, "m")) == "ProviderUnavailableError"
