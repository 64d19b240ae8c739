"""What the attacks start from: good models, runs, presets and plans of a few kilobytes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

from tests.applications.documents import docx, pdf, xlsx
from tests.applications.working import REPORT
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
PROMPTS = {
    "sums.csv": "prompt,expected,compare,tags\nWhat is 2 + 2?,4,numeric,easy\nWhat is 17 * 23?,391,contains,hard\n",
    "sums.jsonl": '{"prompt": "What is 2?", "expected": "4"}\n{"prompt": "And {{it}}?", "variables": {"it": "5"}}\n',
    "sums.json": '[{"prompt": "What is 2?", "expected": "4", "compare": "regex", "tags": ["a"]}, {"prompt": "Why?"}]',
}


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
    (folder / "bundle.zip").write_bytes(_bundle(RUN.read_bytes()))
    (folder / "documents").mkdir()
    for name, data in _documents().items():
        (folder / "documents" / name).write_bytes(data)
    (folder / "prompts").mkdir()
    for name, text in PROMPTS.items():
        (folder / "prompts" / name).write_text(text, encoding="utf-8")
    return folder


def _documents() -> dict[str, bytes]:
    """A document of each format that services read."""
    sales: list[list[object]] = [["month", "sales"], *([f"2025-{n:02}", 100 + 7 * n] for n in range(1, 13))]
    choice = "Option A: Train\n- Cost: 40 dollars\n- Advantages: safe, fast\nOption B: Car\n- Cost: $50\nBudget: $60"
    return {
        "report.txt": f"{REPORT}\n{choice}".encode(),
        "report.docx": docx([(line, "Normal") for line in REPORT.splitlines()], [["a", "1"], ["b", "2"]]),
        "report.pdf": pdf([REPORT, choice]),
        "sales.xlsx": xlsx({"Sales": sales}),
        "sales.csv": "\n".join(f"{month},{value}" for month, value in sales).encode(),
        "page.html": f"<html><body><h1>Report</h1><p>{REPORT}</p><table><tr><td>1</td></tr></table>".encode(),
    }


def _bundle(run: bytes) -> bytes:
    """The run as others would send it."""
    written = io.BytesIO()
    manifest = {
        "format": "multi-llm-comparator bundle",
        "version": 1,
        "kind": "comparison",
        "run_id": "abc",
        "title": "A run",
        "exported_at": 1.0,
        "models": [{"target": "a", "name": "a", "fingerprint": "sha256:1", "size_bytes": 5, "seeds": [1, 2]}],
        "prompts": ["What is it?"],
        "versions": {"torch": "2"},
        "files": {"run.json": hashlib.sha256(run).hexdigest()},
    }
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("run.json", run)
    return written.getvalue()
