from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.scan import reading
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header
from tests.support import tiny_gguf
from tests.support.material import real
from tests.support.model_files import F16, F32, LLAMA, Q8_0, TENSORS, gguf_bytes, safetensors_bytes


def scan_one(tmp_path: Path, content: bytes, name: str = "model.gguf") -> ModelInfo:
    (tmp_path / name).write_bytes(content)
    (model,) = scan_folder(tmp_path, "test")
    return model


def test_a_valid_file_is_described_from_its_header(tmp_path: Path) -> None:
    model = scan_one(tmp_path, gguf_bytes({**LLAMA, "tokenizer.chat_template": "{{ messages }}"}))
    assert model.problem is None
    assert model.name == "model"
    assert model.size == (tmp_path / "model.gguf").stat().st_size
    expected = {
        "architecture": "llama",
        "parameters": 64 * 100 + 64 * 64 + 64,
        "quantization": "F32",
        "context_length": 256,
        "layers": 2,
        "hidden_size": 64,
        "vocab_size": 100,
        "chat_template": True,
        "file_format": "GGUF v3",
        "weight_bytes": (64 * 100 + 64 * 64 + 64) * 4,
        "kv_bytes_per_token": 2 * 2 * 16 * 2 * 2,
        "files": [str(tmp_path / "model.gguf")],
        "source": "test",
    }
    assert expected.items() <= model.config.items()


def test_version_two_is_read(tmp_path: Path) -> None:
    assert scan_one(tmp_path, gguf_bytes(version=2)).config["file_format"] == "GGUF v2"


def test_a_file_that_the_gguf_package_writes_is_read_the_same(tmp_path: Path) -> None:
    import numpy
    from gguf import GGUFReader, GGUFWriter

    path = tmp_path / "written.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_token_list([f"词{i}" for i in range(500)])
    writer.add_token_scores([0.0] * 500)
    writer.add_tensor("a.weight", numpy.zeros((5, 64), dtype=numpy.float16))
    writer.add_tensor("b.weight", numpy.zeros((3, 7), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header, reference = read_gguf_header(path), GGUFReader(path)
    assert [(t.name, list(t.shape)) for t in header.tensors] == [(t.name, t.shape.tolist()) for t in reference.tensors]
    assert [header.data_offset + t.offset for t in header.tensors] == [t.data_offset for t in reference.tensors]
    assert header.array_lengths["tokenizer.ggml.tokens"] == 500
    assert header.metadata["llama.block_count"] == 3


def test_the_declared_file_type_names_the_quantization_only_if_such_tensors_are_there(tmp_path: Path) -> None:
    q8 = [("token_embd.weight", (64, 100), Q8_0), ("output_norm.weight", (64,), 0)]
    assert scan_one(tmp_path, gguf_bytes({**LLAMA, "general.file_type": 7}, q8)).config["quantization"] == "Q8_0"
    assert scan_one(tmp_path, gguf_bytes({**LLAMA, "general.file_type": 1}, q8)).config["quantization"] == "Q8_0"
    mixed = [("token_embd.weight", (256, 100), 12), ("output_norm.weight", (256,), F16)]
    assert scan_one(tmp_path, gguf_bytes({**LLAMA, "general.file_type": 15}, mixed)).config["quantization"] == "Q4_K_M"


def test_heads_given_per_layer_count_layer_by_layer(tmp_path: Path) -> None:
    model = scan_one(tmp_path, gguf_bytes({**LLAMA, "llama.attention.head_count_kv": [2, 0]}))
    assert model.config["kv_bytes_per_token"] == 2 * 16 * 2 * 2


def test_recommended_sampling_is_taken_over_as_far_as_it_is_valid(tmp_path: Path) -> None:
    sampling = {"general.sampling.temp": 0.5, "general.sampling.top_k": 20, "general.sampling.top_p": 7.5}
    assert scan_one(tmp_path, gguf_bytes({**LLAMA, **sampling})).config["generation"] == {
        "temperature": 0.5,
        "top_k": 20,
    }


@pytest.mark.parametrize(
    ("changes", "tensors", "says"),
    [
        ({}, (), "vocabulary only"),
        ({"general.type": "adapter"}, TENSORS, "LoRA adapter"),
        ({"general.type": "mmproj"}, TENSORS, "vision part"),
        ({"general.architecture": "clip"}, TENSORS, "vision part"),
        ({"general.architecture": "bert"}, TENSORS, "embedding model"),
        ({"general.architecture": "t5"}, TENSORS, "encoder-decoder"),
        ({"general.architecture": 7}, TENSORS, "does not name its architecture"),
        ({"llama.block_count": "many"}, TENSORS, "'llama.block_count'"),
        ({"tokenizer.ggml.model": "no_vocab"}, TENSORS, "no tokenizer"),
        ({"general.alignment": 3}, TENSORS, "general.alignment"),
        ({}, [("a", (64,), 99)], "unknown type 99"),
        ({}, [("a", (33, 2), Q8_0)], "rows of 33"),
        ({}, [("a", (64,), 0), ("a", (64,), 0)], "twice"),
    ],
)
def test_what_cannot_run_is_listed_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], tensors: Any, says: str
) -> None:
    model = scan_one(tmp_path, gguf_bytes({**LLAMA, **changes}, tensors))
    assert not model.is_loadable
    assert says in (model.problem or "")


def with_shape(*shape: int) -> bytes:
    """A file whose only tensor claims another shape than it has."""
    return gguf_bytes(LLAMA, [("a", (64, 64), 0)]).replace(struct.pack("<QQ", 64, 64), struct.pack("<QQ", *shape))


def test_a_shape_that_overflows_is_refused(tmp_path: Path) -> None:
    assert "impossible shape" in (scan_one(tmp_path, with_shape(2**40, 2**40)).problem or "")


def test_files_that_are_no_gguf_say_so(tmp_path: Path) -> None:
    whole = gguf_bytes()
    assert "empty" in (scan_one(tmp_path, b"").problem or "")
    assert "not a GGUF file" in (scan_one(tmp_path, b"<html>not found</html>").problem or "")
    assert "cut off within its header" in (scan_one(tmp_path, whole[:200]).problem or "")
    assert "big-endian" in (scan_one(tmp_path, gguf_bytes(order=">")).problem or "")
    assert "version 1 " in (scan_one(tmp_path, gguf_bytes(version=1)).problem or "")


def test_missing_weights_are_counted_to_the_byte_and_the_rest_is_still_described(tmp_path: Path) -> None:
    whole = gguf_bytes()
    model = scan_one(tmp_path, whole[:-1000])
    assert f"1,000 of {len(whole):,} bytes are missing" in (model.problem or "")
    assert model.config["architecture"] == "llama"


def test_metadata_keys_must_be_unique(tmp_path: Path) -> None:
    doubled = gguf_bytes({**LLAMA, "general.nome": "x"}).replace(b"general.nome", b"general.name")
    assert "appears twice" in (scan_one(tmp_path, doubled).problem or "")


@pytest.mark.parametrize("n", [2**60, 2**40, 10**6])
def test_declared_counts_beyond_the_file_are_refused_at_once(tmp_path: Path, n: int) -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, n, 1)
    assert "more than its" in (scan_one(tmp_path, head + bytes(100)).problem or "")
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, n)
    assert "more than the file holds" in (scan_one(tmp_path, head + bytes(100)).problem or "")


def test_the_parts_of_a_split_model_are_one_model(tmp_path: Path) -> None:
    for i in (1, 2):
        metadata = {**LLAMA, "split.count": 2, "split.no": i - 1} if i == 1 else {"split.count": 2, "split.no": 1}
        (tmp_path / f"big-Q4-{i:05d}-of-00002.gguf").write_bytes(gguf_bytes(metadata, [(f"t{i}", (64, 10), 0)]))
    (model,) = scan_folder(tmp_path, "test")
    assert (model.name, model.problem) == ("big-Q4", None)
    assert model.path.endswith("big-Q4-00001-of-00002.gguf")
    assert model.config["parameters"] == 2 * 640
    assert len(model.config["files"]) == 2


def test_links_to_one_part_do_not_make_a_model_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_MODEL_TENSORS", 10)
    first = tmp_path / "big-00001-of-00020.gguf"
    first.write_bytes(gguf_bytes(LLAMA, [(f"t{i}", (64, 10), 0) for i in range(4)]))
    for i in range(2, 21):
        (tmp_path / f"big-{i:05d}-of-00020.gguf").symlink_to(first)
    (model,) = scan_folder(tmp_path, "test")
    assert "more than 10 tensors together" in (model.problem or "")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    model = scan_one(tmp_path, gguf_bytes({**LLAMA, "split.count": 3}), "big-00001-of-00003.gguf")
    assert "2 of 3 parts missing: big-00002-of-00003.gguf, big-00003-of-00003.gguf" in (model.problem or "")
    assert model.name == "big"


def test_a_renamed_part_is_recognised_and_absurd_counts_are_refused(tmp_path: Path) -> None:
    assert "one of 3 parts" in (scan_one(tmp_path, gguf_bytes({**LLAMA, "split.count": 3})).problem or "")
    (tmp_path / "model.gguf").unlink()
    assert "99999 parts" in (scan_one(tmp_path, gguf_bytes(), "big-00001-of-99999.gguf").problem or "")


def test_a_vocabulary_of_150000_words_is_stepped_over_without_keeping_it(tmp_path: Path) -> None:
    words = [f"word{i}" for i in range(150_000)]
    path = tmp_path / "large.gguf"
    path.write_bytes(gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": words, "tokenizer.ggml.scores": [0.0] * 150_000}))
    header = read_gguf_header(path)
    assert header.array_lengths["tokenizer.ggml.tokens"] == 150_000
    assert header.array_lengths["tokenizer.ggml.scores"] == 150_000
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_only_the_header_is_read_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    content = with_shape(2**20, 2**11)
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + 2**33)
    (model,) = scan_folder(tmp_path, "test")
    assert model.problem is None
    assert model.config["weight_bytes"] == 2**33


def test_a_directory_that_is_named_like_a_file_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "odd.gguf").mkdir()
    (tmp_path / "odd.gguf" / "inner.gguf").write_bytes(gguf_bytes())
    (model,) = scan_folder(tmp_path, "test")
    assert model.name == "inner"


def test_a_header_error_is_one_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="cannot be read"):
        read_gguf_header(tmp_path / "absent.gguf")


@pytest.mark.parametrize("architecture", ["llama", "bert", "qwen2"])
def test_a_vocabulary_without_weights_is_listed_as_such(tmp_path: Path, architecture: str) -> None:
    tiny_gguf.write_vocabulary(tmp_path / "words.gguf", architecture)
    (model,) = scan_folder(tmp_path, "test")
    found = (model.name, model.config["architecture"], model.config["vocab_size"])
    assert found == ("words", architecture, tiny_gguf.VOCABULARY_SIZE)
    assert "vocabulary only" in (model.problem or "")


def test_a_model_that_another_program_wrote_is_described_and_found_whole(tmp_path: Path) -> None:
    tiny_gguf.write_random(tmp_path / "tiny.gguf", chat_template=None, n_ctx_train=128)
    (model,) = scan_folder(tmp_path, "test")
    assert model.problem is None
    found = (model.config["layers"], model.config["context_length"], model.config["vocab_size"])
    assert found == (tiny_gguf.LAYERS, 128, tiny_gguf.VOCABULARY_SIZE)
    assert model.config["chat_template"] is False


def test_files_without_data_say_what_is_missing(tmp_path: Path) -> None:
    named_only = {"general.architecture": "llama"}
    (tmp_path / "empty.gguf").write_bytes(gguf_bytes(named_only, ()))
    (tmp_path / "cut.gguf").write_bytes(gguf_bytes(named_only, (("w", (64, 128), F32),))[: -64 * 128 * 4])
    # Seven bytes of the last tensor lie behind the end of the file.
    (tmp_path / "cut.safetensors").write_bytes(safetensors_bytes({"w": ("F32", (64, 128))})[:-7])
    found = {Path(m.path).name: m.problem or "" for m in scan_folder(tmp_path, "test")}
    assert "no tensors" in found["empty.gguf"]
    assert "bytes are missing" in found["cut.gguf"]
    assert "7 of 32768 bytes are missing" in found["cut.safetensors"]


# Only where the real files are.
if VOCABULARIES := real("gguf_vocab_only"):

    def test_vocabularies_that_others_made_are_listed_as_such() -> None:
        models = scan_folder(VOCABULARIES[0], "test")
        assert {(m.name, m.config["architecture"], m.config["vocab_size"]) for m in models} == {
            ("ggml-vocab-bert-bge", "bert", 30522),
            ("ggml-vocab-deepseek-coder", "llama", 32256),
            ("ggml-vocab-phi-3", "phi3", 32064),
        }
        assert all("vocabulary only" in (m.problem or "") for m in models)
