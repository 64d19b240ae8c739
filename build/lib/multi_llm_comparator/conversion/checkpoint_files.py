"""The files of a checkpoint directory, as transformers writes them: read with bounds, named in every error."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.reading import read_bytes, read_text

MAX_JSON_BYTES = 256 * 1024 * 1024
MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_SHARDS = 10_000
INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"


class CheckpointFiles:
    """Reads the small files of a checkpoint and knows which ones hold its weights.

    Args:
        folder: the checkpoint directory.

    Raises:
        ModelLoadError: ``folder`` is not a directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise ModelLoadError(f"{str(folder)!r} is not a checkpoint directory; give the one with config.json in it")

    def json(self, name: str) -> dict[str, Any]:
        """An optional JSON file; empty when absent.

        Raises:
            ModelLoadError: it is there but is not one JSON object, or is too large to be one.
        """
        path = self.folder / name
        if not path.is_file():
            return {}
        try:
            data = json.loads(read_bytes(path, MAX_JSON_BYTES))
        except (OSError, ValueError, RecursionError) as exc:
            raise ModelLoadError(f"{str(path)!r} is not readable as JSON: {exc}") from exc
        if not isinstance(data, dict):
            raise ModelLoadError(f"{str(path)!r} must hold one JSON object, not {type(data).__name__}")
        return data

    def text(self, name: str) -> str | None:
        """An optional text file, None when absent.

        Raises:
            ModelLoadError: it is too large or is not UTF-8.
        """
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            return read_text(path, MAX_TEXT_BYTES)
        except (OSError, UnicodeDecodeError) as exc:
            raise ModelLoadError(f"{str(path)!r} is not readable as text: {exc}") from exc

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.json``.

        Raises:
            ModelLoadError: there is none, or it is broken.
        """
        if not (self.folder / "config.json").is_file():
            raise ModelLoadError(f"{str(self.folder)!r} has no config.json, so it is not a transformers checkpoint")
        return self.json("config.json")

    @cached_property
    def generation_config(self) -> dict[str, Any]:
        return self.json("generation_config.json")

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        return self.json("tokenizer_config.json")

    @cached_property
    def tokenizer(self) -> dict[str, Any]:
        """``tokenizer.json``.

        Raises:
            ModelLoadError: there is none; a checkpoint with only ``tokenizer.model`` must be saved again first.
        """
        if not (self.folder / "tokenizer.json").is_file():
            raise ModelLoadError(
                f"{str(self.folder)!r} has no tokenizer.json; save its tokenizer again with transformers"
            )
        return self.json("tokenizer.json")

    @cached_property
    def licence(self) -> str | None:
        """The licence that the model card's front matter names."""
        card = self.text("README.md") or ""
        front = re.match(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", card, re.DOTALL)
        named = re.search(r"^license:[ \t]*([\w.+-]{1,64})[ \t]*$", front.group(1), re.MULTILINE) if front else None
        return named.group(1) if named else None

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files, each once.

        Raises:
            ModelLoadError: a shard is missing, or the index names something outside the directory.
            UnsupportedModelError: there are only weights of another format, or none.
        """
        if (self.folder / INDEX_NAME).is_file():
            return self._shards()
        if (self.folder / SINGLE_NAME).is_file():
            return (self.folder / SINGLE_NAME,)
        if (self.folder / "adapter_config.json").is_file():
            raise UnsupportedModelError(f"{str(self.folder)!r} is a LoRA adapter; merge it into its base model first")
        raise UnsupportedModelError(
            f"{str(self.folder)!r} has no {SINGLE_NAME} and no {INDEX_NAME}; save it again with save_pretrained"
        )

    def _shards(self) -> tuple[Path, ...]:
        placed = self.json(INDEX_NAME).get("weight_map")
        if not isinstance(placed, dict) or not placed:
            raise ModelLoadError(f"{INDEX_NAME!r} in {str(self.folder)!r} has no weight_map")
        names = sorted({str(name) for name in placed.values()})
        if len(names) > MAX_SHARDS:
            raise ModelLoadError(f"{INDEX_NAME!r} names {len(names)} files; at most {MAX_SHARDS} are read")
        for name in names:
            # The index comes with the download: a path in it must not lead out of the directory.
            if Path(name).name != name or name in ("", ".", ".."):
                raise ModelLoadError(f"{INDEX_NAME!r} names {name!r}, which is not a plain file name")
            if not (self.folder / name).is_file():
                raise ModelLoadError(f"shard {name!r} of {str(self.folder)!r} is missing; download it again")
        return tuple(self.folder / name for name in names)

    def fingerprint(self) -> str:
        """SHA-256 over every file that goes into a conversion, names and contents; 64 hexadecimal digits."""
        whole = hashlib.sha256()
        small = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
        more = ("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model")
        named = [self.folder / name for name in (*small, *more, "chat_template.jinja", "README.md")]
        for path in (*named, *self.weights):
            if path.is_file():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256")
                whole.update(path.name.encode() + b"\0" + digest.digest())
        return whole.hexdigest()
