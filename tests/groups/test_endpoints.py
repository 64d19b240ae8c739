"""Clients of remote models: made when they are needed, and never at the cost of who is being answered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from multi_llm_comparator.core.keys import KeyStore
from tests.support.gateways import ask, gateway_of
from tests.support.scripted_openai_server import ScriptedServer

ROOT = Path(__file__).parents[2]

FIRST_REQUEST = """
import asyncio, gc, sys, threading
from pathlib import Path

from tests.support.gateways import ask, failure, gateway_of

imported_by = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "openai":
            imported_by.append(threading.current_thread())
        return None

sys.meta_path.insert(0, Watch())

async def main():
    config = {"models": {"m": {"base_url": "http://127.0.0.1:9/v1"}}}
    async with gateway_of(config, Path(sys.argv[1])) as gateway:
        assert not imported_by, "who has local models only waits for nothing"
        assert failure(await ask(gateway, "m")) == "ProviderUnavailableError"
        assert gc.get_freeze_count(), "collections pass over the thousands of objects of the library"
        assert "genai_prices.data" in sys.modules, "the first answer waits for no prices"

asyncio.run(main())
print(len(imported_by), threading.main_thread() in imported_by)
"""


def test_the_client_library_is_imported_beside_the_event_loop(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FIRST_REQUEST, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1", "False"], done.stderr[-2000:]


async def test_a_changed_key_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    store = KeyStore()
    store.set("mine", SecretStr("sk-the-first-one"))
    async with ScriptedServer() as server:
        models = {"m": {"base_url": server.url, "key": "store:mine"}, "other": {"base_url": server.url}}
        async with gateway_of({"models": models}, tmp_path) as gateway:
            await ask(gateway, "m")
            await ask(gateway, "other")
            store.set("mine", SecretStr("sk-the-second-one"))
            gateway.parts.endpoints.key_changed("store:mine")
            await ask(gateway, "m")
        sent = [r.headers["authorization"] for r in server.received if r.model == "m"]
    assert sent == ["Bearer sk-the-first-one", "Bearer sk-the-second-one"]
