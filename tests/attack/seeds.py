"""What the attacks start from: good models, runs, presets and plans of a few kilobytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.material import real
from tests.support.model_files import gguf_bytes
from tests.support.tiny_checkpoint import make_checkpoint
from tests.support.tiny_gguf import write_random

MAX_SEED_BYTES = 8 << 20
PLAN = """<think>Two sums, then a product.</think>
<Plan>
  <Step ID="1" Task="What is 23 + 48?" Difficulty="2" Token="50" Rely=""/>
  <Step ID="2" Task="What is 17 - 9?" Difficulty="2" Token="50" Rely=""/>
  <Step ID="3" Task="Multiply the two results" Difficulty="6" Token="80" Rely="1,2"/>
</Plan>
"""
PRESETS = {
    "format": "multi-llm-comparator presets",
    "presets": [
        {
            "name": "Careful",
            "note": "",
            "parameters": {"temperature": 0.2, "max_tokens": 256, "stop": ["\n\n"], "seed": 7},
        }
    ],
}
RUN = Path(__file__).parent / "run.json"


def write_seeds(folder: Path) -> Path:
    """Put everything into ``folder`` and return it; other people's model files too, where a machine has them."""
    models = folder / "models"
    models.mkdir(parents=True)
    (models / "header.gguf").write_bytes(gguf_bytes())
    write_random(models / "tiny.gguf")
    for architecture in ("llama", "qwen2", "gpt2"):
        make_checkpoint(models / architecture, architecture)
    for found in real("tiny_fixtures_weight_inspect"):
        for path in found.iterdir():
            if path.is_file() and path.suffix in (".gguf", ".safetensors") and path.stat().st_size < MAX_SEED_BYTES:
                shutil.copy(path, models / path.name)
    (folder / "plan.xml").write_text(PLAN, encoding="utf-8")
    (folder / "presets.json").write_text(json.dumps(PRESETS), encoding="utf-8")
    shutil.copy(RUN, folder / "run.json")
    return folder
