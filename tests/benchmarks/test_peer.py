"""The contestants that ours is measured against do what is asked of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.peer import Kind, Peer
from multi_llm_comparator.conversion.gguf_export import export_gguf
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint
from tests.support.warm_python import warm_python


@pytest.mark.parametrize("kind", ["llama", "generate"])
def test_a_peer_answers_again_and_again_with_exactly_the_wanted_length(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", warm_python())
    path = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(QWEN2_SPLIT))
    if kind == "llama":
        path = export_gguf(path, tmp_path / "model.gguf")
    with Peer(kind, path, threads=1) as peer:
        for tokens in (5, 9):
            run = peer.run("Tell me something.", tokens)
            assert run.tokens == tokens
            assert run.seconds > 0
            assert run.tokens_per_second > 0


def test_a_peer_that_cannot_load_ends_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with Peer("llama", tmp_path / "bad.gguf", threads=1) as peer, pytest.raises(SystemExit, match="ended early"):
        peer.run("hello", 3)
