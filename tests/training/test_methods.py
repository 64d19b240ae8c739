"""DPO and QLoRA, for real on small models, and what they refuse."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DocumentError, UnsupportedModelError
from multi_llm_comparator.inferencers.pytorch_inferencer import PyTorchInferencer
from multi_llm_comparator.training import base_model
from tests.training.tunings import PAIRS, Told, tune


def preferences(folder: Path, rows: int = 16) -> Path:
    path = folder / "preferences.json"
    pairs = [{"prompt": f"What colour is box {n}?", "chosen": "blue", "rejected": "red"} for n in range(rows)]
    path.write_text(json.dumps(pairs), encoding="utf-8")
    return path


def test_of_two_answers_the_better_one_becomes_more_likely(tmp_path: Path) -> None:
    told = Told()
    data = preferences(tmp_path)
    changes: dict[str, Any] = {"method": "dpo", "epochs": 6, "learning_rate": 2e-3, "validation_share": 0.2}
    result = tune(data, tmp_path / "tuned", told, **changes)
    losses = [loss for _, loss in told.curve("loss")]
    # Before anything is learnt both are as likely as they were: the loss is that of a coin.
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert losses[-1] < 0.3 and (told.curve("validation_loss")[-1][1] < 0.3)
    assert result.start.kept_aside == 3


def test_pairs_and_chats_are_not_taken_for_each_other(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"pairs of answers; they are for the method 'dpo', not 'lora'"):
        tune(preferences(tmp_path), tmp_path / "tuned")
    (tmp_path / "chats.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"chats; they are for the method 'lora', not 'dpo'"):
        tune(tmp_path / "chats.json", tmp_path / "tuned", method="dpo")


def test_a_base_in_4_bits_learns_and_is_merged_in_full(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    result = tune(tmp_path / "pairs.json", tmp_path / "tuned", method="qlora", epochs=20, learning_rate=5e-3)
    assert result.last_loss is not None and result.last_loss < 0.2
    assert "quantization_config" not in json.loads((tmp_path / "tuned" / "config.json").read_text(encoding="utf-8"))
    inferencer = PyTorchInferencer()
    inferencer.load_model(str(tmp_path / "tuned"), {"temperature": 0, "max_tokens": 8})
    assert "".join(inferencer.generate_stream("What colour is box 3?")) == "blue"


def test_where_4_bits_cannot_be_had_it_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedModelError, match=r"cannot be tuned by 'qlora': the package bitsandbytes is not"):
        tune(tmp_path / "pairs.json", tmp_path / "tuned", method="qlora")


def test_layers_that_do_not_divide_into_blocks_are_refused() -> None:
    why = base_model.why_no_qlora({"hidden_size": 100, "intermediate_size": 256})
    assert why is not None and "blocks of 64" in why
    assert base_model.why_no_qlora({"hidden_size": 576, "intermediate_size": 1536}) is None
