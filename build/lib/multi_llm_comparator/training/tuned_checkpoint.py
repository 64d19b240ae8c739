"""A tuned model as a checkpoint directory: it appears whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import AutoConfig, GenerationConfig

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.inferencers.pytorch_load import TOKENIZER_FILES

NOTES_FILE = "tuning.json"
# Kept byte for byte: what transformers would write anew is not always what it read, nor is a model's configuration
# what it was before it was trained.
_COMPANIONS = (
    *TOKENIZER_FILES,
    "config.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "LICENSE*",
)


def write_checkpoint(model: Any, base: Path, output: Path, scratch: Path, notes: dict[str, Any]) -> None:
    """Write ``model`` to ``output`` with the tokenizer, template, number type and licence of the model in ``base``.

    Args:
        model: a transformers model.
        scratch: a folder on the same disk that may be written to.
        notes: how it came about, for ``tuning.json``.

    Raises:
        TrainingError: somebody else made ``output`` meanwhile.
    """
    folder = scratch / "merged"
    shutil.rmtree(folder, ignore_errors=True)
    dtype = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False).dtype
    # Its own is copied; one that contradicts itself, as some published ones do, would not be written at all.
    model.generation_config = GenerationConfig()
    model.to(dtype or model.dtype).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for pattern in _COMPANIONS:
        for file in filter(Path.is_file, base.glob(pattern)):
            shutil.copyfile(file, folder / file.name)
    # A file's name may be no text.
    (folder / NOTES_FILE).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(base), encoding="utf-8")
    if output.exists():
        raise TrainingError(f"{str(output)!r} is there by now; move it away and give the same command again")
    folder.replace(output)


def _card(base: Path) -> str:
    """A model card; scans and exports read the licence from it."""
    licence = CheckpointFiles(base).licence
    front = f"---\nlicense: {licence}\n---\n" if licence else ""
    return f"{front}# Tuned from {base.name!a}\n\nBy LoRA, merged; `{NOTES_FILE}` says how.\n"
