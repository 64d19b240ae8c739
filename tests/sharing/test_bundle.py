"""Bundles: made of a run, read with distrust, and run again on what is here."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.sharing.bundle import MANIFEST, REPORT, RUN, BundledModel, Manifest, read_bundle
from multi_llm_comparator.sharing.here import look_here
from multi_llm_comparator.sharing.shared_runs import SharedRuns
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.turns import TIE
from tests.comparison.test_images import image
from tests.support.scripted_source import ScriptedSource
from tests.voting.sessions import session_spec

PATIENCE_S = 30.0


def model(name: str, weights: str, size: int = 5) -> ModelInfo:
    """A model whose "weights" are its path's last part, which the tests' fingerprint is made of."""
    return ModelInfo("", name, f"/models/{name}/{weights}", ModelType.GGUF, size, {})


def fingerprint(info: ModelInfo) -> str:
    return f"sha256:{Path(info.path).name}"


class Machine:
    """A workbench's part that shares, with models of its own."""

    def __init__(self, folder: Path, *models: ModelInfo) -> None:
        self.store, self.source, self.models = Store(f"sqlite:///{folder / 'runs.db'}"), ScriptedSource(), list(models)
        self.runs = RunRegistry(self.store, save_interval_s=0.02)
        self.comparisons = ComparisonRegistry(self.runs, self.source, self.find, fingerprint)
        self.votes = VoteRegistry(self.runs, self.source, self.find, fingerprint)
        self.shared = SharedRuns(self.comparisons, self.votes, lambda: self.models, fingerprint, lambda name: False)

    def find(self, target: str) -> ModelInfo | None:
        return next((one for one in self.models if target in (one.id, one.name)), None)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Machine]:
    (tmp_path / "there").mkdir()
    machine = Machine(tmp_path / "there", model("one", "w1"), model("two", "w2"))
    yield machine
    await machine.runs.aclose()
    machine.store.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    (tmp_path / "here").mkdir()
    machine = Machine(tmp_path / "here", model("renamed", "w1"), model("two", "other weights", size=9))
    yield machine
    await machine.runs.aclose()
    machine.store.close()


async def compared(machine: Machine) -> str:
    config = ModelConfig(temperature=0.5, max_tokens=9)
    comparison = await machine.comparisons.create([Pane.new(one.id, config) for one in machine.models])
    await comparison.send("What is it?")
    ids = [one.id for one in machine.models]
    for call in await machine.source.next_calls(2):
        number = ids.index(call.target)
        await call.start(seed=100 + number)
        await call.say(f"It is {number}.")
        await call.finish()
    await comparison.wait()
    return comparison.id


async def test_a_comparison_is_run_again_on_the_same_weights_with_the_same_seeds(there: Machine, here: Machine) -> None:
    data = await there.shared.bundle("comparison", await compared(there))
    manifest, found = await here.shared.look(data)
    assert [one.fingerprint for one in manifest.models] == ["sha256:w1", "sha256:w2"]
    assert (manifest.prompts, manifest.models[0].seeds) == (("What is it?",), (100,))
    assert [(one.kind, one.what) for one in found.differences] == [("weights", "two")]
    kind, run_id = await here.shared.run_again(data)
    calls = await here.source.next_calls(2)
    assert kind == "comparison"
    seeds = {call.target: call.request.config.seed for call in calls}
    assert seeds == {one.id: 100 + number for number, one in enumerate(here.models)}
    assert {call.request.config.max_tokens for call in calls} == {9}
    await (await here.comparisons.get(run_id)).stop()


async def test_a_session_of_votes_is_run_again_with_the_same_turns(there: Machine, here: Machine) -> None:
    ids = [one.id for one in there.models]
    picture = image()
    rows = [
        {"id": "1", "text": "What is it?", "images": (picture.digest,)},
        {"id": "2", "text": "And that?"},
    ]
    run = await there.votes.start(session_spec(targets=ids, prompts=rows), images=[picture])
    for number in range(4):
        await (await there.source.call(number)).answer(f"text {number}")
    async with asyncio.timeout(PATIENCE_S):
        while run.phase != "voting":
            await asyncio.sleep(0.01)
    await run.vote(0, TIE)
    await run.vote(1, TIE)
    await run.wait()
    _, run_id = await here.shared.run_again(await there.shared.bundle("vote", run.id))
    again = await here.votes.get(run_id)
    assert [one.target for one in again.spec.contestants] == [one.id for one in here.models]
    assert (again.spec.seed, again.spec.prompts) == (run.spec.seed, run.spec.prompts)
    assert again.snapshot().images == {picture.digest: picture}
    await here.runs.stop(run_id)


async def test_without_the_model_nothing_is_run_and_it_is_named(there: Machine, here: Machine) -> None:
    data = await there.shared.bundle("comparison", await compared(there))
    here.models = here.models[:1]
    _, found = await here.shared.look(data)
    assert ("missing", "two") in [(one.kind, one.what) for one in found.differences]
    assert not found.is_complete
    with pytest.raises(ConfigurationError, match="'two'"):
        await here.shared.run_again(data)
    opened = await here.comparisons.get(await here.shared.open_run(data))
    assert opened.snapshot().turns[0].prompt == "What is it?"


async def test_a_bundle_has_a_report_that_anybody_can_open(there: Machine) -> None:
    data = await there.shared.bundle("comparison", await compared(there))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert set(archive.namelist()) == {MANIFEST, RUN, REPORT, "README.txt"}
        assert b"It is 0." in archive.read(REPORT)


async def test_other_kinds_are_not_bundled(there: Machine) -> None:
    with pytest.raises(ConfigurationError, match="cannot be bundled"):
        await there.shared.bundle("tuning", "x")


def changed(data: bytes, name: str, content: bytes | None) -> bytes:
    """The archive with one file replaced, or left out."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(written, "w") as other:
        for one in archive.namelist():
            if one != name or content is not None:
                other.writestr(one, archive.read(one) if one != name or content is None else content)
    return written.getvalue()


async def test_what_was_changed_or_is_no_bundle_is_refused(there: Machine) -> None:
    data = await there.shared.bundle("comparison", await compared(there))
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(data)).read(MANIFEST))
    for wrong, said in (
        (b"no archive", "no bundle"),
        (data[:-40], "no bundle"),
        (changed(data, RUN, b"{}"), "changed or damaged"),
        (changed(data, RUN, None), "has no 'run.json'"),
        (changed(data, MANIFEST, b"[]"), "no bundle"),
        (changed(data, MANIFEST, json.dumps({**manifest, "version": 2}).encode()), "version 2"),
        (changed(data, MANIFEST, json.dumps({**manifest, "models": 3}).encode()), "not what this version writes"),
    ):
        with pytest.raises(DocumentError, match=said):
            read_bundle(wrong)


async def test_a_bundle_whose_packing_is_damaged_or_another_is_refused(there: Machine) -> None:
    data = await there.shared.bundle("comparison", await compared(there))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.getinfo(RUN).header_offset + 30 + len(RUN)
        contents = {name: archive.read(name) for name in archive.namelist()}
    damaged = bytearray(data)
    damaged[at : at + 40] = b"\xff" * 40
    with pytest.raises(DocumentError, match="no bundle that can be read"):
        read_bundle(bytes(damaged))
    for packing in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", packing) as other:
            for name, content in contents.items():
                other.writestr(name, content)
        with pytest.raises(DocumentError, match="packed in a way"):
            read_bundle(written.getvalue())


async def test_votes_in_a_bundle_that_name_nobody_are_refused(there: Machine) -> None:
    ids = [one.id for one in there.models]
    run = await there.votes.start(session_spec("What is it?", targets=ids))
    await there.runs.stop(run.id)
    data = await there.shared.bundle("vote", run.id)
    exported = json.loads(zipfile.ZipFile(io.BytesIO(data)).read(RUN))
    del exported["spec"]["contestants"][0]["target"]
    content = json.dumps(exported).encode()
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(data)).read(MANIFEST))
    manifest["files"][RUN] = hashlib.sha256(content).hexdigest()
    wrong = changed(changed(data, RUN, content), MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(DocumentError, match="cannot be run here"):
        await there.shared.run_again(wrong)


def test_a_file_that_unpacks_to_more_than_it_may_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, b" " * (5 * 2**20))
    with pytest.raises(DocumentError, match="more than"):
        read_bundle(written.getvalue())


def test_what_is_otherwise_here_is_said_by_kind() -> None:
    there = [
        BundledModel(target="a", name="one", fingerprint="sha256:w1"),
        BundledModel(target="b", name="two", fingerprint="sha256:w2"),
        BundledModel(target="c", name="three"),
        BundledModel(target="group", name="group"),
        BundledModel(target="d", name="gone", fingerprint="sha256:w9", size_bytes=77),
    ]
    manifest = Manifest(
        format="multi-llm-comparator bundle",
        version=1,
        kind="vote",
        run_id="r",
        title="t",
        exported_at=1.0,
        models=tuple(there),
        versions={"torch": "2", "python": "3"},
        files={},
    )
    models = [model("one", "w1"), model("two", "other"), model("three", "w3")]
    found = look_here(manifest, models, fingerprint, {"torch": "1", "python": "3"}, lambda name: name == "group")
    assert [(one.kind, one.what) for one in found.differences] == [
        ("weights", "two"),
        ("unknown", "three"),
        ("unknown", "group"),
        ("missing", "gone"),
        ("version", "torch"),
    ]
    assert set(found.targets) == {"a", "b", "c", "group"}
