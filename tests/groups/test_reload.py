"""Hot reload: whole or not at all, and nobody who is being served notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.groups import ConfigLoader, Gateway, TaskGroupManager
from tests.support.gateways import (
    ActingSource,
    Given,
    ask,
    assert_nothing_held,
    failure,
    gateway_of,
    text_of,
)
from tests.support.scripted_openai_server import Act, ScriptedServer

NAME = "groups.yaml"


async def reaches(condition: object) -> None:
    async with asyncio.timeout(30):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_changed_file_takes_effect_and_a_broken_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("task_groups: {g: {e: {models: [a]}}}")
    gateway = Gateway(TaskGroupManager(tmp_path, name=NAME), ActingSource(), folder=tmp_path / "data")
    await gateway.start()
    status = gateway.groups.get_config_status
    try:
        write_atomically(path, "task_groups: {g: {e: {models: [b]}}}")
        await reaches(lambda: status()["version"] == 2)
        assert text_of(await ask(gateway, "g")) == "I am b"
        write_atomically(path, "task_groups: {g: {e: {models: [c], rpm_limit: many}}}")
        await reaches(lambda: status()["error"])
        assert "task_groups.g.e.rpm_limit" in status()["error"]
        assert text_of(await ask(gateway, "g")) == "I am b"
        write_atomically(path, "task_groups: {g: {e: {models: [d]}}}")
        await reaches(lambda: status()["error"] is None)
        assert text_of(await ask(gateway, "g")) == "I am d"
    finally:
        await gateway.aclose()


@contextlib.asynccontextmanager
async def watching(manager: TaskGroupManager, folder: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway(manager, ActingSource(), folder=folder / "data")
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.aclose()


async def test_what_was_saved_before_the_watch_began_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("task_groups: {g: {e: {models: [a]}}}")
    manager = TaskGroupManager(tmp_path, name=NAME)
    manager.load_config()
    write_atomically(tmp_path / NAME, "task_groups: {g: {e: {models: [bb]}}}")
    async with watching(manager, tmp_path) as gateway:
        await reaches(lambda: manager.config.task_groups["g"].echelons["e"].models == ("bb",))
        assert text_of(await ask(gateway, "g")) == "I am bb"


async def test_a_file_may_be_created_with_its_folder_later(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / NAME
    manager = TaskGroupManager(path.parent, name=NAME)
    assert manager.load_or_empty() is False
    async with watching(manager, tmp_path):
        path.parent.mkdir(parents=True)
        path.write_text("task_groups: {g: {e: {models: [a]}}}")
        await reaches(lambda: "g" in manager.config.task_groups)
        path.unlink()
        path.parent.rmdir()
        await reaches(lambda: "cannot be read" in (manager.get_config_status()["error"] or ""))
        path.parent.mkdir()
        path.write_text("task_groups: {h: {e: {models: [a]}}}")
        await reaches(lambda: "h" in manager.config.task_groups)


async def test_a_link_that_is_set_to_another_folder_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes replaces a ConfigMap: the file is a link into a folder that is itself a link."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / NAME).write_text(f"task_groups: {{{version}: {{e: {{models: [a]}}}}}}")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / NAME).symlink_to(Path("..data") / NAME)
    manager = TaskGroupManager(tmp_path, name=NAME)
    async with watching(manager, tmp_path):
        assert "one" in manager.config.task_groups
        (tmp_path / "..new").symlink_to("two")
        (tmp_path / "..new").rename(tmp_path / "..data")
        await reaches(lambda: "two" in manager.config.task_groups)


def test_a_refused_file_raises_when_asked_directly_and_keeps_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("task_groups: {g: {e: {models: [a]}}}")
    manager = TaskGroupManager(ConfigLoader(tmp_path), name=NAME)
    before = manager.load_config()
    (tmp_path / NAME).write_text("nonsense: 1")
    with pytest.raises(ConfigurationError, match="unknown key 'nonsense'"):
        manager.load_config()
    assert manager.reload() is False
    assert manager.config is before


def test_a_name_that_leads_nowhere_is_refused_before_anybody_hears_of_it() -> None:
    """A listed model may have any name, so only following the routes shows that this one is read as an echelon."""
    loader = Given("task_groups: {g: {e: {models: [a]}}}")
    manager = TaskGroupManager(loader)
    heard: list[object] = []
    manager.on_change(heard.append)
    loader.data = {
        "task_groups": {"g": {"e": {"models": ["a"]}}, "h": {"e": {"models": ["g.x"]}}},
        "nodes": {"n": {"config": {"llm_group": "g.x"}}},
    }
    assert manager.reload() is False
    assert "nodes.n: the group 'g' has no echelon 'x'" in (manager.get_config_status()["error"] or "")
    assert len(heard) == 1
    assert "h" not in manager.config.task_groups


async def test_an_app_starts_without_groups_and_takes_them_when_the_file_is_right(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("task_groups: {g: {e: {models: []}}}")
    manager = TaskGroupManager(tmp_path, name=NAME)
    assert manager.load_or_empty() is False
    gateway = Gateway(manager, ActingSource(), folder=tmp_path / "data")
    assert text_of(await ask(gateway, "single")) == "I am single"
    assert "task_groups.g.e.models" in gateway.get_status()["config"]["error"]
    path.write_text("task_groups: {g: {e: {models: [a]}}}")
    assert manager.reload()
    assert text_of(await ask(gateway, "g")) == "I am a"
    await gateway.aclose()


def config(number: int, url: str) -> dict[str, object]:
    """A configuration that differs from its neighbours in limits, order, models and clients, but not in its ids."""
    return {
        "gateway": {"retry_wait_s": 0, "queue_size": 500},
        "models": {
            "remote": {"base_url": url, "connect_timeout_s": 5 + number % 3, "concurrency_limit": 4 + number % 4}
        },
        "task_groups": {
            "g": {
                "concurrency_limit": 5 + number % 5,
                "e": {
                    "models": ["remote", "local"] if number % 2 else ["local", "remote"],
                    "rpm_limit": 100_000 + number,
                },
                f"e{number}": {"models": ["local"]},
            }
        },
        "polling_pools": {"p": {"task_groups": ["g"], "rotation_strategy": ["round_robin", "weighted"][number % 2]}},
    }


async def test_a_hundred_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.usual["remote"] = Act(piece_delay_s=0.002)
        loader = Given(config(0, server.url))
        manager = TaskGroupManager(loader)
        gateway = Gateway(manager, ActingSource(), folder=tmp_path)
        done = asyncio.Event()
        answered = 0

        async def caller() -> None:
            nonlocal answered
            while not done.is_set():
                assert failure(await ask(gateway, "g.e")) is None
                answered += 1
                await asyncio.sleep(0)

        callers = [asyncio.create_task(caller()) for _ in range(12)]
        for number in range(1, 101):
            loader.data = config(number, server.url)
            seen = answered
            assert manager.reload()
            await reaches(lambda seen=seen: answered > seen + 1 or any(c.done() for c in callers))
        done.set()
        await asyncio.gather(*callers)
        assert gateway.get_statistics()["requests"] == {"answered": answered}
        assert answered >= 200
        assert_nothing_held(gateway)
        await gateway.aclose()


async def test_counts_and_breakers_survive_by_id(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of("task_groups: {g: {e: {models: [a], rpm_limit: 3}}}", tmp_path, source) as gateway:
        for _ in range(3):
            await ask(gateway, "g")
        gateway.open_breaker("a")
        gateway.groups._loader.data["task_groups"]["g"]["e"]["rpm_limit"] = 4  # type: ignore[attr-defined]
        assert gateway.groups.reload()
        status = gateway.get_status()
        assert status["breakers"]["a"]["state"] == "open"
        assert status["limits"]["levels"]["echelon:g.e"]["requests_in_window"] == 3
        assert status["limits"]["levels"]["echelon:g.e"]["rpm_limit"] == 4
