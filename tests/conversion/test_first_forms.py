"""The other forms of the first model, made for real from a small one: in order, in the background, again on request."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from multi_llm_comparator.conversion.convert import suggested_out
from multi_llm_comparator.conversion.first_forms import TARGETS, FirstForms, Preparation, form_path
from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.jobs import ConversionJobs
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from multi_llm_comparator.services.first_model import PackagedModel

DEMO = Path(__file__).parents[2] / "models" / "pytorch" / "demo-small"
MODEL = PackagedModel("Tiny", "no-such-package==1.0", "0" * 64, 1, "tiny/Tiny.F16.gguf", "0" * 64, 1)
PATIENCE_S = 300


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, small model as one GGUF file."""
    out = tmp_path_factory.mktemp("original") / "Tiny.F16.gguf"
    export_gguf(DEMO, out, "F16")
    return out


@pytest.fixture
def models_dir(tmp_path: Path, original: Path) -> Path:
    place = MODEL.path(tmp_path)
    place.parent.mkdir()
    shutil.copy(original, place)
    return tmp_path


@asynccontextmanager
async def forms_in(models_dir: Path, *, is_busy: bool = False) -> AsyncIterator[FirstForms]:
    conversions = ConversionJobs()
    forms = FirstForms(models_dir, conversions, lambda: is_busy, lambda: None, MODEL)
    try:
        yield forms
    finally:
        await forms.aclose()
        await conversions.aclose()


async def prepared(models_dir: Path, *, bring: bool = False) -> Preparation:
    async with forms_in(models_dir) as forms, asyncio.timeout(PATIENCE_S):
        forms.start(bring=bring)
        return await forms.wait()


def places(models_dir: Path) -> dict[str, Path]:
    return {target: form_path(models_dir, target, MODEL) for target in TARGETS}


async def test_all_forms_are_made_from_the_one_file_and_say_so(models_dir: Path) -> None:
    over = await prepared(models_dir)
    assert (over.stage, over.made, over.error) == ("done", len(TARGETS), None)
    wanted = source_fingerprint(MODEL.path(models_dir))
    assert {converted_from(path) for path in places(models_dir).values()} == {wanted}
    before = {path: path.stat().st_mtime_ns for path in places(models_dir).values()}
    assert (await prepared(models_dir)).stage == "done"
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what is there is not made again"


async def test_a_file_that_cannot_be_converted_is_said_and_made_at_the_next_try(
    models_dir: Path, original: Path
) -> None:
    source = MODEL.path(models_dir)
    source.write_bytes(source.read_bytes()[:100_000])
    async with forms_in(models_dir) as forms, asyncio.timeout(PATIENCE_S):
        forms.start()
        over = await forms.wait()
        assert (over.stage, over.made) == ("failed", 0)
        assert over.error is not None and "Tiny" in str(over.error)
        shutil.copy(original, source)
        forms.start(bring=True)
        assert (await forms.wait()).stage == "done"


async def test_nothing_is_begun_while_somebody_is_answered(models_dir: Path) -> None:
    async with forms_in(models_dir, is_busy=True) as forms, asyncio.timeout(PATIENCE_S):
        forms.start()
        while not forms.progress.waits:
            await asyncio.sleep(0.01)
    assert [path for path in places(models_dir).values() if path.exists()] == []


async def test_what_somebody_put_in_a_place_is_left_alone(models_dir: Path) -> None:
    own = form_path(models_dir, "bfloat16", MODEL)
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    assert (await prepared(models_dir)).stage == "done"
    assert [path.name for path in own.iterdir()] == ["config.json"]


async def test_without_the_file_it_says_that_it_is_absent_and_makes_nothing(tmp_path: Path) -> None:
    assert (await prepared(tmp_path)).stage == "absent"
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_cannot_be_fetched_is_a_failure_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    over = await prepared(tmp_path, bring=True)
    assert over.stage == "failed"
    assert "no-such-package" in str(over.error)


def test_quantizations_are_named_as_any_conversion_names_them(models_dir: Path) -> None:
    assert form_path(models_dir, "Q8_0", MODEL).name == "Tiny-Q8_0-from-F16.gguf"
    assert form_path(models_dir, "F16", MODEL) == MODEL.path(models_dir)
    assert suggested_out(MODEL.path(models_dir), "Q8_0", models_dir).suffix == ".gguf"
