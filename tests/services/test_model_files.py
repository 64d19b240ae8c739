"""What may be deleted and renamed is a model's own files below a folder of models."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.model_files import delete_model, rename_model
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.model_files import checkpoint, gguf_bytes


@pytest.fixture
def models(tmp_path: Path) -> Path:
    home = tmp_path / "models"
    (home / "gguf").mkdir(parents=True)
    (home / "gguf" / "tiny.gguf").write_bytes(gguf_bytes())
    (home / "gguf" / "other.gguf").write_bytes(gguf_bytes())
    checkpoint(home / "pytorch" / "mine")
    return home


def found(home: Path, name: str) -> ModelInfo:
    return next(model for model in ModelManager(home).scan_models(home) if model.name == name)


def test_a_deleted_model_is_gone_and_its_neighbours_stay(models: Path) -> None:
    assert delete_model(found(models, "tiny"), [models]) > 0
    assert delete_model(found(models, "mine"), [models]) > 0
    assert [model.name for model in ModelManager(models).scan_models(models)] == ["other"]
    assert (models / "pytorch").is_dir()


def test_a_renamed_model_is_found_by_its_new_name(models: Path) -> None:
    assert rename_model(found(models, "tiny"), "tiny v2.gguf", [models]).name == "tiny v2.gguf"
    assert rename_model(found(models, "mine"), "yours", [models]).is_dir()
    assert {model.name for model in ModelManager(models).scan_models(models)} == {"other", "tiny v2", "yours"}


def test_another_models_name_is_refused(models: Path) -> None:
    with pytest.raises(ConfigurationError, match="there already"):
        rename_model(found(models, "tiny"), "other", [models])


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "con", "a:b", "x" * 300, "a\x00b"])
def test_names_that_lead_elsewhere_are_refused(models: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        rename_model(found(models, "tiny"), name, [models])
    assert (models / "gguf" / "tiny.gguf").is_file()


def test_what_lies_elsewhere_is_not_touched(models: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "elsewhere" / "theirs.gguf"
    stranger.parent.mkdir()
    stranger.write_bytes(gguf_bytes())
    (models / "gguf" / "linked.gguf").symlink_to(stranger)
    for path in (stranger, models / "gguf" / "linked.gguf", models / "gguf", models):
        model = ModelInfo(id="", name="x", path=str(path), model_type=ModelType.GGUF, size=1)
        with pytest.raises(ConfigurationError):
            delete_model(model, [models])
    assert stranger.is_file() and (models / "gguf" / "tiny.gguf").is_file()


@given(st.text(max_size=40))
def test_whatever_the_name_nothing_leaves_the_folder(name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "models"
        (home / "gguf").mkdir(parents=True)
        file = home / "gguf" / "tiny.gguf"
        file.write_bytes(b"x")
        model = ModelInfo(id="", name="tiny", path=str(file), model_type=ModelType.GGUF, size=1)
        try:
            renamed = rename_model(model, name, [home])
        except ConfigurationError:
            assert file.is_file()
        else:
            assert renamed.parent == home / "gguf" and renamed.suffix == ".gguf"
