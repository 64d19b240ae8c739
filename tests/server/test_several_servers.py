"""Several ``llm-server`` processes behind one Redis and one database: limits, breakers and keys are the same in all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
import yaml

from multi_llm_comparator.core.callers import KeyLimits
from multi_llm_comparator.tracking.store import Store
from tests.server.test_app import said, started
from tests.support.redis import redis_server
from tests.support.tiny_gguf import chain, word, write_chain
from tests.ui.test_app import PATIENCE_S, free_port

pytestmark = pytest.mark.slow

# Nothing listens there: each call of `gone` fails at once.
GROUPS = {
    "models": {"gone": {"base_url": "http://127.0.0.1:9/v1", "connect_timeout_s": 2}},
    "task_groups": {
        "few": {"e": {"models": ["tiny"], "rpm_limit": 3, "max_retries": 0, "timeout": 5}},
        "broken": {"e": {"models": ["gone"], "max_retries": 0}},
    },
}


@dataclass
class Servers:
    urls: list[str]
    store: Store

    def chat(self, number: int, key: str, model: str = "tiny") -> httpx2.Response:
        """A short answer of one of the servers."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "temperature": 0}
        url = f"{self.urls[number % len(self.urls)]}/v1/chat/completions"
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.post(url, json=body, headers=headers, timeout=PATIENCE_S, trust_env=False)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    models = folder / "models" / "gguf"
    models.mkdir(parents=True)
    write_chain(models / "tiny.gguf", chain([word(text) for text in ("\n", "▁one", "▁two")]))
    groups = folder / "configs" / "llms" / "groups"
    groups.mkdir(parents=True)
    database = f"sqlite:///{folder / 'shared.db'}"
    store = Store(database)
    with redis_server(folder) as redis, contextlib.ExitStack() as stack:
        config = {**GROUPS, "gateway": {"redis_url": redis}}
        (groups / "_task_groups.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        urls = []
        for name in ("a", "b"):
            home = folder / name
            home.mkdir()
            port = free_port()
            server = stack.enter_context(
                started(
                    home,
                    "--port",
                    str(port),
                    MLC_MODELS_DIR=str(folder / "models"),
                    MLC_CONFIGS_DIR=str(folder / "configs"),
                    MLC_DATABASE_URL=database,
                    MLC_REQUIRE_KEYS="true",
                )
            )
            assert said(server)
            urls.append(f"http://127.0.0.1:{port}")
        yield Servers(urls, store)
    store.close()


def test_a_keys_limit_counts_what_all_servers_took(servers: Servers) -> None:
    secret = servers.store.api_keys.create("three", limits=KeyLimits(rpm=3))[1].get_secret_value()
    statuses = [servers.chat(number, secret).status_code for number in range(6)]
    assert sorted(statuses) == [200] * 3 + [429] * 3


def test_a_groups_limit_counts_what_all_servers_took(servers: Servers) -> None:
    secret = servers.store.api_keys.create("group")[1].get_secret_value()
    statuses = [servers.chat(number, secret, "few").status_code for number in range(3)]
    assert statuses == [200] * 3
    # A minute's wait is longer than the group's requests may take.
    assert servers.chat(3, secret, "few").status_code in (429, 504)


def test_a_breaker_that_one_server_opened_is_open_in_the_other(servers: Servers) -> None:
    secret = servers.store.api_keys.create("breaker")[1].get_secret_value()
    for _ in range(12):
        last = servers.chat(0, secret, "broken")
        if "CircuitOpen" in last.text or "left alone" in last.text:
            break
    other = servers.chat(1, secret, "broken")
    assert other.status_code == 503
    assert "left alone" in other.text


def test_a_key_that_was_revoked_is_refused_by_every_server(servers: Servers) -> None:
    key, hidden = servers.store.api_keys.create("gone")
    secret = hidden.get_secret_value()
    assert [servers.chat(number, secret).status_code for number in range(2)] == [200, 200]
    servers.store.api_keys.revoke(key.id)
    for number in range(2):
        # A key that was found valid is believed for two seconds.
        while servers.chat(number, secret).status_code == 200:
            pass
        assert servers.chat(number, secret).status_code == 401
