from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.server.serving import opened
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.gateways import ask, text_of
from tests.support.tiny_gguf import chain, word, write_chain


async def test_who_comes_first_waits_for_the_models_to_be_known_and_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_chain(folder / "tiny.gguf", chain([word(said) for said in ("\n", "▁one", "▁two")]))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    async with opened() as served:
        await served.scanned()
        assert [model.name for model in served.models.get_available_models()] == ["tiny"]
        asked = GenerationRequest(messages=(Message("user", "hi"),))
        asked.config.temperature = 0
        assert text_of(await ask(served.gateway, "tiny", asked)) == " one two"


async def test_a_server_that_closes_during_its_first_scan_ends_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    async with opened() as served:
        models: ModelManager = served.models
    assert not models.is_scanning
    assert served.engine.loaded_models() == []
