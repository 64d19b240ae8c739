from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.comparison import presets as presets_module
from multi_llm_comparator.comparison.presets import MAX_NAME_CHARS, MAX_NOTE_CHARS, Presets
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.settings import get_settings


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "deep" / "presets.json")


def test_a_preset_is_kept_and_found_by_every_page(presets: Presets, tmp_path: Path) -> None:
    config = ModelConfig(temperature=0, seed=7, stop=("\n",), system_prompt="简短地回答。")
    presets.save("Precise", config, note="for sums")
    again = Presets(tmp_path / "deep" / "presets.json")
    assert again.load("Precise").apply(ModelConfig()) == config
    assert again.load("Precise").note == "for sums"


def test_presets_live_in_the_users_home_unless_told_otherwise() -> None:
    Presets().save("Mine", ModelConfig())
    assert (get_settings().home / "presets.json").exists()


def test_a_preset_of_a_few_parameters_leaves_the_others_alone(presets: Presets) -> None:
    presets.save("Warm", {"temperature": 1.5})
    assert presets.load("Warm").apply(ModelConfig(top_k=3, seed=9)) == ModelConfig(temperature=1.5, top_k=3, seed=9)


def test_saving_under_a_name_that_is_there_replaces_it(presets: Presets) -> None:
    presets.save("One", {"top_k": 1})
    presets.save("  One ", {"top_k": 2})
    assert [(preset.name, preset.parameters) for preset in presets.list()] == [("One", {"top_k": 2})]


def test_a_preset_that_is_not_there_is_said_with_those_that_are(presets: Presets) -> None:
    with pytest.raises(ConfigurationError, match="no preset is called 'calm'; there are none yet"):
        presets.load("calm")
    presets.save("warm", {"temperature": 1.5})
    presets.save("Cold", {"temperature": 0})
    with pytest.raises(ConfigurationError, match="no preset is called 'calm'; there are 'Cold', 'warm'"):
        presets.named(["warm", "calm"])
    assert presets.named(["", "warm"]) == {"warm": {"temperature": 1.5}}


def test_presets_are_listed_by_name_and_deleted_by_it(presets: Presets) -> None:
    for name in ("beta", "Alpha", "gamma"):
        presets.save(name, {})
    presets.delete("beta")
    presets.delete("nobody")
    assert [preset.name for preset in presets.list()] == ["Alpha", "gamma"]
    with pytest.raises(ConfigurationError, match="'beta'"):
        presets.load("beta")


@pytest.mark.parametrize(
    ("name", "parameters", "note", "says"),
    [
        ("", {}, "", "name"),
        (" \n", {}, "", "name"),
        ("x" * (MAX_NAME_CHARS + 1), {}, "", "name"),
        ("x", {}, "n" * (MAX_NOTE_CHARS + 1), "note"),
        ("x", {"warp": 9}, "", "'warp'"),
        ("x", {"temperature": 9}, "", "temperature must be"),
        ("x", {"temperature": "hot"}, "", "temperature"),
        ("x", {"use_gpu": []}, "", "use_gpu"),
        ("x", {"stop": [1]}, "", "stop"),
        ("\ud800", {}, "", "surrogates"),
        ("x", {"system_prompt": "\ud800"}, "", "surrogates"),
        ("x", {"stop": ["\ud800"]}, "", "surrogates"),
    ],
)
def test_what_cannot_be_a_preset_is_not_kept(
    presets: Presets, name: str, parameters: dict[str, Any], note: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        presets.save(name, parameters, note)
    assert presets.list() == []


def test_the_leave_to_run_a_models_code_is_never_part_of_a_preset(presets: Presets) -> None:
    presets.save("Mine", ModelConfig(trust_remote_code=True))
    assert "trust_remote_code" not in presets.load("Mine").parameters
    data = presets.export().replace(b'"temperature"', b'"trust_remote_code": true, "temperature"')
    with pytest.raises(DocumentError, match="trust_remote_code"):
        presets.import_(data)


def test_exported_presets_can_be_imported_elsewhere(presets: Presets, tmp_path: Path) -> None:
    presets.save("A", ModelConfig(seed=1), "first")
    presets.save("B", {"top_k": 5})
    presets.save("C", {})
    elsewhere = Presets(tmp_path / "other.json")
    assert elsewhere.import_(presets.export(["A", "B"])) == ("A", "B")
    assert [elsewhere.load("A"), elsewhere.load("B")] == [presets.load("A"), presets.load("B")]


def test_importing_replaces_nothing(presets: Presets, tmp_path: Path) -> None:
    presets.save("A", {"top_k": 1})
    other = Presets(tmp_path / "other.json")
    other.save("A", {"top_k": 2})
    assert presets.import_(other.export()) == ("A (2)",)
    assert presets.import_(presets.export()) == ()
    assert [preset.parameters["top_k"] for preset in presets.list()] == [1, 2]


def test_count_and_size_are_bounded(presets: Presets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets_module, "MAX_PRESETS", 2)
    presets.save("1", {})
    presets.save("2", {})
    presets.save("2", {"top_k": 1})
    with pytest.raises(ConfigurationError, match="room for 2"):
        presets.save("3", {})
    monkeypatch.setattr(presets_module, "MAX_FILE_BYTES", 500)
    with pytest.raises(ConfigurationError, match="500 bytes"):
        presets.save("1", {"system_prompt": "x" * 500})
    assert len(presets.list()) == 2


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "presets.json"
    path.write_text("{half")
    for action in (Presets(path).list, lambda: Presets(path).save("x", {}), lambda: Presets(path).delete("x")):
        with pytest.raises(ConfigurationError, match="correct the file or move it away") as caught:
            action()
        assert str(path) in str(caught.value)
    assert path.read_text() == "{half"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"format": "multi-llm-comparator presets"},
        {"format": "other", "presets": []},
        {"format": "multi-llm-comparator presets", "presets": [1]},
        {"format": "multi-llm-comparator presets", "presets": [{}]},
        {"format": "multi-llm-comparator presets", "presets": [{"name": "x", "parameters": []}]},
        {"format": "multi-llm-comparator presets", "presets": [{"name": ["x"]}]},
        {"format": "multi-llm-comparator presets", "presets": [{"name": "x", "extra": 1}]},
        {"format": "multi-llm-comparator presets", "presets": [{"name": "x", "parameters": {"top_k": 10**9}}]},
        {"format": "multi-llm-comparator presets", "presets": [{"name": str(n)} for n in range(300)]},
    ],
)
def test_a_file_that_holds_no_presets_is_refused(presets: Presets, document: Any) -> None:
    with pytest.raises(DocumentError):
        presets.import_(json.dumps(document).encode())
    assert presets.list() == []


configs = st.builds(
    ModelConfig,
    temperature=st.just(0) | st.floats(0.1, 2),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 100),
    seed=st.none() | st.integers(0, 2**32 - 1),
    stop=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), max_size=3).map(tuple),
    system_prompt=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    use_gpu=st.booleans(),
)


@settings(deadline=None, max_examples=50)
@given(config=configs)
def test_any_valid_configuration_survives_being_exported_and_imported(
    tmp_path_factory: pytest.TempPathFactory, config: ModelConfig
) -> None:
    folder = tmp_path_factory.mktemp("presets")
    here, there = Presets(folder / "here.json"), Presets(folder / "there.json")
    here.save("x", config)
    there.import_(here.export())
    assert there.load("x").apply(replace(ModelConfig(), top_k=77)) == config


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "presets.json")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        Presets(tmp_path / "presets.json").list()
