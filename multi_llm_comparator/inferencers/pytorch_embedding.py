"""Vectors of texts by a PyTorch model: its last hidden states, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.inferencers.embedder import Vectors, checked_ids
from multi_llm_comparator.inferencers.prefill_chunk import tokens_per_step
from multi_llm_comparator.inferencers.pytorch_errors import as_inference_error

MAX_ROWS = 64
MAX_STEP_TOKENS = 4096
Pooling = Literal["mean", "cls"]


class PyTorchEmbedding:
    """The :class:`~inferencers.embedder.EmbedBackend` of a checkpoint that an engine holds.

    Hidden states are those of the last layer, after its norm; of a text as the mean over its tokens (marks included) or
    as that of its first one. They are added up in float32, whatever the model computes in.

    Args:
        model: without what makes logits of states.
        tokens_of: tokens of a text, with the model's marks.
        text_of: the text of tokens.
    """

    max_rows = MAX_ROWS

    def __init__(
        self,
        model: Any,
        device: torch.device,
        *,
        tokens_of: Callable[[str], list[int]],
        text_of: Callable[[list[int]], str],
        n_ctx: int,
        pooling: Pooling = "mean",
    ) -> None:
        self._model, self._device, self._pooling = model, device, pooling
        self._tokens_of, self._text_of = tokens_of, text_of
        self.n_ctx = n_ctx
        self._n_vocab = int(model.get_input_embeddings().weight.shape[0])
        parameters = sum(weight.numel() for weight in model.parameters())
        self.step_tokens = tokens_per_step(parameters, MAX_STEP_TOKENS) if device.type == "cpu" else MAX_STEP_TOKENS
        self.how = f"{'mean of the' if pooling == 'mean' else 'first of the'} last hidden states, of length 1"

    def tokens_of(self, text: str) -> list[int]:
        return self._tokens_of(text)

    def text_of(self, tokens: list[int]) -> str:
        checked_ids([tokens], self._n_vocab)
        return self._text_of(tokens)

    @torch.inference_mode()
    def embed(self, rows: Sequence[Sequence[int]]) -> Vectors:
        checked_ids(rows, self._n_vocab)
        width = max(map(len, rows))
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        if self._pooling == "cls":
            return np.asarray(states[:, 0].cpu())
        seen = mask[:, :, None].to(states.dtype)
        return np.asarray(((states * seen).sum(dim=1) / seen.sum(dim=1)).cpu())

    def as_error(self, exc: Exception) -> MultiLLMError:
        return exc if isinstance(exc, MultiLLMError) else as_inference_error(exc)

    def close(self) -> None:
        # It holds the model.
        self.__dict__.pop("_model", None)
