"""llama.cpp's model and context as one object: loading, settings, errors, freeing.

Uses llama-cpp-python's low-level API: only that has several sequences in one context and the model parameters that
keep quantized weights from crashing on CPUs with AMX.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections import deque
from pathlib import Path
from typing import Any

import llama_cpp

from multi_llm_comparator.core.exceptions import ModelLoadError, UnsupportedModelError
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.core.settings import MAX_SLOTS
from multi_llm_comparator.inferencers.base import MAX_SCORES_BYTES, LoadOptions
from multi_llm_comparator.inferencers.prefill_chunk import tokens_per_step

N_BATCH = 512
SAFE_N_BATCH = 64
# The fewest tokens that a call of llama.cpp is worth.
MIN_UBATCH = 64
_LOG_WARNING, _LOG_ERROR, _LOG_CONTINUED = 3, 4, 5
# What llama.cpp says of a file that it reads well and cannot run.
_UNSUPPORTED = {
    "not found": "it does not hold the weights that its architecture needs (a vocabulary-only file?)",
    "missing tensor": "it does not hold the weights that its architecture needs (a vocabulary-only file?)",
    "unknown model architecture": "this build of llama.cpp does not know its architecture",
    "key not found in model": "its header lacks what is needed to run it",
}


def tokens_a_call(heads: int, cells: int) -> int:
    """How many tokens can attend to ``cells`` of a cache at once: each head's score of each cell is held in float32."""
    return MAX_SCORES_BYTES // (4 * max(1, heads) * max(1, cells))


class _ErrorLog:
    """The last error lines of llama.cpp, which else would fill the terminal; its reasons are nowhere but there.

    ``report`` is its last line on how many layers went to the GPU, which is nowhere else either.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=8)
        self.report = ""
        self.callback = llama_cpp.llama_log_callback(self._take)  # kept: llama.cpp holds only its address

    def begin(self) -> None:
        """Listen from here on. llama.cpp has one listener for the process, and others may have taken the place."""
        llama_cpp.llama_log_set(self.callback, ctypes.c_void_p())
        self._lines.clear()
        self.report = ""

    @property
    def text(self) -> str:
        return "; ".join(self._lines)

    def _take(self, level: int, text: bytes, _user_data: object) -> None:
        if level == _LOG_ERROR and text.strip():
            self._lines.append(text.decode("utf-8", "replace").strip()[:500])
        elif b"layers to GPU" in text:
            self.report = text.decode("utf-8", "replace").strip()[:500]


error_log = _ErrorLog()
error_log.begin()
llama_cpp.llama_backend_init()


class LlamaRuntime:
    """A loaded GGUF model with one context for ``options.parallel`` sequences.

    Raises:
        UnsupportedModelError: the file is whole but cannot be run to generate text.
        ModelLoadError: anything else that keeps it from loading, with llama.cpp's reason.
    """

    def __init__(self, path: str, options: LoadOptions) -> None:
        self.path = path
        self._options = options
        self.n_ctx = options.n_ctx
        self.on_gpu = options.use_gpu and not options.safe and bool(llama_cpp.llama_supports_gpu_offload())
        self.model: Any = None
        self.context: Any = None
        self.load_report = ""
        _check_file(path)
        try:
            self.model = self._open_model(options)
            self.vocab = llama_cpp.llama_model_get_vocab(self.model)
            self.context = self._open_shared()
            self.memory = llama_cpp.llama_get_memory(self.context)
            # llama.cpp lowers it for a small context, and ends the process when given more.
            self.n_batch = int(llama_cpp.llama_n_batch(self.context))
            self._check_generates()
        except ModelLoadError:
            self.close()
            raise

    def close(self) -> None:
        """Free context and model; harmless when done already."""
        if self.context:
            llama_cpp.llama_free(self.context)
        if self.model:
            llama_cpp.llama_model_free(self.model)
        self.context = self.model = None

    @property
    def device(self) -> str:
        if not self.on_gpu:
            return "cpu"
        return "mps" if sys.platform == "darwin" else "cuda"

    @property
    def parameters(self) -> int:
        return int(llama_cpp.llama_model_n_params(self.model))

    @property
    def n_ctx_train(self) -> int:
        return int(llama_cpp.llama_model_n_ctx_train(self.model))

    @property
    def is_exact(self) -> bool:
        """Whether it computes in float32: any other type of weights rounds the activations to 16 or 8 bit as well."""
        return "F32" in self.description

    @property
    def description(self) -> str:
        """Such as ``llama 1B Q4_0``."""
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self.model, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def architecture(self) -> str:
        return self._header("general.architecture")

    @property
    def file_type(self) -> int | None:
        """Which type most of the weights have, as ``llama_ftype`` in llama.h counts them; None when unsaid."""
        text = self._header("general.file_type")
        return int(text) if text.isdigit() else None

    @property
    def declares_begin(self) -> bool:
        """Whether the file names a token that begins a text; where it does not, llama.cpp makes one up."""
        return self._header("tokenizer.ggml.bos_token_id").isdigit()

    def _header(self, name: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_meta_val_str(self.model, name.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def may_repack(self) -> bool:
        """Whether weights may be laid out anew for the CPU's vector units, which makes decoding half as fast again.

        Builds that use AMX crash on such weights, in ggml_backend_amx_mul_mat.
        """
        return b"AMX" not in llama_cpp.llama_print_system_info()

    @property
    def is_stateful(self) -> bool:
        """Whether the model keeps a running state, which cannot be cut back to an earlier token."""
        return bool(llama_cpp.llama_model_is_recurrent(self.model) or llama_cpp.llama_model_is_hybrid(self.model))

    @property
    def n_sequences(self) -> int:
        """Sequences of the shared context. Room for more than those that have whole contexts costs next to nothing:
        they share its cells. A running state is kept for each."""
        options = self._options
        if options.safe or self.is_stateful:
            return options.parallel
        # llama.cpp ends the process where a call could not hold a token of each.
        return max(options.parallel, min(MAX_SLOTS, options.cache_tokens, N_BATCH))

    @property
    def chat_template(self) -> str | None:
        source = llama_cpp.llama_model_chat_template(self.model, None)
        return source.decode("utf-8", "replace") if source else None

    @property
    def weights_bytes(self) -> int:
        return int(llama_cpp.llama_model_size(self.model))

    @property
    def n_threads(self) -> int:
        return int(llama_cpp.llama_n_threads(self.context))

    @property
    def prompt_rows(self) -> int:
        """Tokens of prompts that are read in one step."""
        return self.n_batch if self.on_gpu else tokens_per_step(self.parameters, self.n_batch)

    def set_threads(self, share: int) -> None:
        """Use as many threads as the model can make use of, of a share of the cores."""
        n_threads = self._options.threads(self.weights_bytes, share)
        llama_cpp.llama_set_n_threads(self.context, n_threads, n_threads)

    def _open_model(self, options: LoadOptions) -> Any:
        params = llama_cpp.llama_model_default_params()
        params.use_extra_bufts = self.may_repack and not options.safe
        layers = -1 if options.gpu_layers is None else options.gpu_layers
        params.n_gpu_layers = layers if self.on_gpu else 0
        if options.safe:
            params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
        error_log.begin()
        model = llama_cpp.llama_model_load_from_file(self.path.encode(), params)
        if not model:
            raise _load_error(self.path)
        self.load_report = error_log.report
        return model

    def open_own(self, n_batch: int) -> Any:
        """A context for one sequence alone, which reads at most ``n_batch`` tokens in one call.

        Raises:
            ModelLoadError: there is no memory for it.
        """
        params = self._context_params()
        params.n_ctx, params.n_seq_max = self.n_ctx, 1
        params.n_batch = params.n_ubatch = n_batch
        params.n_threads = params.n_threads_batch = self.n_threads
        if not self.on_gpu:
            # On a CPU it adds up what each thread has seen: with other threads come other sums.
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return self._open_context(params)

    def open_scoring(self, n_sequences: int, room: int, n_batch: int) -> Any:
        """A context for scoring, which reads at most ``n_batch`` tokens in one call and holds at least ``room`` tokens
        and as many again as one request may have.

        Raises:
            ModelLoadError: there is no memory for it.
        """
        params = self._context_params()
        params.n_ctx = max(self._options.cache_tokens, self.n_ctx + room)
        params.n_seq_max = n_sequences
        # llama.cpp ends the process where a call could not hold a token of each sequence.
        params.n_batch = max(n_batch, n_sequences)
        params.n_ubatch = min(params.n_batch, N_BATCH)
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = self.n_threads
        if not self.on_gpu:
            # Kept in 16 bit, or added up by flash attention on a CPU, sums depend on who else is in the batch. Other
            # weights round more than that; there it pays that flash attention reads of the beginnings that are kept
            # beside each other a row's own alone: two to three times as fast behind one of 600 tokens.
            off, on = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
            params.flash_attn_type = off if self.is_exact else on
        return self._open_context(params)

    def open_embedding(self, n_sequences: int, n_tokens: int) -> Any:
        """A context for vectors of texts, which reads at most ``n_tokens`` in one call.

        Raises:
            ModelLoadError: there is no memory for it.
        """
        params = self._context_params()
        params.embeddings = True
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_MEAN
        params.n_ctx = params.n_batch = params.n_ubatch = max(n_tokens, n_sequences)
        params.n_seq_max = n_sequences
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = self.n_threads
        return self._open_context(params)

    def _open_shared(self) -> Any:
        """The context that all other answers share."""
        options, params = self._options, self._context_params()
        params.n_batch = params.n_ubatch = max(SAFE_N_BATCH, options.parallel) if options.safe else N_BATCH
        params.n_ctx, params.n_seq_max = options.cache_tokens, self.n_sequences
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = options.threads(self.weights_bytes)
        if options.kv_type != "f16" and not options.safe:
            params.type_k = params.type_v = getattr(llama_cpp, f"GGML_TYPE_{options.kv_type.upper()}")
            # llama.cpp computes with values in fewer bits in flash attention alone.
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        elif not self.on_gpu and not self.may_repack:
            self._attend_in_full(params)
        return self._open_context(params)

    def _attend_in_full(self, params: Any) -> None:
        """Do without flash attention where the scores have room: behind 600 tokens a CPU with AMX decodes 1.5 to 1.8
        times as fast by plain products of matrices, behind 100 about as fast. Others are faster with it, the more so
        the more answers share the cache, whose cells it passes by where they are not an answer's own.
        """
        rows = tokens_a_call(int(llama_cpp.llama_model_n_head(self.model)), params.n_ctx)
        if rows >= max(MIN_UBATCH, params.n_seq_max):
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.n_ubatch = min(params.n_ubatch, rows)

    def _context_params(self) -> Any:
        params = llama_cpp.llama_context_default_params()
        params.offload_kqv = params.op_offload = self.on_gpu
        params.no_perf = True
        if self._options.safe:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        return params

    def _open_context(self, params: Any) -> Any:
        error_log.begin()
        context = llama_cpp.llama_init_from_model(self.model, params)
        if not context:
            raise ModelLoadError(
                f"{self.path!r}: llama.cpp makes no context of {params.n_ctx} tokens: "
                f"{error_log.text or 'it gives no reason'}; try a smaller n_ctx"
            )
        return context

    def _check_generates(self) -> None:
        writes = llama_cpp.llama_model_has_decoder(self.model) and not llama_cpp.llama_model_has_encoder(self.model)
        if not self.memory or not writes or llama_cpp.llama_model_is_diffusion(self.model):
            raise UnsupportedModelError(
                f"{self.path!r} ({self.architecture}) is not a model that writes text token by token; "
                "choose a decoder model"
            )


def _check_file(path: str) -> None:
    try:
        with open_regular(Path(path)) as file:
            magic = file.read(4)
    except OSError as exc:
        raise ModelLoadError(f"cannot read {path!r}: {exc.strerror}") from exc
    if magic != b"GGUF":
        raise ModelLoadError(f"{path!r} is not a GGUF file: it begins with {magic!r}")


def _load_error(path: str) -> ModelLoadError:
    reason = error_log.text
    for sign, meaning in _UNSUPPORTED.items():
        if sign in reason:
            return UnsupportedModelError(f"{path!r} cannot be run: {meaning}. llama.cpp says: {reason}")
    with contextlib.suppress(OSError):
        reason = reason or f"no reason given for this file of {Path(path).stat().st_size} bytes"
    return ModelLoadError(f"llama.cpp cannot load {path!r}: {reason}; the file may be damaged, fetch it again")
