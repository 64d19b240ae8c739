from __future__ import annotations

import asyncio
import gzip
import json
import random
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.services.hub import HubClient
from multi_llm_comparator.services.hub_files import HubChoice, RemoteFile, is_plain, repository_id
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.hub_server import HubServer, serving
from tests.support.model_files import LLAMA, WEIGHTS, checkpoint, gguf_bytes, safetensors_bytes

BIG = gguf_bytes({**LLAMA, "note": "x"}, [("a", (1024, 1024), 0)])[: -(2**20)] + random.Random(0).randbytes(2**20)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    folder = checkpoint(tmp_path / "source", tokenizer_config={"chat_template": "{{ messages }}"})
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server = HubServer(
        {
            "org/tiny": {**files, "pytorch_model.bin": b"PK", "onnx/model.onnx": b"x", ".gitattributes": b""},
            "org/tiny-GGUF": {"tiny-Q8_0.gguf": gguf_bytes(), "big.gguf": BIG, "README.md": b"# Tiny"},
        }
    )
    with serving(server):
        yield server


@pytest.fixture
def client(hub: Any, tmp_path: Path) -> HubClient:
    return HubClient(tmp_path / "models", endpoint=hub.url)


async def fetch(client: HubClient, repo: str, title: str) -> Any:
    listing = await client.look_up(repo)
    choice = next(choice for choice in listing.choices if choice.title == title)
    return await client.start(listing, choice).wait()


async def test_a_checkpoint_is_downloaded_whole_and_found_by_the_next_scan(hub: Any, client: HubClient) -> None:
    listing = await client.look_up("org/tiny")
    safe, pickled = listing.choices
    assert (safe.title, safe.kind, safe.is_pickle) == ("tiny", ModelType.PYTORCH, False)
    assert pickled.is_pickle
    assert {file.name for file in safe.files} == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }
    progress = await client.start(listing, safe).wait()
    assert (progress.state, progress.error) == ("done", None)
    assert progress.path == client.models_dir / "pytorch" / "tiny"
    assert progress.done_bytes == progress.total_bytes == safe.size_bytes
    (model,) = ModelManager(client.models_dir).scan_models()
    assert (model.name, model.problem) == ("tiny", None)
    assert sorted(path.name for path in progress.path.iterdir()) == sorted(file.name for file in safe.files)


async def test_a_gguf_file_is_chosen_by_name_and_lands_among_the_others(hub: Any, client: HubClient) -> None:
    listing = await client.look_up(f"{hub.url}/org/tiny-GGUF/tree/main")
    assert [choice.title for choice in listing.choices] == ["big", "tiny-Q8_0"]
    progress = await fetch(client, "org/tiny-GGUF", "tiny-Q8_0")
    assert progress.path == client.models_dir / "gguf" / "tiny-Q8_0.gguf"
    assert progress.path.read_bytes() == hub.repositories["org/tiny-GGUF"]["tiny-Q8_0.gguf"]


async def test_a_cut_connection_is_resumed_where_it_broke(hub: Any, client: HubClient) -> None:
    hub.cut_after["big.gguf"] = len(BIG) // 2
    progress = await fetch(client, "org/tiny-GGUF", "big")
    assert (progress.state, progress.error) == ("done", None)
    assert progress.path is not None and progress.path.read_bytes() == BIG
    ranges = [wanted for method, path, wanted in hub.requests if method == "GET" and path.endswith("big.gguf")]
    assert len(ranges) == 2
    assert ranges[1] not in (None, "bytes=0-")


async def test_cancel_ends_the_process_at_once_and_the_next_try_goes_on_from_there(hub: Any, client: HubClient) -> None:
    hub.stall_after["big.gguf"] = len(BIG) // 2
    listing = await client.look_up("org/tiny-GGUF")
    download = client.start(listing, listing.choices[0])
    assert await asyncio.to_thread(hub.stalled.wait, 60)
    async with asyncio.timeout(60):
        # What the server has sent is not yet what has been kept.
        while not download.progress.done_bytes:
            await asyncio.sleep(0.02)
    with pytest.raises(DownloadError, match="being downloaded already"):
        client.start(listing, listing.choices[0])
    await download.cancel()
    assert download.progress.state == "cancelled"
    assert not [p for p in psutil.Process().children() if "hub_worker" in " ".join(p.cmdline())]
    assert ModelManager(client.models_dir).scan_models() == []
    hub.going_on.set()
    progress = await client.start(listing, listing.choices[0]).wait()
    assert progress.state == "done"
    assert progress.path is not None and progress.path.read_bytes() == BIG
    ranges = [wanted for method, path, wanted in hub.requests if method == "GET" and path.endswith("big.gguf")]
    assert ranges[-1] not in (None, "bytes=0-")
    assert [d.progress.state for d in client.jobs] == ["done", "cancelled"]


async def test_progress_is_told_while_bytes_arrive(hub: Any, client: HubClient) -> None:
    hub.stall_after["big.gguf"] = len(BIG) // 2
    listing = await client.look_up("org/tiny-GGUF")
    seen: list[int] = []
    arriving = asyncio.Event()

    def note(message: Any) -> None:
        seen.append(message["done_bytes"])
        if message["done_bytes"]:
            arriving.set()

    task = asyncio.create_task(client.download(listing, listing.choices[0], note))
    await asyncio.wait_for(arriving.wait(), 60)
    assert 0 < seen[-1] < len(BIG)
    hub.going_on.set()
    await task
    assert seen == sorted(seen)
    assert seen[-1] == len(BIG)


async def test_closing_the_client_cancels_what_runs(hub: Any, client: HubClient) -> None:
    hub.stall_after["big.gguf"] = 0
    listing = await client.look_up("org/tiny-GGUF")
    download = client.start(listing, listing.choices[0])
    await client.aclose()
    assert download.progress.state == "cancelled"


async def test_damaged_content_is_noticed_removed_and_not_listed(hub: Any, client: HubClient) -> None:
    hub.damaged.add("tiny-Q8_0.gguf")
    progress = await fetch(client, "org/tiny-GGUF", "tiny-Q8_0")
    assert progress.state == "failed"
    assert "arrived damaged" in str(progress.error)
    assert not list(client.models_dir.rglob("*.gguf"))
    hub.damaged.clear()
    assert (await fetch(client, "org/tiny-GGUF", "tiny-Q8_0")).state == "done"


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (404, "RepoNotFound", "has no model 'org/tiny', or it is private"),
        (401, "RepoNotFound", "has no model 'org/tiny', or it is private"),
        (403, "GatedRepo", "gated"),
        (404, "RevisionNotFound", "no revision"),
        (500, "", "HTTP 500"),
    ],
)
async def test_refusals_say_what_to_do(hub: Any, client: HubClient, code: int, error: str, says: str) -> None:
    hub.refusals["org/tiny"] = (code, error)
    with pytest.raises(DownloadError, match=says):
        await client.look_up("org/tiny")


async def test_access_that_is_lost_before_the_download_is_told(hub: Any, client: HubClient) -> None:
    listing = await client.look_up("org/tiny")
    hub.refusals["org/tiny"] = (403, "GatedRepo")
    progress = await client.start(listing, listing.choices[0]).wait()
    assert (progress.state, "gated" in str(progress.error)) == ("failed", True)


async def test_an_unreachable_or_switched_off_hub_says_so(
    hub: Any, client: HubClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = HubClient(tmp_path / "models", endpoint="http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="cannot be reached"):
        await nowhere.look_up("org/tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        await client.look_up("org/tiny")


async def test_a_full_disk_is_noticed_before_anything_is_fetched(
    hub: Any, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    progress = await fetch(client, "org/tiny-GGUF", "big")
    assert (progress.state, "free some space" in str(progress.error)) == ("failed", True)
    assert not [path for _, path, _ in hub.requests if "/resolve/" in path]


async def test_what_is_there_already_is_never_overwritten(hub: Any, client: HubClient) -> None:
    assert (await fetch(client, "org/tiny", "tiny")).state == "done"
    again = await fetch(client, "org/tiny", "tiny")
    assert (again.state, "is there already" in str(again.error)) == ("failed", True)


async def test_hostile_file_names_are_left_out_and_named(hub: Any, client: HubClient, tmp_path: Path) -> None:
    names = ("../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "C:evil.gguf", "a\\..\\evil.gguf", "nul.gguf")
    hub.repositories["org/tiny-GGUF"] |= dict.fromkeys(names, gguf_bytes())
    listing = await client.look_up("org/tiny-GGUF")
    assert [choice.title for choice in listing.choices] == ["big", "tiny-Q8_0"]
    assert len(listing.notes) == len(names)
    assert not list(Path(tmp_path).rglob("*evil*"))


async def test_a_name_that_no_disk_takes_is_left_out_and_named(hub: Any, client: HubClient) -> None:
    hub.repositories["org/tiny-GGUF"]["模" * 150 + ".gguf"] = gguf_bytes()
    listing = await client.look_up("org/tiny-GGUF")
    assert [choice.title for choice in listing.choices] == ["big", "tiny-Q8_0"]
    assert "模模" in listing.notes[0]


async def test_a_download_that_fails_unexpectedly_is_over_and_says_so(
    hub: Any, client: HubClient, caplog: pytest.LogCaptureFixture
) -> None:
    listing = await client.look_up("org/tiny-GGUF")
    (client.models_dir / "gguf").mkdir(parents=True)
    overlong = HubChoice("x", ModelType.GGUF, (RemoteFile("模" * 150 + ".gguf", 10),))
    for _ in range(2):
        progress = await client.start(listing, overlong).wait()
        assert (progress.state, "OSError" in str(progress.error)) == ("failed", True)
    assert "org/tiny-GGUF" in caplog.text


async def test_the_parts_of_a_split_file_are_one_choice_and_incomplete_ones_none(hub: Any, client: HubClient) -> None:
    parts = {f"Q4/big-{i:05d}-of-00002.gguf": gguf_bytes({**LLAMA, "split.count": 2}) for i in (1, 2)}
    hub.repositories["org/split"] = {**parts, "lost-00001-of-00002.gguf": b"x", "mmproj-F16.gguf": b"x"}
    listing = await client.look_up("org/split")
    assert [(choice.title, len(choice.files)) for choice in listing.choices] == [("big", 3)]
    progress = await client.start(listing, listing.choices[0]).wait()
    assert progress.state == "done"
    assert sorted(path.name for path in (client.models_dir / "gguf").iterdir()) == [
        "big-00001-of-00002.gguf",
        "big-00002-of-00002.gguf",
        # The vision part bears its model's name here, for many have the same one.
        "mmproj-big.gguf",
    ]


async def test_a_repository_without_a_model_says_so(hub: Any, client: HubClient) -> None:
    hub.repositories["org/data"] = {"README.md": b"x", "train.parquet": b"x"}
    with pytest.raises(DownloadError, match="neither a GGUF file nor a transformers checkpoint"):
        await client.look_up("org/data")


async def test_a_listing_is_counted_as_it_unpacks(hub: Any, client: HubClient) -> None:
    hub.packed["org/tiny"] = gzip.compress(b"[" * (200 << 20), 9)
    with pytest.raises(DownloadError, match="longer than 33554432 bytes"):
        await client.look_up("org/tiny")


async def test_a_packed_listing_of_ordinary_size_is_read(hub: Any, client: HubClient) -> None:
    hub.packed["org/tiny"] = gzip.compress(json.dumps(hub.listing("org/tiny")).encode())
    assert (await client.look_up("org/tiny")).choices


async def test_a_file_that_comes_packed_is_refused_and_not_unpacked(hub: Any, client: HubClient) -> None:
    hub.packed["big.gguf"] = gzip.compress(bytes(200 << 20), 9)
    progress = await fetch(client, "org/tiny-GGUF", "big")
    assert progress.state == "failed"
    assert "which was not asked for" in str(progress.error)


async def test_sharded_weights_come_with_their_index(hub: Any, client: HubClient) -> None:
    hub.repositories["org/shards"] = {
        "config.json": b"{}",
        "model.safetensors.index.json": b"{}",
        "model-00001-of-00001.safetensors": safetensors_bytes(WEIGHTS),
        "original/consolidated.00.pth": b"x",
    }
    listing = await client.look_up("org/shards")
    assert {file.name for file in listing.choices[0].files} == set(hub.repositories["org/shards"]) - {
        "original/consolidated.00.pth"
    }


@pytest.mark.parametrize("name", ["", "../x", "a/b/c", "a b", "http://x", "a--b", "a/..", "-a/b", "a\n/b", "é/x"])
def test_names_that_are_no_repository_are_refused(name: str) -> None:
    with pytest.raises(DownloadError, match="owner/name"):
        repository_id(name)


def test_addresses_of_pages_name_their_repository() -> None:
    assert repository_id(" https://huggingface.co/org/name.v1/blob/main/x.gguf ") == "org/name.v1"
    assert repository_id("gpt2") == "gpt2"


@pytest.mark.parametrize("name", ["a.gguf", "sub/a-1_B (2).gguf", "模型.gguf"])
def test_plain_file_names_are_accepted(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("模" * 78 + ".gguf", True),
        ("模" * 79 + ".gguf", False),
        ("模" * 150 + "/a.gguf", False),
        ("a\ud800.gguf", False),
    ],
)
def test_a_part_of_a_name_is_as_long_as_its_bytes(name: str, plain: bool) -> None:
    assert is_plain(name) is plain


async def test_a_search_by_words_tells_licence_and_downloads(hub: Any, client: HubClient) -> None:
    hits = await client.search("  TINY gguf ")
    assert [hit.repo_id for hit in hits] == ["org/tiny-GGUF"]
    assert (hits[0].licence, hits[0].downloads, hits[0].has_gguf) == ("apache-2.0", 1000, True)
    assert await client.search("nothing of this name") == ()
    with pytest.raises(DownloadError, match="a word or two"):
        await client.search("   ")


async def test_what_a_search_finds_under_names_that_are_none_is_left_out(hub: Any, client: HubClient) -> None:
    hub.repositories["../tiny"] = {}
    assert {hit.repo_id for hit in await client.search("tiny")} == {"org/tiny", "org/tiny-GGUF"}
