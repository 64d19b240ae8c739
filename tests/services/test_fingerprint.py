from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.fingerprint import fingerprint


def model(*files: Path) -> ModelInfo:
    return ModelInfo("", "m", str(files[0]), ModelType.GGUF, 1, {"files": [str(file) for file in files]})


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"weights")
    (tmp_path / "b.gguf").write_bytes(b"more weights")
    return tmp_path


def test_one_files_fingerprint_is_the_hash_that_hubs_show(weights):
    wanted = hashlib.sha256(b"weights").hexdigest()
    assert fingerprint(model(weights / "a.gguf")) == f"sha256:{wanted}"


def test_changed_weights_have_another_fingerprint(weights):
    before = fingerprint(model(weights / "a.gguf"))
    (weights / "a.gguf").write_bytes(b"other weights")
    assert fingerprint(model(weights / "a.gguf")) != before


def test_the_order_in_which_files_are_listed_does_not_matter(weights):
    one, other = weights / "a.gguf", weights / "b.gguf"
    assert fingerprint(model(one, other)) == fingerprint(model(other, one)) != fingerprint(model(one))


def test_a_model_without_files_has_none(tmp_path):
    assert fingerprint(model(tmp_path / "gone.gguf")) is None
