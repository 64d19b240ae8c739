"""What the gateway says of itself: complete, plain data, and no keys in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from multi_llm_comparator.core.exceptions import (
    ModelNotFoundError,
    ProviderUnavailableError,
    UnsupportedModelError,
)
from tests.support.gateways import ActingSource, ask, asking, failure, gateway_of
from tests.support.scripted_openai_server import Act, ScriptedServer

KEY = "my-unusual-key-value-4711"


async def test_status_is_plain_data_about_every_part(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = ProviderUnavailableError("a is down")
    config = (
        "task_groups: {g: {e: {models: [a, b], max_retries: 3, rpm_limit: 50}}}\npolling_pools: {p: {task_groups: [g]}}"
    )
    async with gateway_of("gateway: {retry_wait_s: 0}\n" + config, tmp_path, source) as gateway:
        await ask(gateway, "g")
        status = json.loads(json.dumps(gateway.get_status()))
    assert set(status) == {
        "config",
        "pools",
        "breakers",
        "limits",
        "models",
        "budgets",
        "cache",
        "statistics",
        "shared",
        "shared_problem",
    }
    assert status["models"]["a"]["out"] == "its circuit breaker is open"
    assert status["models"]["a"]["last_error"] == "a is down"
    assert status["models"]["b"]["out"] is None
    assert status["breakers"]["a"] | {"recovers_in_s": 0} == {
        "state": "open",
        "failures": 3,
        "probes": 0,
        "recovers_in_s": 0,
    }
    assert status["limits"]["levels"]["echelon:g.e"]["requests_in_window"] == 4
    assert status["pools"]["p"]["instances"]["a"]["failed"] == 3


async def test_every_limited_level_is_shown_whatever_its_group_falls_back_to(tmp_path: Path) -> None:
    config = """
models: {m: {tpm_limit: 5}}
task_groups:
  g: {e: {models: [a]}, translation: {models: [b], rpm_limit: 9}, fallback_strategy: model_rotate, concurrency_limit: 3}
nodes: {n: {config: {llm_group: g.e, concurrency_limit: 2}}}
"""
    async with gateway_of(config, tmp_path) as gateway:
        levels = gateway.get_status()["limits"]["levels"]
    assert set(levels) == {"model:m", "group:g", "echelon:g.translation", "node:n"}


async def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    config = """
gateway: {cache: {enabled: true}}
task_groups: {g: {e: {models: [a, b, c], rpm_limit: 50}, budget: {per_day_usd: 5, per_run_usd: 0.5}}}
polling_pools: {p: {task_groups: [g]}}
"""
    async with gateway_of(config, tmp_path) as gateway:
        await ask(gateway, "g")
        await ask(gateway, "g", asking("hi", images=("data:image/png;base64,AA==",)))
        gateway.open_breaker("a")
        gateway.parts.health.rest("b", 60)
        gateway.groups._loader.data["extra"] = 1  # type: ignore[attr-defined]
        gateway.groups.reload()
        families = text_string_to_metric_families(gateway.parts.metrics.render().decode())
        samples = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
    assert samples["mlc_gateway_attempts_total", ("model", "a"), ("outcome", "answered")] == 1
    assert samples["mlc_gateway_tokens_total", ("kind", "completion"), ("model", "a")] == 3
    assert samples["mlc_gateway_breaker_state", ("model", "a")] == 2
    assert samples["mlc_gateway_level_used", ("level", "echelon:g.e"), ("limit", "requests")] == 1
    assert samples["mlc_gateway_level_waiting", ("level", "echelon:g.e")] == 0
    assert samples["mlc_gateway_config_error", ("part", "file")] == 1
    assert samples["mlc_gateway_config_error", ("part", "redis_url")] == 0
    assert samples["mlc_gateway_model_out", ("model", "a"), ("reason", "breaker")] == 1
    assert samples["mlc_gateway_model_out", ("model", "b"), ("reason", "retry_after")] == 1
    assert not [key for key in samples if key[:2] == ("mlc_gateway_model_out", ("model", "c"))]
    assert samples["mlc_gateway_pool_used", ("model", "a"), ("pool", "p")] == 1
    assert samples["mlc_gateway_requests_total", ("outcome", "answered")] == 1
    assert samples["mlc_gateway_requests_total", ("outcome", "failed")] == 1
    assert samples["mlc_gateway_errors_total", ("error", "RequestRefusedError")] == 1
    assert samples["mlc_gateway_budget_spent_today_usd", ("group", "g")] == 0
    assert samples["mlc_gateway_budget_per_day_usd", ("group", "g")] == 5
    assert samples["mlc_gateway_budget_per_run_usd", ("group", "g")] == 0.5
    assert samples["mlc_gateway_cache_lookups_total", ("result", "misses")] == 2


async def test_a_local_member_that_is_not_there_is_out_before_and_after_it_is_asked_for(tmp_path: Path) -> None:
    config = """
models: {far: {base_url: "http://127.0.0.1:9/v1"}, alias: {local: gone}}
task_groups: {g: {e: {models: [here, gone, broken, alias, far]}}, h: {e: {models: [gone]}}}
"""
    troubles = {
        "gone": ModelNotFoundError("no model named 'gone' is here"),
        "broken": UnsupportedModelError("'broken' cannot be loaded: half of it is missing"),
        "far": ModelNotFoundError("it is remote, and nobody should ask this"),
    }
    source = ActingSource()
    async with gateway_of(config, tmp_path, source, local_trouble=troubles.get) as gateway:
        for _ in range(2):
            models = gateway.get_status()["models"]
            assert {name: model["out_by"] for name, model in models.items()} == {
                "far": None,
                "alias": "missing",
                "here": None,
                "gone": "missing",
                "broken": "unloadable",
            }
            assert models["gone"]["out"] == "no model named 'gone' is here"
            assert 'model_out{model="gone",reason="missing"} 1.0' in gateway.parts.metrics.render().decode()
            events = await ask(gateway, "h")
            assert failure(events) == "CircuitOpenError"
            assert "no model named 'gone' is here" in events[-1].message  # type: ignore[attr-defined]
            assert failure(await ask(gateway, "g")) is None
    assert source.asked == ["here", "here"]


async def test_names_that_anybody_may_ask_for_do_not_fill_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.groups.metrics.MAX_LABELS", 5)
    async with gateway_of("{}", tmp_path) as gateway:
        for number in range(20):
            await ask(gateway, f"name{number}")
        text = gateway.parts.metrics.render().decode()
    assert "name4" in text
    assert "name5" not in text
    assert 'model="other",outcome="answered"} 15.0' in text


async def test_a_key_shows_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_KEY", KEY)
    async with ScriptedServer() as server:
        server.usual["m"] = Act("status", status=401, error={"message": f"wrong key {KEY}"})
        config = {"models": {"m": {"base_url": server.url, "key": "env:TEST_KEY"}}}
        async with gateway_of(config, tmp_path) as gateway:
            events = await ask(gateway, "m", asking())
            assert server.received[0].headers["authorization"] == f"Bearer {KEY}"
            assert failure(events) == "KeyRefusedError"
            everything = [
                repr(events),
                json.dumps(gateway.get_status()),
                json.dumps(gateway.get_history()),
                gateway.parts.metrics.render().decode(),
                repr(gateway.parts),
                repr(gateway.groups.config),
                caplog.text,
            ]
    assert [text for text in everything if KEY in text] == []


async def test_a_missing_key_names_the_variable(tmp_path: Path) -> None:
    config = {"models": {"m": {"base_url": "http://127.0.0.1:9/v1", "key": "env:SURELY_NOT_SET"}}}
    async with gateway_of(config, tmp_path) as gateway:
        events = await ask(gateway, "m")
    assert failure(events) == "KeyRefusedError"
    assert "'SURELY_NOT_SET'" in events[-1].message  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "'SURELY_NOT_SET'"), ("http://u:secret@x", "no address"), ("redis://x:secret", "no address")],
)
async def test_an_unusable_redis_address_is_reported_and_requests_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, said: str
) -> None:
    if value is not None:
        monkeypatch.setenv("SURELY_NOT_SET", value)
    async with gateway_of("gateway: {redis_url: env:SURELY_NOT_SET}", tmp_path) as gateway:
        assert failure(await ask(gateway, "m")) is None
        status = gateway.get_status()
    assert status["shared"] == "this process"
    assert said in status["shared_problem"]
    assert "secret" not in status["shared_problem"]
