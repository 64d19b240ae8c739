"""Adapters are found and placed beneath the bases they were made for, whatever state their files are in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services import adapters as services_adapters
from multi_llm_comparator.services.adapters import adapted, adapter_file
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from tests.support.model_files import F32, checkpoint, gguf_bytes, safetensors_bytes

Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


def lora(
    folder: Path, base: str | None, *, width: int = 64, lineage: dict[str, Any] | None = None, **config: Any
) -> Path:
    """A peft folder with one pair of matrices, of zeros."""
    folder.mkdir(parents=True)
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps({**told, **config}))
    pair = {f"{Q_PROJ}.lora_A.weight": ("F32", (4, width)), f"{Q_PROJ}.lora_B.weight": ("F32", (64, 4))}
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(pair))
    if lineage is not None:
        (folder / "tuning.json").write_text(json.dumps(lineage))
    return folder


def gguf_lora(path: Path, **metadata: Any) -> Path:
    told = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    pair = [("blk.0.attn_q.weight.lora_a", (64, 4), F32), ("blk.0.attn_q.weight.lora_b", (4, 64), F32)]
    path.write_bytes(gguf_bytes({**told, **metadata}, pair))
    return path


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A checkpoint and the GGUF file of the same model."""
    folder = tmp_path / "models"
    weights = {"model.layers.0.self_attn.q_proj.weight": ("F32", (64, 64))}
    checkpoint(folder / "pytorch" / "tiny")
    (folder / "pytorch" / "tiny" / "model.safetensors").write_bytes(safetensors_bytes(weights))
    (folder / "gguf").mkdir()
    (folder / "gguf" / "tiny-Q8_0.gguf").write_bytes(gguf_bytes())
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def scan(models: Path, home: Path) -> dict[str, ModelInfo]:
    manager = ModelManager(models, settings=Settings(home=home, scan_hf_cache=False))
    return {model.name: model for model in manager.scan_models()}


def test_an_adapter_is_a_target_of_each_form_of_its_base(models: Path, home: Path) -> None:
    lora(models / "pytorch" / "pirate", "org/tiny")
    found = scan(models, home)
    assert list(found) == ["tiny", "tiny:pirate", "tiny-Q8_0", "tiny-Q8_0:pirate"]
    assert found["tiny"].adapters == ("tiny:pirate",)
    for name in ("tiny", "tiny-Q8_0"):
        target, base = found[f"{name}:pirate"], found[name]
        assert (target.problem, target.base, target.loaded_as, target.model_type) == (None, base, base, base.model_type)
        assert target.path == str(models / "pytorch" / "pirate")
        assert target.config["context_length"] == base.config["context_length"]
        assert (target.config["rank"], target.config["base_model"]) == (4, name)
    assert len({model.id for model in found.values()}) == 4
    assert model_fingerprint(found["tiny:pirate"]) != model_fingerprint(found["tiny"])


@pytest.mark.parametrize("named", ["{path}", "{path}/", "tiny", "some\\where\\tiny"])
def test_a_base_is_known_by_its_path_or_name(models: Path, home: Path, named: str) -> None:
    lora(models / "pytorch" / "it", named.format(path=models / "pytorch" / "tiny"))
    assert "tiny:it" in scan(models, home)


def test_a_base_is_known_by_the_fingerprint_that_the_tuning_wrote_down(models: Path, home: Path) -> None:
    print_of_base = model_fingerprint(scan(models, home)["tiny"])
    lora(models / "pytorch" / "it", "/gone/renamed", lineage={"base_fingerprint": print_of_base, "steps": 10})
    found = scan(models, home)
    assert found["tiny:it"].config["lineage"]["steps"] == 10
    assert "tiny-Q8_0:it" not in found


def test_what_names_no_base_goes_with_the_one_it_fits_and_says_so(models: Path, home: Path) -> None:
    lora(models / "pytorch" / "it", None)
    target = scan(models, home)["tiny:it"]
    assert "its base is not named" in target.config["warnings"][0]


def test_an_adapter_without_its_base_is_listed_with_the_reason(models: Path, home: Path) -> None:
    lora(models / "pytorch" / "lost", "someone/gone")
    lora(models / "pytorch" / "wide", "tiny", width=32)
    lora(models / "pytorch" / "dora", "tiny", use_dora=True)
    found = scan(models, home)
    assert "'someone/gone' was not found here" in (found["lost"].problem or "")
    assert "its matrices would fit 'tiny'" in (found["lost"].problem or "")
    assert "64×32, where the base has 64×64" in (found["wide"].problem or "")
    assert "DoRA" in (found["dora"].problem or "")
    assert found["tiny"].adapters == ()


def test_a_gguf_adapter_goes_with_gguf_files_alone(models: Path, home: Path) -> None:
    gguf_lora(models / "gguf" / "style.gguf", **{"general.base_model.0.name": "tiny"})
    gguf_lora(models / "gguf" / "vector.gguf", **{"adapter.type": "control"})
    found = scan(models, home)
    assert found["tiny-Q8_0:style"].config["rank"] == 4
    assert "tiny:style" not in found
    assert "only LoRA" in (found["vector"].problem or "")
    (models / "gguf" / "style.gguf").write_bytes((models / "gguf" / "style.gguf").read_bytes()[:-64])
    assert "cut off" in (scan(models, home)["style"].problem or "")


def test_what_jobs_have_made_is_found_by_the_title_of_the_job(models: Path, home: Path) -> None:
    lora(home / "jobs" / "0123456789abcdef" / "out" / "adapter", "tiny", lineage={"title": "Talk like a pirate!"})
    lora(home / "jobs" / "fedcba9876543210" / "out" / "adapter", "tiny")
    (home / "jobs" / "empty" / "out").mkdir(parents=True)
    found = scan(models, home)
    assert {"tiny:Talk-like-a-pirate", "tiny:fedcba987654"} <= set(found)
    assert found["tiny:Talk-like-a-pirate"].config["source"] == "jobs"


def test_two_of_one_name_are_told_apart(models: Path, home: Path) -> None:
    lora(models / "pytorch" / "a" / "it", "tiny")
    lora(models / "pytorch" / "b" / "it", "tiny")
    names = [name for name in scan(models, home) if name.startswith("tiny:")]
    assert len(names) == 2 and all(len(name) == len("tiny:it-0123") for name in names)


def test_hostile_files_of_an_adapter_end_in_a_reason(models: Path, home: Path) -> None:
    place = lora(models / "pytorch" / "it", "tiny")
    for content in (b"", b"[" * 100_000, b'{"peft_type": 3}', b'{"peft_type": "LORA", "r": -1}', b"\xff\xfe"):
        (place / "adapter_config.json").write_bytes(content)
        assert scan(models, home)["it"].problem
    (place / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "tiny"}))
    (place / "adapter_model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    assert "cut off" in (scan(models, home)["it"].problem or "")
    (place / "adapter_model.safetensors").unlink()
    assert "without weights" in (scan(models, home)["it"].problem or "")


def test_an_adapter_becomes_a_gguf_file_once(models: Path, home: Path) -> None:
    folder = lora(models / "pytorch" / "it", "tiny")
    found = scan(models, home)
    assert adapter_file(found["tiny:it"], home) == str(folder)
    made = Path(adapter_file(found["tiny-Q8_0:it"], home))
    assert made.parent == home / "adapters"
    before = made.stat()
    assert adapter_file(found["tiny-Q8_0:it"], home) == str(made)
    assert made.stat().st_mtime_ns == before.st_mtime_ns
    (folder / "adapter_model.safetensors").touch()
    assert adapter_file(scan(models, home)["tiny-Q8_0:it"], home) != str(made)


def test_kept_gguf_files_are_bounded(models: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_adapters, "MAX_CACHE_FILES", 2)
    for number in range(4):
        lora(models / "pytorch" / f"it{number}", "tiny")
    found = scan(models, home)
    for number in range(4):
        made = adapter_file(found[f"tiny-Q8_0:it{number}"], home)
        assert Path(made).is_file()
    assert len(list((home / "adapters").glob("*.gguf"))) == 2


async def test_a_scale_is_refused_of_what_is_no_adapter(models: Path, home: Path) -> None:
    lora(models / "pytorch" / "it", "tiny")
    found = scan(models, home)
    request = GenerationRequest(messages=(Message("user", "hi"),), config=ModelConfig(adapter_scale=0.5), adapter="/x")
    base, sent = await adapted(found["tiny:it"], request, home)
    assert (base, sent.adapter) == (found["tiny"], str(models / "pytorch" / "it"))
    with pytest.raises(InvalidParameterError, match="adapter_scale is for adapters"):
        await adapted(found["tiny"], request, home)
