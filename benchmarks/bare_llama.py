"""llama.cpp through its low-level API and nothing else: what other ways of running a GGUF file are measured against."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import llama_cpp
import numpy as np
from numpy.typing import NDArray


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _no_log(level: int, text: bytes, user_data: ctypes.c_void_p) -> None:
    """llama.cpp writes a page of log for every context."""


llama_cpp.llama_log_set(_no_log, ctypes.c_void_p(0))


def may_repack() -> bool:
    """Whether weights can be laid out for the CPU's vector units here: builds that use AMX crash on such weights."""
    return b"AMX" not in llama_cpp.llama_print_system_info()


class BareLlama:
    """One model, one context, one sequence, greedy. ``n_ctx`` in tokens; the prompt must fit into one batch of it.

    ``exact`` computes attention in 32 bits instead of 16, for comparing logits. ``repack`` lets llama.cpp lay the
    weights out for the CPU's vector units, which ends in a crash where it uses AMX: only for CPUs without.
    """

    def __init__(
        self, path: Path, *, n_ctx: int = 512, n_threads: int = 1, exact: bool = False, repack: bool = False
    ) -> None:
        model_params = llama_cpp.llama_model_default_params()
        model_params.use_extra_bufts = repack
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), model_params)
        if not self._model:
            raise SystemExit(f"llama.cpp does not load {str(path)!r}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = n_ctx, n_ctx, min(n_ctx, 512)
        params.n_threads = params.n_threads_batch = n_threads
        if exact:
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._batch = llama_cpp.llama_batch_init(n_ctx, 0, 1)

    def __enter__(self) -> BareLlama:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def tokenize(self, text: str, *, add_special: bool = False) -> list[int]:
        """Token ids; special tokens in the text are recognised."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), room, len(room), add_special, True)
        return list(room[:count])

    def ends(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each of ``tokens``, shape (len(tokens), vocab_size), from an empty context."""
        self.clear()
        self._decode(tokens, 0, all_logits=True)
        flat = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(flat, shape=(len(tokens), self.vocab_size)).copy()

    def greedy(self, prompt: Sequence[int], count: int, *, stop_at_end: bool = True) -> tuple[list[int], list[float]]:
        """Generate at most ``count`` tokens; returns them and the moment each was known (``time.perf_counter``)."""
        self.clear()
        sampler = llama_cpp.llama_sampler_init_greedy()
        tokens: list[int] = []
        times: list[float] = []
        self._decode(prompt, 0)
        while True:
            token = llama_cpp.llama_sampler_sample(sampler, self._context, -1)
            if stop_at_end and self.ends(token):
                break
            tokens.append(token)
            times.append(time.perf_counter())
            if len(tokens) >= count:
                break
            self._decode([token], len(prompt) + len(tokens) - 1)
        llama_cpp.llama_sampler_free(sampler)
        return tokens, times

    def clear(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)

    def _decode(self, tokens: Sequence[int], position: int, *, all_logits: bool = False) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, position + place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            batch.logits[place] = all_logits or place == len(tokens) - 1
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            raise SystemExit(f"llama_decode returned {status} at position {position}")
