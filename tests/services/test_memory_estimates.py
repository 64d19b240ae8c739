"""Estimates against what real model processes take after they have answered."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Finished
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.warm_python import warm_python

MODELS = Path(__file__).parents[2] / "models"
ALLOWED = 0.25
pytestmark = pytest.mark.cold

MAKE_200M = """
import sys, torch
from transformers import LlamaConfig, LlamaForCausalLM
torch.set_default_dtype(torch.bfloat16)
LlamaForCausalLM(LlamaConfig(vocab_size=int(sys.argv[2]), hidden_size=1024, num_hidden_layers=16,
    intermediate_size=2816, num_attention_heads=16, num_key_value_heads=8, max_position_embeddings=2048,
    tie_word_embeddings=False)).save_pretrained(sys.argv[1])
"""


def demo(name: str) -> Path:
    folder = MODELS / "pytorch" / name
    if not folder.is_dir():
        pytest.skip("the demo models have not been made here")
    return folder


@pytest.fixture(scope="module")
def checkpoint_200m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """About 190M random parameters in bfloat16, with a demo model's tokenizer."""
    source = demo("demo-small")
    (small,) = scan_folder(source, "test")
    folder = tmp_path_factory.mktemp("large") / "random-200m"
    subprocess.run([warm_python(), "-c", MAKE_200M, str(folder), str(small.config["vocab_size"])], check=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(source / name, folder)
    yield folder
    shutil.rmtree(folder)


async def relative_error(path: Path, **options: Any) -> float:
    (model,) = scan_folder(path.parent if path.is_file() else path, "test")
    assert model.problem is None
    wanted = LoadOptions(**options)
    manager = MemoryManager()
    estimate = manager.estimate(model, wanted)
    process = await ModelProcess.start()
    try:
        loaded = await process.load(model.name, model.model_type.value, model.path, wanted, timeout_s=600)
        request = GenerationRequest(
            messages=(Message("user", "What is 2 + 3? " * 20),), config=ModelConfig(max_tokens=8, temperature=0)
        )
        events = [event async for event in process.generate(request)]
        assert isinstance(events[-1], Finished)
        measured = manager.process_bytes(process.pid, loaded["info"]["device"])
    finally:
        await process.close()
    assert measured is not None
    return estimate.total_bytes / measured - 1


@pytest.mark.parametrize("name", ["demo-small", "demo-large"])
async def test_demo_checkpoints(name: str) -> None:
    assert abs(await relative_error(demo(name))) <= ALLOWED


@pytest.mark.parametrize("name", ["demo-small", "demo-large"])
@pytest.mark.parametrize("quantization", ["F16", "Q8_0", "Q4_0"])
async def test_demo_gguf_files(tmp_path: Path, name: str, quantization: str) -> None:
    path = export_gguf(demo(name), tmp_path / f"{name}-{quantization}.gguf", quantization)
    assert abs(await relative_error(path)) <= ALLOWED


@pytest.mark.nightly
async def test_a_checkpoint_of_200m_parameters(checkpoint_200m: Any) -> None:
    """Half a minute for both; that estimates hold is shown by the demo models of 1 to 4 million parameters."""
    assert abs(await relative_error(checkpoint_200m)) <= ALLOWED


@pytest.mark.nightly
async def test_a_gguf_file_of_200m_parameters_and_its_context(checkpoint_200m: Any, tmp_path: Path) -> None:
    path = export_gguf(checkpoint_200m, tmp_path / "large.gguf", "Q8_0")
    assert abs(await relative_error(path, n_ctx=1024, parallel=1)) <= ALLOWED
    assert abs(await relative_error(path, n_ctx=2048, parallel=4)) <= ALLOWED
