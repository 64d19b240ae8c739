"""A service whose process is killed goes on where it was: nothing is asked twice, and the result is whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import yaml

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.tracking.records import ACTIVE
from multi_llm_comparator.tracking.store import Store
from tests.support.scripted_openai_server import Act, ScriptedServer
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
ANSWERED = 3
# Long enough for several questions to a model of a context of 4,096 tokens.
REPORT = "\n\n".join(
    f"Section {number}.\n\nIn year {number} the revenue of the branch rose by {number}%, and costs fell by 3%. "
    + "The board looked at it and saw what it had expected to see. " * 40
    for number in range(1, 41)
)


async def started(place: Path, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        warm_python(),
        "-m",
        "multi_llm_comparator.cli",
        *words,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MLC_PARALLEL_REQUESTS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.slow
async def test_nothing_is_asked_twice_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "report.txt").write_text(REPORT, encoding="utf-8")
    async with ScriptedServer() as server:
        groups = tmp_path / "configs" / "llms" / "groups" / "_task_groups.yaml"
        groups.parent.mkdir(parents=True)
        declared = {"models": {"far": {"base_url": server.url}}}
        groups.write_text(yaml.safe_dump(declared), encoding="utf-8")
        answer = Act(text=json.dumps({"claims": []}))
        server.choose = lambda model: answer if len(server.received) <= ANSWERED else Act(kind="hang")
        words = ("service", "document", "--file", "report.txt", "--kind", "key_points", "--model", "far", "--alone")
        killed = await started(tmp_path, *words)
        async with asyncio.timeout(PATIENCE_S):
            while server.count("far") <= ANSWERED:
                assert killed.returncode is None, (await killed.communicate())[1].decode()
                await asyncio.sleep(0.02)
        store = Store(get_settings().resolved_database_url)
        (run,) = store.list_runs()
        assert (run.kind, run.status in ACTIVE) == ("service", True)
        assert run.owner is not None
        os.kill(run.owner.pid, signal.SIGKILL)
        assert await killed.wait() == -signal.SIGKILL
        server.choose = lambda model: answer
        resumed = await started(tmp_path, "resume", run.id, "--alone", "--json")
        async with asyncio.timeout(PATIENCE_S):
            out, err = await resumed.communicate()
        assert resumed.returncode == 0, err.decode()
        told = json.loads(out)
        assert (told["run_id"], told["state"]) == (run.id, "done")
        assert told["export"]["result"]["document_length"] > 1000
        prompts = Counter(received.body["messages"][-1]["content"] for received in server.received)
        # The one that hung when the process was killed was never answered, and is the only one that is asked again.
        assert sorted(prompts.values())[-2:] == [1, 2]
        assert sum(prompts.values()) == len(prompts) + 1 > ANSWERED + 2
        assert store.list_runs()[0].status == "done"
        store.close()
