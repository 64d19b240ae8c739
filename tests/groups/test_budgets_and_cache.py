"""Money that is refused before it is spent, and answers that are given twice."""

from __future__ import annotations

import asyncio
import functools
import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import CacheHit, Cost, FellBack, Finished
from multi_llm_comparator.core.exceptions import BudgetExceededError, ProviderUnavailableError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.tools import Tool, ToolCall
from multi_llm_comparator.groups import EnhancedFallbackManager
from multi_llm_comparator.groups.budgets import Allowance, DiskLedger
from multi_llm_comparator.groups.config import ModelDeclaration, Price
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens, most_prompt_tokens, price_of
from tests.support.gateways import (
    ActingSource,
    ask,
    asking,
    break_after_text,
    failure,
    gateway_of,
    hang,
    of,
    text_of,
)
from tests.support.scripted_openai_server import Act, ScriptedServer

PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 10.0}


def remote(url: str, **more: Any) -> dict[str, Any]:
    return {"base_url": url, "provider": "test", **more}


def budget_config(url: str, budget: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        "models": {"m": remote(url, **more)},
        "task_groups": {"g": {"e": {"models": ["m"], "max_retries": 0}, "budget": budget}},
    }


def test_the_configurations_price_comes_first_then_the_known_ones() -> None:
    known = ModelDeclaration(provider="openai", base_url="https://api.openai.com/v1", model="gpt-4o")
    assert price_of(known, 1_000_000, 100_000).usd == pytest.approx(3.5)
    assert price_of(known, 1, 1).by == "genai-prices"
    own = known.model_copy(update={"price": Price(input_per_mtok=1, output_per_mtok=2)})
    assert (price_of(own, 1_000_000, 1_000_000).usd, price_of(own, 0, 0).by) == (3.0, "configuration")
    proxied = ModelDeclaration(provider="openai", base_url="http://127.0.0.1:1/v1", model="gpt-4o")
    assert price_of(proxied, 1_000_000, 0).usd == pytest.approx(2.5)
    assert price_of(ModelDeclaration(provider="x", base_url="http://127.0.0.1:1", model="y"), 1, 1).usd is None
    assert price_of(ModelDeclaration(), 1, 1).usd == 0.0


def test_a_model_is_priced_by_its_name_where_the_declaration_gives_no_other() -> None:
    declaration = ModelDeclaration(provider="openai", base_url="https://api.openai.com/v1")
    assert price_of(declaration, 1_000_000, 0, name="gpt-4o").usd == pytest.approx(2.5)


def test_tools_their_calls_and_thoughts_count_as_prompt_too() -> None:
    plain = asking()
    tool = Tool(name="look", description="d" * 900, parameters='{"type": "object"}')
    call = ToolCall(id="c", name="look", arguments="a" * 600)
    thinking = Message("assistant", "", thought="t" * 300)
    for more, size in (
        ({"tools": (tool,)}, 900),
        ({"messages": (*plain.messages, replace(thinking, thought="", tool_calls=(call,)))}, 600),
        ({"messages": (*plain.messages, thinking)}, 300),
    ):
        fuller = replace(plain, **more)
        assert most_prompt_tokens(fuller) >= most_prompt_tokens(plain) + size
        assert estimated_prompt_tokens(fuller) >= estimated_prompt_tokens(plain) + size // 3
    hidden = replace(plain, tools=(tool,), tool_choice="none")
    assert most_prompt_tokens(hidden) == most_prompt_tokens(plain)


async def test_a_budget_knows_the_price_of_a_model_declared_by_its_name_alone(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        models = {"gpt-4o": {"base_url": server.url, "provider": "openai"}}
        groups = {"g": {"e": {"models": ["gpt-4o"]}, "budget": {"per_day_usd": 1.0}}}
        async with gateway_of({"models": models, "task_groups": groups}, tmp_path) as gateway:
            assert failure(await ask(gateway, "g")) is None
            assert gateway.get_status()["budgets"]["g"]["spent_today_usd"] > 0


async def test_every_answer_says_what_it_cost(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act(usage=(1000, 100))
        async with gateway_of({"models": {"m": remote(server.url, price=PRICE)}}, tmp_path) as gateway:
            cost = of(await ask(gateway, "m"), Cost)[0]
            assert cost.usd == pytest.approx(0.002)
            assert (cost.prompt_tokens, cost.completion_tokens, cost.priced_by) == (1000, 100, "configuration")
            assert b'mlc_gateway_cost_usd_total{model="m"} 0.002' in gateway.parts.metrics.render()


async def test_usage_that_nobody_reports_is_estimated_and_says_so(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act(usage=None)
        async with gateway_of({"models": {"m": remote(server.url)}}, tmp_path) as gateway:
            cost = of(await ask(gateway, "m"), Cost)[0]
    assert cost.estimated
    assert cost.completion_tokens == 2
    assert cost.prompt_tokens > 0
    assert cost.usd is None


async def test_a_call_that_could_exceed_the_day_is_refused_before_it_is_made(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        # 100 tokens at $10 for a million are $0.001: the third call of $0.0004 could pass $0.0017.
        server.usual["m"] = Act(usage=(0, 40))
        config = budget_config(server.url, {"per_day_usd": 0.0017}, price={"input_per_mtok": 0, "output_per_mtok": 10})
        async with gateway_of(config, tmp_path) as gateway:
            ends = [failure(await ask(gateway, "g", asking(max_tokens=100))) for _ in range(3)]
            assert ends == [None, None, "BudgetExceededError"]
            assert len(server.received) == 2
            budget = gateway.get_status()["budgets"]["g"]
            assert budget["spent_today_usd"] == pytest.approx(0.0008)
        async with gateway_of(config, tmp_path) as again:
            assert failure(await ask(again, "g", asking(max_tokens=100))) == "BudgetExceededError", (
                "a restart is no gift"
            )


async def test_callers_at_once_cannot_overdraw(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act(usage=(0, 100), delay_s=0.01)
        config = budget_config(server.url, {"per_day_usd": 0.005}, price={"input_per_mtok": 0, "output_per_mtok": 10})
        async with gateway_of(config, tmp_path) as gateway:
            ends = await asyncio.gather(*(ask(gateway, "g", asking(max_tokens=100)) for _ in range(20)))
    assert sum(failure(events) is None for events in ends) == 5
    assert len(server.received) == 5


async def test_a_run_has_its_own_budget(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act(usage=(0, 100))
        config = budget_config(server.url, {"per_run_usd": 0.001}, price={"input_per_mtok": 0, "output_per_mtok": 10})
        async with gateway_of(config, tmp_path) as gateway:
            runs = ["one", "one", "two", ""]
            ends = [failure(await ask(gateway, "g", asking(max_tokens=100, run_id=run))) for run in runs]
            large = failure(await ask(gateway, "g", asking(max_tokens=101)))
            fallback = EnhancedFallbackManager(gateway.groups, gateway=gateway)
            ask_once = functools.partial(
                fallback.execute_with_fallback, "g", prompt="hi", config=ModelConfig(max_tokens=100), run_id="three"
            )
            assert (await ask_once()).content
            with pytest.raises(BudgetExceededError):
                await ask_once()
    assert ends == [None, "BudgetExceededError", None, None]
    assert large == "BudgetExceededError", "a request without a run is one of its own"


async def test_a_failed_call_costs_nothing(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["m"] = Act("status", status=500)
        config = budget_config(server.url, {"per_day_usd": 1.0}, price=PRICE)
        async with gateway_of(config, tmp_path) as gateway:
            await ask(gateway, "g")
            assert gateway.get_status()["budgets"]["g"]["spent_today_usd"] == 0


async def test_a_call_that_fails_after_its_prompt_was_taken_costs_the_prompt(tmp_path: Path) -> None:
    config = f"""
models: {{m: {{price: {PRICE}, first_token_timeout_s: 0.05}}}}
task_groups: {{g: {{e: {{models: [m], max_retries: 0, tpm_limit: 1000}}, budget: {{per_day_usd: 1.0}}}}}}
"""
    source = ActingSource()
    source.usual["m"] = hang
    async with gateway_of(config, tmp_path, source) as gateway:
        assert failure(await ask(gateway, "g")) == "FirstTokenTimeoutError"
        status = gateway.get_status()
    assert status["budgets"]["g"]["spent_today_usd"] == pytest.approx(0.000003)
    assert status["limits"]["levels"]["echelon:g.e"]["tokens_in_window"] == 3


async def test_without_a_price_a_budget_refuses_but_a_free_model_may_answer(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        config = budget_config(server.url, {"per_day_usd": 1.0})
        async with gateway_of(config, tmp_path) as gateway:
            events = await ask(gateway, "g")
            assert failure(events) == "BudgetExceededError"
            assert "give it a 'price'" in events[-1].message  # type: ignore[attr-defined]
            assert text_of(await ask(gateway, "g", fallback_groups=["free"])) == "I am free"


async def test_books_of_several_allowances_are_all_or_none(tmp_path: Path) -> None:
    ledger = DiskLedger(tmp_path)
    wide, narrow = Allowance("g|day|x", 100), Allowance("g|run|y", 10)
    assert await ledger.book((wide, narrow), 11) == narrow
    assert (ledger.spent(wide.key), ledger.spent(narrow.key)) == (0, 0)
    assert await ledger.book((wide, narrow), 10) is None
    await ledger.aclose()


async def test_books_that_cannot_be_read_refuse_calls_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "cache.db").write_bytes(b"no database at all" * 100)
    async with ScriptedServer() as server:
        async with gateway_of(budget_config(server.url, {"per_day_usd": 1.0}, price=PRICE), tmp_path) as gateway:
            events = await ask(gateway, "g", fallback_groups=["free"])
            assert text_of(events) == "I am free"
            assert of(events, FellBack)[0].error_type == "BudgetExceededError"
            assert gateway.get_status()["budgets"]["g"]["spent_today_usd"] is None
            assert b"mlc_gateway_attempts_total" in gateway.parts.metrics.render()
        assert server.received == []


CACHED = "gateway: {cache: {enabled: true}}"


async def test_the_cache_is_off_by_default(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of("{}", tmp_path, source) as gateway:
        await ask(gateway, "m")
        await ask(gateway, "m")
    assert source.asked == ["m", "m"]


async def test_the_same_question_is_answered_from_the_cache_and_says_so(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        first = await ask(gateway, "m", asking("same"))
        second = await ask(gateway, "m", asking("same"))
        assert gateway.get_status()["cache"]["hits"] == 1
    assert source.asked == ["m"]
    assert text_of(first) == text_of(second)
    assert of(second, CacheHit)[0].model == "m"
    assert of(second, Cost)[0].usd == 0.0
    assert isinstance(second[-1], Finished)
    async with gateway_of(CACHED, tmp_path, source) as again:
        assert of(await ask(again, "m", asking("same")), CacheHit), "the cache is on disk"


@pytest.mark.parametrize("other", [asking("other"), asking("same", temperature=0.5), asking("same", system_prompt="x")])
async def test_any_difference_is_another_question(tmp_path: Path, other: Any) -> None:
    source = ActingSource()
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        await ask(gateway, "m", asking("same"))
        await ask(gateway, "m", other)
        await ask(gateway, "n", asking("same"))
    assert source.asked == ["m", "m", "n"]


@pytest.mark.parametrize("changed", [{"system_prompt": "Be long."}, {"max_tokens": 9}])
async def test_a_node_that_asks_otherwise_now_is_not_answered_from_before(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    def config(**more: Any) -> dict[str, Any]:
        node = {"config": {"llm_group": "m", "system_prompt": "Be brief.", "max_tokens": 7, **more}}
        groups = {"g": {"e": {"models": ["m"]}}}
        return {"gateway": {"cache": {"enabled": True}}, "task_groups": groups, "nodes": {"n": node}}

    source = ActingSource()
    async with gateway_of(config(), tmp_path, source) as gateway:
        await ask(gateway, "n")
        assert of(await ask(gateway, "n"), CacheHit)
    async with gateway_of(config(**changed), tmp_path, source) as gateway:
        assert not of(await ask(gateway, "n"), CacheHit)
    assert source.asked == ["m", "m"]


async def test_an_answer_of_a_fallback_is_not_given_to_who_does_not_permit_it(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("secure", ProviderUnavailableError("down"))
    config = {
        "gateway": {"cache": {"enabled": True}},
        "task_groups": {"g": {"e": {"models": ["secure"], "max_retries": 0}}},
    }
    async with gateway_of(config, tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "g", fallback_groups=["other"])) == "I am other"
        assert text_of(await ask(gateway, "g")) == "I am secure"
        again = await ask(gateway, "g", fallback_groups=iter(["other"]))
        assert (text_of(again), bool(of(again, CacheHit))) == ("I am other", True)


async def test_an_answer_of_a_model_that_the_target_lost_is_asked_again(tmp_path: Path) -> None:
    def config(*models: str) -> dict[str, Any]:
        return {"gateway": {"cache": {"enabled": True}}, "task_groups": {"g": {"e": {"models": list(models)}}}}

    source = ActingSource()
    async with gateway_of(config("old"), tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "g")) == "I am old"
    async with gateway_of(config("more", "old"), tmp_path, source) as gateway:
        assert of(await ask(gateway, "g"), CacheHit)
    async with gateway_of(config("new"), tmp_path, source) as gateway:
        first, second = await ask(gateway, "g"), await ask(gateway, "g")
        assert (gateway.parts.cache.hits, gateway.parts.cache.misses) == (1, 1)
    assert (text_of(first), text_of(second)) == ("I am new", "I am new")
    assert not of(first, CacheHit)
    assert of(second, CacheHit)


async def test_an_answer_of_what_stood_behind_a_name_before_is_asked_again(tmp_path: Path) -> None:
    async with ScriptedServer() as first, ScriptedServer() as second:
        for declared in (
            remote(first.url, model="small"),
            remote(second.url, model="small"),
            remote(second.url, model="large"),
            {"local": "one"},
            {"local": "other"},
        ):
            config = {"gateway": {"cache": {"enabled": True}}, "models": {"m": declared}}
            async with gateway_of(config, tmp_path, ActingSource()) as gateway:
                assert not of(await ask(gateway, "m"), CacheHit), declared
                assert of(await ask(gateway, "m"), CacheHit), declared


async def test_failures_and_broken_answers_are_not_kept(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("m", break_after_text(ProviderUnavailableError("cut")))
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        assert failure(await ask(gateway, "m")) == "ProviderUnavailableError"
        assert text_of(await ask(gateway, "m")) == "I am m"


async def test_an_old_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ActingSource()
    async with gateway_of("gateway: {cache: {enabled: true, max_age_s: 100}}", tmp_path, source) as gateway:
        await ask(gateway, "m")
        later = __import__("time").time() + 101
        monkeypatch.setattr("multi_llm_comparator.groups.answer_cache.time.time", lambda: later)
        await ask(gateway, "m")
    assert source.asked == ["m", "m"]


async def test_a_tampered_cache_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    source = ActingSource()
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        await ask(gateway, "m")
        with sqlite3.connect(tmp_path / "answers" / "cache.db") as database:
            database.execute("UPDATE Cache SET mode = 4, value = ?, filename = NULL", (pickle.dumps(Trap()),))
        assert text_of(await ask(gateway, "m")) == "I am m"
    assert source.asked == ["m", "m"]
    assert not (tmp_path / "sprung").exists()


async def test_a_cache_that_cannot_be_read_is_reported_and_requests_go_on(tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "cache.db").write_bytes(b"no database at all" * 100)
    async with gateway_of(CACHED, tmp_path) as gateway:
        assert text_of(await ask(gateway, "m")) == "I am m"
        assert "cannot be read" in gateway.get_status()["cache"]["problem"]


async def test_an_entry_of_another_shape_is_asked_again(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        await ask(gateway, "m")
        store = gateway.parts.cache._store
        for key in list(store):
            store.set(key, {"text": "of an earlier version"})
        assert text_of(await ask(gateway, "m")) == "I am m"
    assert source.asked == ["m", "m"]
