from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.services.scan import stores
from tests.support.model_files import LLAMA, checkpoint, gguf_bytes

COMMIT, OLDER = "a" * 40, "b" * 40
DIGEST = "sha256:" + "c" * 64


def cached(root: Path, repository: str, commit: str, *, name: str = "model.safetensors") -> Path:
    """A repository in the layout of huggingface_hub: snapshots of links to blobs."""
    source = checkpoint(root / ".source" / commit)
    folder = root / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir(exist_ok=True)
    for path in source.iterdir():
        blob = folder / "blobs" / f"{commit[:4]}-{path.name}"
        blob.write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return folder


def test_the_hugging_face_cache_lists_the_current_revision_under_the_hubs_name(tmp_path: Path) -> None:
    folder = cached(tmp_path, "org/tiny", COMMIT)
    cached(tmp_path, "org/tiny", OLDER)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (model,) = stores.scan_hugging_face(tmp_path, [])
    assert (model.name, model.problem) == ("org/tiny", None)
    assert model.path == str(folder / "snapshots" / COMMIT)
    assert model.config["source"] == "Hugging Face cache"


def test_an_interrupted_download_shows_what_is_missing(tmp_path: Path) -> None:
    folder = cached(tmp_path, "org/tiny", COMMIT)
    next(folder.glob("blobs/*model.safetensors")).unlink()
    (model,) = stores.scan_hugging_face(tmp_path, [])
    assert "'model.safetensors' cannot be read" in (model.problem or "")


@pytest.mark.parametrize("ref", ["../../../etc", "", "..", "\x00", "x" * 5000])
def test_a_hostile_ref_leads_nowhere_else(tmp_path: Path, ref: str) -> None:
    folder = cached(tmp_path, "org/tiny", COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(ref)
    for model in stores.scan_hugging_face(tmp_path, []):
        assert Path(model.path).is_relative_to(folder / "snapshots")


def test_an_empty_or_odd_cache_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "models--a--b").write_text("a file where a folder should be")
    (tmp_path / "models--c--d" / "refs" / "main").mkdir(parents=True)
    assert stores.scan_hugging_face(tmp_path, []) == []


def manifest(root: Path, layers: object, *place: str) -> Path:
    path = root.joinpath("manifests", *(place or ("registry.ollama.ai", "library", "tiny", "1b")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    (root / "blobs").mkdir(exist_ok=True)
    return path


def layer(kind: str, digest: object = DIGEST) -> dict[str, object]:
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": 1}


def test_ollamas_models_are_named_as_ollama_names_them(tmp_path: Path) -> None:
    settings = "sha256:" + "d" * 64
    manifest(tmp_path, [layer("model"), layer("params", settings), layer("projector")])
    (tmp_path / "blobs" / DIGEST.replace(":", "-")).write_bytes(gguf_bytes({**LLAMA, "general.sampling.top_k": 7}))
    (tmp_path / "blobs" / settings.replace(":", "-")).write_text(json.dumps({"temperature": 0.3, "stop": ["x"]}))
    (model,) = stores.scan_ollama(tmp_path, [])
    assert (model.name, model.problem) == ("tiny:1b", None)
    assert model.path == str(tmp_path / "blobs" / DIGEST.replace(":", "-"))
    assert model.config["generation"] == {"top_k": 7, "temperature": 0.3}
    assert model.config["warnings"] == ["its projector is not used here"]


def test_models_of_other_people_keep_their_namespace(tmp_path: Path) -> None:
    manifest(tmp_path, [layer("model")], "registry.ollama.ai", "someone", "tiny", "latest")
    (model,) = stores.scan_ollama(tmp_path, [])
    assert model.name == "someone/tiny:latest"
    assert "cannot be read" in (model.problem or "")


@pytest.mark.parametrize(
    "layers",
    [None, 7, [7], [layer("model", "sha256:../../../etc/passwd")], [layer("model", 5)], [layer("tensor")], [{}]],
)
def test_odd_manifests_are_listed_with_a_problem(tmp_path: Path, layers: Any) -> None:
    manifest(tmp_path, layers)
    (model,) = stores.scan_ollama(tmp_path, [])
    assert "no GGUF weights" in (model.problem or "")


def test_a_manifest_that_is_no_json_is_listed_with_a_problem(tmp_path: Path) -> None:
    manifest(tmp_path, []).write_bytes(b"\xff")
    (model,) = stores.scan_ollama(tmp_path, [])
    assert "not valid JSON" in (model.problem or "")


def test_lm_studio_keeps_plain_files(tmp_path: Path) -> None:
    (tmp_path / "publisher" / "repo").mkdir(parents=True)
    (tmp_path / "publisher" / "repo" / "tiny-Q8_0.gguf").write_bytes(gguf_bytes())
    (model,) = stores.scan_lm_studio(tmp_path, [])
    assert (model.name, model.config["source"]) == ("tiny-Q8_0", "LM Studio")


def test_the_stores_are_looked_for_where_their_programs_keep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "OLLAMA_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stores.hugging_face_root() == tmp_path / ".cache" / "huggingface" / "hub"
    assert stores.lm_studio_root() == tmp_path / ".lmstudio" / "models"
    monkeypatch.setenv("HF_HOME", "/data/hf")
    assert stores.hugging_face_root() == Path("/data/hf/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/data/hub")
    assert stores.hugging_face_root() == Path("/data/hub")
    monkeypatch.setenv("OLLAMA_MODELS", "/data/ollama")
    assert stores.ollama_root() == Path("/data/ollama")
    (tmp_path / ".cache" / "lm-studio" / "models").mkdir(parents=True)
    assert stores.lm_studio_root() == tmp_path / ".cache" / "lm-studio" / "models"
