"""Files that cannot be run are refused by name, with the reason."""

from __future__ import annotations

from pathlib import Path

import gguf
import llama_cpp
import pytest

from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.inferencers.base import MAX_CACHE_TOKENS, MAX_SCORES_BYTES, LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.gguf_runtime import MIN_UBATCH, tokens_a_call
from tests.support import tiny_gguf
from tests.support.material import real
from tests.support.model_files import F32, gguf_bytes
from tests.support.requests import answer, greedy

ROOT = Path(__file__).parents[2]
OPTIONS = LoadOptions(n_ctx=256, n_threads=1)


def assert_refused(path: Path, error: type[ModelLoadError], text: str) -> None:
    with pytest.raises(ModelLoadError, match=text) as caught:
        GgufEngine(str(path), OPTIONS)
    assert type(caught.value) is error
    assert path.name in str(caught.value)


def test_an_absent_file_a_folder_and_a_stranger_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.gguf", ModelLoadError, "No such file")
    assert_refused(tmp_path, ModelLoadError, "it is a folder")
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


@pytest.mark.parametrize("architecture", ["llama", "bert", "qwen2"])
def test_a_vocabulary_without_weights_is_unsupported(tmp_path: Path, architecture: str) -> None:
    path = tiny_gguf.write_vocabulary(tmp_path / f"vocab-{architecture}.gguf", architecture)
    assert_refused(path, UnsupportedModelError, "llama.cpp")


def test_files_with_nothing_in_them_or_less_than_they_declare_are_refused(tmp_path: Path) -> None:
    named_only = {"general.architecture": "llama"}
    empty, cut = tmp_path / "empty.gguf", tmp_path / "cut.gguf"
    empty.write_bytes(gguf_bytes(named_only, ()))
    assert_refused(empty, UnsupportedModelError, "llama.cpp")
    whole = gguf_bytes(named_only, (("test.weight.0", (64, 128), F32),))
    cut.write_bytes(whole[: -64 * 128 * 4])
    assert_refused(cut, ModelLoadError, "llama.cpp")


# Only where the real files are.
FOLDERS = [*real("gguf_vocab_only"), *real("tiny_fixtures_weight_inspect")]
if WITHOUT_WEIGHTS := [path for folder in FOLDERS for path in sorted(folder.glob("*.gguf"))]:

    @pytest.mark.parametrize("path", WITHOUT_WEIGHTS, ids=lambda path: path.name)
    def test_files_that_others_made_without_weights_are_refused(path: Path) -> None:
        error = ModelLoadError if path.name == "tiny.gguf" else UnsupportedModelError
        assert_refused(path, error, "llama.cpp")


def test_the_cache_has_room_for_all_up_to_a_bound() -> None:
    assert LoadOptions(n_ctx=1000, parallel=4).cache_tokens == 4000
    assert LoadOptions(n_ctx=20_000, parallel=4).cache_tokens == MAX_CACHE_TOKENS
    assert LoadOptions(n_ctx=100_000, parallel=4).cache_tokens == 100_000


def test_fewer_tokens_a_call_attend_to_a_longer_cache_so_that_their_scores_stay_bounded() -> None:
    assert tokens_a_call(heads=9, cells=8192) >= 512
    for heads, cells in ((1, 1), (9, 8192), (32, 8192), (32, 131_072)):
        assert 4 * heads * cells * tokens_a_call(heads, cells) <= MAX_SCORES_BYTES
    # A cache of which no call worth making could attend: there llama.cpp's flash attention stays on.
    assert tokens_a_call(heads=32, cells=131_072) < MIN_UBATCH


@pytest.mark.parametrize("kv_type", ["q8_0", "q4_0"])
def test_a_context_in_fewer_bits_takes_less_and_answers(kv_type: str) -> None:
    path = ROOT / "models" / "gguf" / "demo-large-F16.gguf"
    sizes, ends = [], []
    for one in ("f16", kv_type):
        engine = GgufEngine(str(path), LoadOptions(n_ctx=512, n_threads=1, kv_type=one))
        try:
            ends.append(answer(engine, greedy("What is 12 + 7?", max_tokens=24))[0].finished)
            sizes.append(llama_cpp.llama_state_get_size(engine._runtime.context))
        finally:
            engine.close()
    assert ends[1].completion_tokens > 0
    assert sizes[1] < 0.7 * sizes[0]
