"""Whether a text is what a tiny random model says, allowing for sums in another order."""

from __future__ import annotations

import llama_cpp
import numpy as np

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.chat import PromptPart
from multi_llm_comparator.inferencers.gguf_batch import Batch
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from tests.support import tiny_gguf

# Logits spread over several units. A batch of another size, with 16-bit keys and values, moves them by a few
# hundredths, so a near tie may be decided either way; after a wrong context they have little in common.
TOLERANCE = 0.3


class GreedyJudge:
    """Reads a prompt and an answer, token by token, in a context of its own."""

    def __init__(self, path: str) -> None:
        self._runtime = LlamaRuntime(path, LoadOptions(n_ctx=512, n_threads=1, parallel=1))
        self._vocabulary = Vocabulary(self._runtime.vocab)
        self._batch = Batch(1)

    def accepts(self, prompt: str, answer: str) -> bool:
        """Whether each token of ``answer`` is the likeliest after all before it, or as good as."""
        llama_cpp.llama_memory_clear(self._runtime.memory, True)
        tokens = self._vocabulary.tokenize([PromptPart(prompt, is_template=False)])
        logits = np.zeros(0)
        for position, token in enumerate(tokens):
            logits = self._read(token, position)
        for position, letter in enumerate(answer, start=len(tokens)):
            token = tiny_gguf.word(letter)
            if logits.max() - logits[token] > TOLERANCE:
                return False
            logits = self._read(token, position)
        return True

    def close(self) -> None:
        self._runtime.close()

    def _read(self, token: int, position: int) -> np.ndarray:
        self._batch.clear()
        row = self._batch.add_run([token], position, 0, last_wants_logits=True)
        self._batch.struct.n_tokens = 1
        assert llama_cpp.llama_decode(self._runtime.context, self._batch.struct) == 0
        logits = llama_cpp.llama_get_logits_ith(self._runtime.context, row)
        return np.ctypeslib.as_array(logits, shape=(self._vocabulary.size,)).copy()
