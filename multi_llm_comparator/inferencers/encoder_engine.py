"""A PyTorch encoder (BERT and its kin): it makes vectors of texts and writes none."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

from multi_llm_comparator.inferencers import pytorch_environment as environment

# isort: split
import torch
from transformers import AutoModel, AutoTokenizer

from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.embedder import Embedder
from multi_llm_comparator.inferencers.pytorch_embedding import Pooling, PyTorchEmbedding
from multi_llm_comparator.inferencers.pytorch_errors import as_load_error

EMBEDS_ONLY = "it is an encoder: it makes embeddings (/v1/embeddings) and writes no text"
# Where sentence-transformers keeps how states become one vector.
POOLING_FILE = "1_Pooling/config.json"
_MAX_JSON_BYTES = 1 << 20


class EncoderEngine(Engine):
    """One checkpoint directory with safetensors weights in this process, in float32.

    Raises:
        ModelLoadError: it cannot be loaded, or its pooling is none that is known here.
    """

    def __init__(self, path: str, options: LoadOptions) -> None:
        self._options = options
        self._pooling = pooling_of(Path(path))
        environment.limit_threads(1)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            self._model = AutoModel.from_pretrained(
                path, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            ).eval()
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as exc:
            raise as_load_error(exc, path) from exc
        config = self._model.config
        # RoBERTa and its kin number positions from behind the padding's.
        used = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
        self._n_ctx = int(getattr(config, "max_position_embeddings", 512)) - used
        self._weights_bytes = sum(weight.nbytes for weight in self._model.parameters())
        self._events: list[Event] = []
        self.set_threads(None)

    @property
    def info(self) -> dict[str, Any]:
        return {
            "model_type": "pytorch",
            "architecture": type(self._model).__name__,
            "device": "cpu",
            "dtype": "float32",
            "vocab_size": self._model.config.vocab_size,
            "model_size": sum(weight.numel() for weight in self._model.parameters()),
            "n_ctx": self._n_ctx,
            "n_threads": self._n_threads,
            "chat_template": False,
            "notes": [],
        }

    @property
    def is_busy(self) -> bool:
        return bool(self._events)

    def submit(self, request: GenerationRequest) -> None:
        failed = Failed(request_id=request.id, error_type=UnsupportedModelError.__name__, message=EMBEDS_ONLY)
        self._events.append(failed)

    def cancel(self, request_id: str) -> None:
        """Nothing is written that could be ended."""

    def set_slots(self, n_slots: int) -> None:
        """Texts are read in batches by their lengths: there are no places to be kept."""

    def step(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def set_threads(self, n_threads: int | None) -> None:
        self._n_threads = environment.limit_threads(self._options.threads(self._weights_bytes, n_threads))

    def open_embedder(self) -> Embedder:
        tokenizer = self._tokenizer
        return Embedder(
            PyTorchEmbedding(
                self._model,
                torch.device("cpu"),
                tokens_of=lambda text: list(tokenizer.encode(text, split_special_tokens=True)),
                text_of=lambda tokens: str(tokenizer.decode(tokens, skip_special_tokens=True)),
                n_ctx=self._n_ctx,
                pooling=self._pooling,
            )
        )

    def close(self) -> None:
        del self._model, self._tokenizer
        gc.collect()


def pooling_of(folder: Path) -> Pooling:
    """How the states of a text become its vector: as its makers say, or else as their mean.

    Raises:
        ModelLoadError: in a way that is not known here.
    """
    path = folder / POOLING_FILE
    if not path.is_file():
        return "mean"
    try:
        told = json.loads(read_bytes(path, _MAX_JSON_BYTES))
    except (OSError, ValueError) as exc:
        raise ModelLoadError(f"{str(path)!r} is not readable: {exc}") from exc
    modes = {name.removeprefix("pooling_mode_") for name, on in told.items() if name.startswith("pooling_mode_") and on}
    known: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls"}
    if len(modes) != 1 or not modes <= known.keys():
        raise ModelLoadError(f"{str(path)!r} asks for the pooling {sorted(modes)}; known are {', '.join(known)}")
    return known[modes.pop()]
