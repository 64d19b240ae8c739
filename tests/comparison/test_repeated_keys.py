"""An endpoint that repeats its key, in an answer or an error: the key is in no database, file, log or export."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.gateways import gateway_of
from tests.support.scripted_openai_server import Act, ScriptedServer

KEY = "sk-proj-very-secret-key-1234567890"


async def test_a_repeated_key_is_kept_and_shown_nowhere(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("THE_KEY", KEY)
    async with ScriptedServer() as server:
        server.usual = {
            "talks": Act(text=f"your key is {KEY} , or {KEY[:16]}", reasoning=f"{KEY} says"),
            "refuses": Act("status", status=401, error={"message": f"wrong key {KEY} or {KEY[:16]}..."}),
        }
        models = {name: {"base_url": server.url, "key": "env:THE_KEY"} for name in server.usual}
        async with gateway_of({"models": models}, tmp_path / "gateway") as gateway:
            registry = ComparisonRegistry(
                RunRegistry(store, save_interval_s=0.02), gateway, lambda _: None, lambda _: ""
            )
            comparison = await registry.create((Pane("a", "talks"), Pane("b", "refuses")))
            await comparison.send("hello")
            await comparison.wait()
            snapshot = comparison.snapshot()
            answers = snapshot.turns[-1].answers
            exports = b"".join(export_run(snapshot, format) for format in ("json", "csv", "markdown", "html"))
            await registry.runs.aclose()
    assert "your key is [key]" in answers["a"].text
    assert answers["b"].progress.error_type == "KeyRefusedError"
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in kept + exports
    assert KEY[:16].encode() not in kept + exports
    assert b"[key]" in kept
    assert KEY not in caplog.text
