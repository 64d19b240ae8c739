"""Runs of every kind as files, one by one and many in one archive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator import run_files
from multi_llm_comparator.core.exceptions import ConfigurationError, RunNotFoundError
from multi_llm_comparator.run_files import LEFT_OUT_FILE, RunFiles
from multi_llm_comparator.tracking.store import Store
from tests.support.made_runs import MadeRuns


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[MadeRuns]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    made = MadeRuns(store)
    yield made
    await made.aclose()
    store.close()


@pytest.fixture
def files(made: MadeRuns) -> RunFiles:
    return RunFiles(made.runs)


async def test_each_kind_has_its_formats_and_every_one_of_them_can_be_made(made: MadeRuns, files: RunFiles) -> None:
    for kind, run_id in (("comparison", await made.comparison()), ("plan", await made.plan())):
        formats = files.formats(kind)
        assert {"html", "json", "csv", "markdown"} <= set(formats)
        for format in formats:
            file = await files.export(run_id, format)
            assert file.data and file.name.startswith(f"{kind}-")
    assert files.formats("daydream") == ()


async def test_what_is_stored_says_the_same_as_what_is_live(made: MadeRuns, files: RunFiles) -> None:
    run_id, other = await made.comparison(), MadeRuns(made.store)
    stored = RunFiles(other.runs)
    live, read = [json.loads((await one.export(run_id, "json")).data) for one in (files, stored)]
    assert {**live, "exported_at": 0} == {**read, "exported_at": 0}


async def test_an_export_of_what_is_not_there_is_refused(made: MadeRuns, files: RunFiles) -> None:
    with pytest.raises(RunNotFoundError, match="nowhere"):
        await files.export("nowhere", "json")
    with pytest.raises(ConfigurationError, match=r"'svg'.*html, json, csv, markdown"):
        await files.export(await made.comparison(), "svg")


async def test_an_archive_has_a_file_for_each_run_even_where_two_have_one_name(made: MadeRuns, files: RunFiles) -> None:
    ids = [await made.comparison(), await made.comparison(), await made.plan()]
    with zipfile.ZipFile(io.BytesIO(await files.archive(ids, "json"))) as archive:
        assert archive.testzip() is None
        assert {json.loads(archive.read(name))["id"] for name in archive.namelist()} == set(ids)


async def test_what_an_archive_cannot_hold_is_named_in_it(
    made: MadeRuns, files: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await made.comparison(), await made.plan()
    size = len((await files.export(first, "json")).data)
    monkeypatch.setattr(run_files, "MAX_ARCHIVE_BYTES", size + 10)
    with zipfile.ZipFile(io.BytesIO(await files.archive([first, second, "gone"], "json"))) as archive:
        left_out = archive.read(LEFT_OUT_FILE).decode()
        assert len(archive.namelist()) == 2
    assert f"{second}: the archive would be larger" in left_out
    assert "gone: no run" in left_out


async def test_an_archive_of_too_many_runs_is_refused(files: RunFiles) -> None:
    with pytest.raises(ConfigurationError, match="at most 100 runs, not 101"):
        await files.archive(["x"] * 101, "json")
