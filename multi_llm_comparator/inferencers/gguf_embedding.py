"""Vectors of texts by a GGUF model, in a llama.cpp context of its own beside the one that answers are written in."""

from __future__ import annotations

from collections.abc import Sequence

import llama_cpp
import numpy as np

from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.inferencers.base import as_request_error
from multi_llm_comparator.inferencers.chat import PromptPart
from multi_llm_comparator.inferencers.embedder import Vectors, checked_ids
from multi_llm_comparator.inferencers.gguf_batch import Batch
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime, error_log
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary

MAX_ROWS = 32
# llama.cpp takes the mean over a text only where one call has all of it.
MAX_TOKENS = 2048


class GgufEmbedding:
    """The :class:`~inferencers.embedder.EmbedBackend` of a GGUF model: the mean of the last hidden states.

    Raises:
        ModelLoadError: there is no memory for its context.
    """

    max_rows = MAX_ROWS
    how = "mean of the last hidden states, of length 1"

    def __init__(self, runtime: LlamaRuntime, vocabulary: Vocabulary) -> None:
        self.n_ctx = self.step_tokens = min(runtime.n_ctx, MAX_TOKENS)
        self._vocabulary, self._width = vocabulary, int(llama_cpp.llama_model_n_embd(runtime.model))
        self._context = runtime.open_embedding(MAX_ROWS, self.n_ctx)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = Batch(self.n_ctx)

    def tokens_of(self, text: str) -> list[int]:
        return self._vocabulary.tokenize([PromptPart(text, is_template=False)])

    def text_of(self, tokens: list[int]) -> str:
        checked_ids([tokens], self._vocabulary.size)
        bos = self._vocabulary.bos
        pieces = [self._vocabulary.piece(token) or b"" for token in tokens if token != bos]
        return self._vocabulary.without_first_space(b"".join(pieces)).decode("utf-8", "replace")

    def embed(self, rows: Sequence[Sequence[int]]) -> Vectors:
        checked_ids(rows, self._vocabulary.size)
        batch = self._batch
        batch.clear()
        for sequence, row in enumerate(rows):
            last = batch.add_run(row, 0, sequence, last_wants_logits=True)
            batch.want_logits(range(last + 1 - len(row), last + 1))
        batch.struct.n_tokens = batch.rows
        if self._memory:
            llama_cpp.llama_memory_clear(self._memory, True)
        error_log.begin()
        if code := int(llama_cpp.llama_decode(self._context, batch.struct)):
            raise InferenceError(
                f"llama.cpp failed to embed (code {code}): {error_log.text or 'it gives no reason'}; "
                "shorten the texts, or load the model again"
            )
        found = np.empty((len(rows), self._width), dtype=np.float32)
        for sequence in range(len(rows)):
            pointer = llama_cpp.llama_get_embeddings_seq(self._context, sequence)
            if not pointer:
                raise InferenceError("llama.cpp gave no vector for a text; load the model again")
            found[sequence] = np.ctypeslib.as_array(pointer, shape=(self._width,))
        return found

    def as_error(self, exc: Exception) -> MultiLLMError:
        return as_request_error(exc)

    def close(self) -> None:
        if self._context:
            llama_cpp.llama_free(self._context)
        self._context = None
