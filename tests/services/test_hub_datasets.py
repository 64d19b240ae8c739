from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.hub_datasets import fetch_dataset, named
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.hub_data import fetched, fetched_here
from multi_llm_comparator.training.data.spec import DataSpec
from tests.support.hub_server import COMMIT, PIECE, HubServer, serving

ROW = json.dumps({"prompt": "hi", "completion": "hello"}).encode() + b"\n"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    files = {"data/train.jsonl": ROW * 3, "data/test.jsonl": ROW, "README.md": b"# Data", "x.py": b"import os"}
    with serving(HubServer({"org/rows": files, "org/empty": {"README.md": b""}})) as server:
        yield server


async def test_data_files_are_fetched_once_and_found_again_without_the_hub(hub: Any, tmp_path: Path) -> None:
    client = HubClient(tmp_path / "models", endpoint=hub.url)
    told: list[tuple[int, int]] = []
    folder = await fetch_dataset(client, named("hf:org/rows"), tmp_path, on_progress=lambda *now: told.append(now))
    assert folder == tmp_path / "datasets" / "org--rows" / COMMIT
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"data/train.jsonl", "data/test.jsonl", ".complete"}
    assert told[-1][1] == 4 * len(ROW)
    asked = len(hub.requests)
    assert await fetch_dataset(client, named(f"org/rows@{COMMIT}"), tmp_path) == folder
    assert len(hub.requests) == asked
    assert await fetch_dataset(client, named("org/rows"), tmp_path) == folder
    assert not any("/resolve/" in path for _, path, _ in hub.requests[asked:])


FETCHES = """
from multi_llm_comparator.training.data.hub_data import fetched_here
from multi_llm_comparator.training.data.spec import DataSpec
print(fetched_here(DataSpec(source="hf:org/long")).source)
"""


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_another_process_is_fetching_is_waited_for_and_taken_over_where_it_is_killed(
    hub: Any, tmp_path: Path, is_killed: bool
) -> None:
    rows = ROW * (4 * PIECE // len(ROW))
    hub.repositories["org/long"] = {"train.jsonl": rows}
    hub.stall_after["train.jsonl"] = PIECE
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "MLC_HOME": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", FETCHES], env=environment, stdout=subprocess.PIPE) as other:
        await asyncio.to_thread(hub.stalled.wait, 120)
        client = HubClient(tmp_path / "models", endpoint=hub.url)
        # Two pages of one process wait as well.
        here = [asyncio.create_task(fetch_dataset(client, named("org/long"), tmp_path)) for _ in range(2)]
        while sum(path.startswith("/api/datasets/org/long") for _, path, _ in hub.requests) < 3:
            await asyncio.sleep(0.01)
        if is_killed:
            other.kill()
        else:
            hub.going_on.set()
        folders = await asyncio.gather(*here)
        hub.going_on.set()
        assert (await asyncio.to_thread(other.wait) == 0) is not is_killed
    assert [(folder / "train.jsonl").read_bytes() == rows for folder in folders] == [True, True]
    asked = [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path]
    assert len(asked) == 1 + is_killed


async def test_only_named_files_are_fetched(hub: Any, tmp_path: Path) -> None:
    client = HubClient(tmp_path / "models", endpoint=hub.url)
    folder = await fetch_dataset(client, named("org/rows"), tmp_path, patterns=("data/train*",))
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["train.jsonl"]


async def test_what_cannot_be_had_is_said(hub: Any, tmp_path: Path) -> None:
    client = HubClient(tmp_path / "models", endpoint=hub.url)
    with pytest.raises(DownloadError, match="no dataset 'org/none'"):
        await fetch_dataset(client, named("org/none"), tmp_path)
    with pytest.raises(DownloadError, match="no data files"):
        await fetch_dataset(client, named("org/empty"), tmp_path)
    with pytest.raises(DownloadError, match="not the name"):
        named("../../etc")
    offline = HubClient(tmp_path / "models", endpoint="http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="cannot be reached"):
        await fetch_dataset(offline, named("org/rows"), tmp_path)


async def test_the_app_brings_data_of_the_hub_before_a_child_looks_at_it(hub: Any, tmp_path: Path) -> None:
    client = HubClient(tmp_path / "models", endpoint=hub.url)
    process = DataProcess(fetch=lambda spec: fetched(spec, client, tmp_path))
    seen = await process.inspect(DataSpec(source="hf:org/rows"))
    assert seen["detection"]["reason"] == "a prompt with a completion in 3 of 3 rows"
    assert "another split" in seen["notes"][0]
    with pytest.raises(DownloadError, match="no dataset"):
        await process.inspect(DataSpec(source="hf:org/none"))
    await process.aclose()


def test_a_job_brings_it_itself(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("MLC_HOME", str(tmp_path))
    found = fetched_here(DataSpec(source="hf:org/rows"))
    assert Path(found.source, "data", "train.jsonl").is_file()
    assert fetched_here(found) is found


class LyingHub(HubServer):
    """Calls its commits as a folder elsewhere is called."""

    def listing(self, repo: str) -> dict[str, Any]:
        return {**super().listing(repo), "sha": "../../../elsewhere"}


async def test_no_answer_of_a_hub_leads_out_of_the_folder_of_data_sets(hub: Any, tmp_path: Path) -> None:
    with serving(LyingHub({"org/rows": {"train.jsonl": ROW}})) as lying:
        client = HubClient(tmp_path / "models", endpoint=lying.url)
        with pytest.raises(DownloadError, match="which is none"):
            await fetch_dataset(client, named("org/rows"), tmp_path / "home")
    assert not (tmp_path / "elsewhere").exists() and not (tmp_path / "home").exists()
