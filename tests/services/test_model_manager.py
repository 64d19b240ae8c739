from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ModelNotFoundError
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.model_files import checkpoint, gguf_bytes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    checkpoint(tmp_path / "models" / "pytorch" / "alpha")
    checkpoint(tmp_path / "models" / "pytorch" / "beta")
    (tmp_path / "models" / "gguf").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "models" / "gguf" / f"{name}.gguf").write_bytes(gguf_bytes())
    return tmp_path / "models"


def test_a_scan_finds_each_kind_in_its_folder(home: Path) -> None:
    (home / "gguf" / "stray.safetensors").write_bytes(b"x")
    (home / "elsewhere.gguf").write_bytes(gguf_bytes())
    manager = ModelManager(str(home))
    found = manager.scan_models()
    assert [(m.name, m.model_type) for m in found] == [
        ("alpha", ModelType.PYTORCH),
        ("beta", ModelType.PYTORCH),
        ("one", ModelType.GGUF),
        ("three", ModelType.GGUF),
        ("two", ModelType.GGUF),
    ]
    assert manager.get_available_models() == found


def test_an_absent_or_empty_folder_has_no_models(tmp_path: Path) -> None:
    assert ModelManager(tmp_path / "absent").scan_models() == []
    assert ModelManager().scan_models(str(tmp_path)) == []


def test_ids_come_from_the_path_and_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(str(home))
    first = {m.path: m.id for m in manager.scan_models()}
    assert first == {path: hashlib.md5(path.encode()).hexdigest()[:8] for path in first}
    assert {m.path: m.id for m in manager.scan_models(str(home))} == first
    monkeypatch.chdir(home.parent)
    relative = ModelManager("./models").scan_models()
    assert relative[0].path == "models/pytorch/alpha"
    assert relative[0].id == hashlib.md5(b"models/pytorch/alpha").hexdigest()[:8]


def test_four_models_can_be_selected_and_not_five(home: Path) -> None:
    manager = ModelManager(home)
    ids = [m.id for m in manager.scan_models()]
    assert manager.select_models(ids[:4])
    assert [m.id for m in manager.get_selected_models()] == ids[:4]
    with pytest.raises(ValueError, match="more than 4"):
        manager.select_models(ids)
    assert [m.id for m in manager.selected_models] == ids[:4]


def test_unknown_ids_are_told_and_the_known_ones_selected(home: Path) -> None:
    manager = ModelManager(home)
    known = manager.scan_models()[0]
    assert manager.select_models([known.id, "00000000"]) is False
    assert manager.get_selected_models() == [known]
    assert manager.get_model_by_id("00000000") is None
    assert manager.select_models([])
    assert manager.get_selected_models() == []


def test_the_lists_handed_out_are_copies(home: Path) -> None:
    manager = ModelManager(home)
    manager.scan_models().clear()
    manager.get_available_models().clear()
    manager.get_selected_models().append(None)  # type: ignore[arg-type]
    assert len(manager.available_models) == 5
    assert manager.selected_models == []


def test_models_are_found_by_id_or_by_a_name_that_only_one_can_mean(home: Path, tmp_path: Path) -> None:
    checkpoint(tmp_path / "more" / "alpha")
    checkpoint(tmp_path / "more" / "beta", weights=False)
    manager = ModelManager(home, settings=Settings(extra_model_dirs=(tmp_path / "more",)))
    models = manager.scan_models()
    assert len(models) == 7
    one, beta = manager.find("one"), manager.find("beta")
    assert one is not None and beta is not None
    assert one is manager.get(one.id)
    assert beta.path == str(home / "pytorch" / "beta")
    assert manager.find("alpha") is None
    with pytest.raises(ModelNotFoundError, match=f"several models are named 'alpha'; use an id: {models[0].id}"):
        manager.get("alpha")
    with pytest.raises(ModelNotFoundError, match="known are alpha, beta, one"):
        manager.get("gamma")


def test_further_places_are_scanned_when_switched_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "more" / "deep" / "inside" / "extra")
    (tmp_path / "more" / "loose.gguf").write_bytes(gguf_bytes())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    settings = Settings(extra_model_dirs=(tmp_path / "more", tmp_path / "absent", home), scan_ollama=True)
    manager = ModelManager(home, settings=settings)
    extra = [m for m in manager.scan_models() if m.config["source"] != "models"]
    assert {(m.name, m.config["source"]) for m in extra} == {
        ("extra", str(tmp_path / "more")),
        ("loose", str(tmp_path / "more")),
    }
    assert [note.split("'")[1] for note in manager.scan_notes] == [str(tmp_path / "absent"), str(tmp_path / "none")]
    assert len(manager.scan_models(home)) == 5


def test_the_settings_in_force_are_used_when_none_are_given(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "more" / "extra")
    monkeypatch.setenv("MLC_EXTRA_MODEL_DIRS", json.dumps([str(tmp_path / "more")]))
    assert "extra" in [m.name for m in ModelManager(home).scan_models()]


def test_a_broken_entry_never_hides_the_others(home: Path) -> None:
    (home / "gguf" / "bad.gguf").write_bytes(b"GGUF" + bytes(3))
    (home / "pytorch" / "bad").mkdir()
    (home / "pytorch" / "bad" / "config.json").write_bytes(b"[" * 100_000)
    models = ModelManager(home).scan_models()
    assert sum(m.is_loadable for m in models) == 5
    assert [m.name for m in models if not m.is_loadable] == ["bad", "bad"]


def test_scanning_imports_no_engine(home: Path) -> None:
    script = (
        "import sys; from multi_llm_comparator.services.model_manager import ModelManager;"
        f"assert len(ModelManager({str(home)!r}).scan_models()) == 5;"
        "print(sorted({'torch', 'transformers', 'llama_cpp', 'streamlit'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_demo_models_are_found_and_can_be_loaded() -> None:
    root = Path(__file__).parents[2] / "models"
    models = {m.name: m for m in ModelManager(root).scan_models()}
    for name in ("demo-small", "demo-large"):
        if name not in models:
            pytest.skip("the demo models have not been made here")
        assert models[name].problem is None
        assert models[name].config["chat_template"] is True
    assert models["demo-small"].config["parameters"] < models["demo-large"].config["parameters"]


def test_of_thousands_of_places_left_out_the_first_are_named(tmp_path: Path) -> None:
    links = tmp_path / "models" / "pytorch"
    links.mkdir(parents=True)
    for i in range(50):
        (links / f"{i:02}").symlink_to("/")
    manager = ModelManager(tmp_path / "models", settings=Settings())
    manager.scan_models()
    assert len(manager.scan_notes) == 21
    assert manager.scan_notes[-1] == "... and 30 more places"


def test_a_scan_can_be_awaited_and_ended(tmp_path: Path) -> None:
    manager = ModelManager(tmp_path, settings=Settings())
    assert manager.is_scanning, "the first scan is still to come"
    assert not manager.wait_for_scan(0)
    manager.scan_models()
    assert manager.wait_for_scan(0)
    manager.end_scan()
    manager.announce_scan()
    assert manager.is_scanning


def test_what_one_folder_leads_to_keeps_no_other_from_being_looked_at(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multi_llm_comparator.services.scan import walk

    monkeypatch.setattr(walk.ScanBudget.__init__, "__kwdefaults__", {"max_seen": 10, "max_s": 60.0, "ended": None})
    for i in range(20):
        (home / "pytorch" / f"{i}.txt").touch()
    manager = ModelManager(home, settings=Settings())
    assert {"one", "two", "three"} <= {model.name for model in manager.scan_models()}
    assert "more than 10 files" in manager.scan_notes[0]
