"""Quantizing GGUF files anew, and rows that do not fill the blocks of a quantization."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf import GGUFReader

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.gguf_quantize import QUANTIZED, quantize_gguf, report_of
from multi_llm_comparator.conversion.provenance import converted_from, read_origin, source_fingerprint
from multi_llm_comparator.conversion.sizes import converted_size
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError, ModelLoadError
from tests.support.converted import logits_distance, tokens_agree
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "narrow"
    return write_checkpoint(folder, "llama", byte_level_tokenizer(QWEN2_SPLIT))


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    return export_gguf(checkpoint, checkpoint.parent / "narrow-F16.gguf", "F16")


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_narrow_rows_get_the_types_that_llama_cpp_falls_back_to(
    exported: Path, tmp_path: Path, quantization: str
) -> None:
    report = quantize_gguf(exported, tmp_path / "out.gguf", quantization)
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(report.out).tensors}
    assert report.tensor_types == {kind: list(kinds.values()).count(kind) for kind in kinds.values()}
    if quantization == "Q4_K_M":
        assert report.fallbacks["blk.0.attn_k.weight"] == kinds["blk.0.attn_k.weight"] == "Q5_0"
        assert report.fallbacks["output.weight"] == "Q8_0"
        assert "Q5_0" in report.fallbacks_text and "Q5_0" in report.types_text
    if quantization == "Q8_0":
        assert report.fallbacks == {}
    assert report.size_bytes == report.out.stat().st_size


def test_rows_that_fill_no_block_at_all_become_f16(tmp_path: Path) -> None:
    odd = write_checkpoint(
        tmp_path / "odd", "llama", byte_level_tokenizer(QWEN2_SPLIT), hidden_size=48, num_hidden_layers=1
    )
    report = report_of(export_gguf(odd, tmp_path / "odd.gguf", "Q4_K_M"), "Q4_K_M", 0.0)
    assert report.fallbacks["blk.0.attn_k.weight"] == "F16"
    assert logits_distance(odd, report.out) < 0.5


def test_an_export_of_narrow_rows_is_what_quantizing_it_afterwards_gives(
    checkpoint: Path, exported: Path, tmp_path: Path
) -> None:
    at_once = report_of(export_gguf(checkpoint, tmp_path / "at-once.gguf", "Q4_K_M"), "Q4_K_M", 0.0)
    afterwards = quantize_gguf(exported, tmp_path / "afterwards.gguf", "Q4_K_M")
    assert at_once.fallbacks == afterwards.fallbacks
    tokens_agree(checkpoint, afterwards.out, ("<|im_start|>",))


def test_quantized_files_are_quantized_again_and_say_so(exported: Path, tmp_path: Path) -> None:
    small = quantize_gguf(exported, tmp_path / "small.gguf", "Q4_1").out
    large = quantize_gguf(small, tmp_path / "large.gguf", "Q8_0").out
    assert {t.tensor_type.name for t in GGUFReader(large).tensors} == {"F32", "Q8_0"}
    assert converted_from(large) == source_fingerprint(small)
    origin = read_origin(large)
    assert origin is not None and (origin.name, origin.through) == ("small.gguf", "F32, F16, Q4_1")


def test_progress_rises_and_ends_at_one(exported: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    quantize_gguf(exported, tmp_path / "out.gguf", "Q8_0", progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares) and (shares[0], shares[-1]) == (0.0, 1.0)


def test_the_source_itself_is_not_written_over(exported: Path, tmp_path: Path) -> None:
    before = exported.read_bytes()
    with pytest.raises(ConversionError, match="is the model to convert"):
        quantize_gguf(exported, exported, "Q8_0")
    link = tmp_path / "link.gguf"
    link.symlink_to(exported)
    with pytest.raises(ConversionError, match="is the model to convert"):
        quantize_gguf(exported, link, "Q8_0")
    assert exported.read_bytes() == before


def test_what_cannot_be_done_is_said_and_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="Q4_K_M"):
        quantize_gguf(exported, tmp_path / "out.gguf", "Q3")
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(exported.read_bytes()[:-5000])
    with pytest.raises(ModelLoadError):
        quantize_gguf(bad, tmp_path / "out.gguf", "Q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.gguf"]


@pytest.mark.parametrize("target", [*QUANTIZED, "F16", "F32"])
def test_the_size_is_predicted_from_either_kind_of_source(
    checkpoint: Path, exported: Path, tmp_path: Path, target: str
) -> None:
    actual = export_gguf(checkpoint, tmp_path / "out.gguf", target).stat().st_size
    for source in (checkpoint, exported):
        # The allowance for a vocabulary is that of a real one, which outweighs a model this small.
        assert actual < converted_size(source, target) < actual + 4_100_000
