"""The models of the report by their names, as endpoints of a server of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from multi_llm_comparator.cooperation import standalone
from tests.support.scripted_openai_server import Act, ScriptedServer
from tests.support.seed_models import SEED_MODELS


@dataclass
class Place:
    """A configuration of a test's own, and the server behind its models, which say who they are."""

    server: ScriptedServer
    folder: Path

    @property
    def groups_file(self) -> Path:
        return self.folder / "configs" / "llms" / "groups" / "_task_groups.yaml"


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    for name in ("BASE_URL", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    async with ScriptedServer() as server:
        server.choose = lambda model: Act(text=f"Said by {model}")
        found = Place(server, tmp_path)
        models = {one.name: {"base_url": server.url, "supported_tasks": sorted(one.tasks)} for one in SEED_MODELS}
        pool = {"echelon1": {"models": ["qwen3_8b", "qwen2_5_7b"]}}
        data = {
            "models": models,
            "task_groups": {"fast_group": pool},
            "polling_pools": {"fast_pool": {"task_groups": ["fast_group"], "health_check_interval": 3600}},
        }
        found.groups_file.parent.mkdir(parents=True)
        found.groups_file.write_text(yaml.safe_dump(data))
        yield found
        standalone.close()
