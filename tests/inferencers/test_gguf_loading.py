"""Files that cannot be run are refused by name, with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import pytest

from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.inferencers.base import MAX_CACHE_TOKENS, LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from tests.support import tiny_gguf

MATERIAL = Path(os.environ.get("MLC_TEST_MATERIAL", Path(__file__).parents[2].parent / "shared" / "material"))
OPTIONS = LoadOptions(n_ctx=256, n_threads=1)


def assert_refused(path: Path, error: type[ModelLoadError], text: str) -> None:
    with pytest.raises(ModelLoadError, match=text) as caught:
        GgufEngine(str(path), OPTIONS)
    assert type(caught.value) is error
    assert path.name in str(caught.value)


def test_an_absent_file_a_folder_and_a_stranger_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.gguf", ModelLoadError, "No such file")
    assert_refused(tmp_path, ModelLoadError, "Is a directory")
    stranger = tmp_path / "stranger.gguf"
    stranger.write_bytes(b"PK\3\4 not a model")
    assert_refused(stranger, ModelLoadError, "not a GGUF file")


@pytest.mark.parametrize("kept", [4, 40, 2000, -1000])
def test_a_cut_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tiny_gguf.write_random(tmp_path / "cut.gguf")
    path.write_bytes(path.read_bytes()[:kept])
    assert_refused(path, ModelLoadError, "llama.cpp cannot load")


def test_an_unknown_architecture_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "strange.gguf"
    writer = gguf.GGUFWriter(path, "perceptron")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert_refused(path, UnsupportedModelError, "does not know its architecture")


@pytest.mark.parametrize("folder", ["gguf_vocab_only", "tiny_fixtures_weight_inspect"])
def test_real_files_without_weights_are_refused(folder: str) -> None:
    files = sorted((MATERIAL / folder).glob("*.gguf"))
    if not files:
        pytest.skip(f"no files in {MATERIAL / folder}")
    for path in files:
        error = ModelLoadError if path.name == "tiny.gguf" else UnsupportedModelError
        assert_refused(path, error, "llama.cpp")


def test_the_cache_has_room_for_all_up_to_a_bound() -> None:
    assert LoadOptions(n_ctx=1000, parallel=4).cache_tokens == 4000
    assert LoadOptions(n_ctx=20_000, parallel=4).cache_tokens == MAX_CACHE_TOKENS
    assert LoadOptions(n_ctx=100_000, parallel=4).cache_tokens == 100_000
