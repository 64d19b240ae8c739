"""Exports are compared with the checkpoint that they were made from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from multi_llm_comparator.conversion.convert import convert
from multi_llm_comparator.core.exceptions import ModelNotFoundError
from multi_llm_comparator.evaluation.export_check import check_conversion, check_file, check_files, read_check
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.adapters import with_adapters
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.adapters import make_adapter
from tests.support.tiny_checkpoint import change_config, make_checkpoint


async def test_an_exported_adapter_predicts_what_its_base_with_it_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_HOME", str(tmp_path / "home"))
    base = make_checkpoint(tmp_path / "models" / "tiny")
    change_config(base, eos_token_id=2)
    # A text is read from a first mark on: this model's is the mark that ends an answer.
    told = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps({**told, "eos_token": "<|im_end|>"}))
    adapter = make_adapter(tmp_path / "models" / "style", base, seed=5)
    found = {model.name: model for model in with_adapters(scan_folder(tmp_path / "models", "test"))}
    out = convert(base, tmp_path / "out" / "tiny-style.gguf", "F32", adapter=adapter).out
    models = ModelManager(tmp_path / "models")
    models.available_models = [*found.values(), *scan_folder(out.parent, "test")]
    same = await check_conversion(models, base, adapter, out)
    assert (same.top1_agreement, same.reference) == (1.0, "tiny:style")
    assert same.mean_kl < 1e-4
    assert read_check(out) == same
    with pytest.raises(ModelNotFoundError, match="is not among the models any more"):
        await check_conversion(models, base, tmp_path / "gone", out)
    other = await check_files(found["tiny"], out)
    assert other.top1_agreement < 0.9 and other.mean_kl > 0.01
    assert "of" in other.sentence


def test_a_check_of_a_file_that_was_made_anew_counts_no_more(tmp_path: Path) -> None:
    gguf = tmp_path / "it.gguf"
    gguf.write_bytes(b"x")
    check_file(gguf).write_text(
        '{"reference": "tiny", "top1_agreement": 1, "mean_kl": 0.1, "tokens": 9, "texts": 2, "checked_at": 5}'
    )
    found = read_check(gguf)
    assert found is not None and found.tokens == 9
    later = check_file(gguf).stat().st_mtime + 10
    os.utime(gguf, (later, later))
    assert read_check(gguf) is None
    os.utime(gguf, (later - 20, later - 20))
    check_file(gguf).write_text('{"reference": []}')
    assert read_check(gguf) is None
