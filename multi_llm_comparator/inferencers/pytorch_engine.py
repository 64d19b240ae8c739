"""A PyTorch checkpoint that decodes for many requests: the loop around the model.

One step either reads a bounded chunk of one waiting prompt or decodes one token for every active request; while both
wait for it, they take turns.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.inferencers import pytorch_environment as environment

# isort: split
import torch

from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Reading, Started
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.pictures import NOT_SEEING
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.base import Engine, LoadOptions, as_request_error
from multi_llm_comparator.inferencers.constraints import ConstraintCompiler
from multi_llm_comparator.inferencers.embedder import Embedder
from multi_llm_comparator.inferencers.logit_edits import LogitEdits
from multi_llm_comparator.inferencers.pytorch_adapters import LoadedAdapter, adapters_of
from multi_llm_comparator.inferencers.pytorch_answer import PyTorchAnswer
from multi_llm_comparator.inferencers.pytorch_decoders import Decoder, SingleDecoder
from multi_llm_comparator.inferencers.pytorch_embedding import PyTorchEmbedding
from multi_llm_comparator.inferencers.pytorch_errors import as_inference_error, as_load_error
from multi_llm_comparator.inferencers.pytorch_load import LoadedCheckpoint, import_common, load_checkpoint
from multi_llm_comparator.inferencers.pytorch_probes import open_decoder
from multi_llm_comparator.inferencers.pytorch_sampling import StepSampler
from multi_llm_comparator.inferencers.pytorch_scoring import PyTorchScoring
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder, TokenSpelling, vocabulary_for_constraints
from multi_llm_comparator.inferencers.pytorch_tokens import PyTorchTokenTable
from multi_llm_comparator.inferencers.request_queue import WaitingLine, too_many
from multi_llm_comparator.inferencers.scorer import Scorer
from multi_llm_comparator.inferencers.tokenizing import tokenized
from multi_llm_comparator.inferencers.tool_grammar import tool_info
from multi_llm_comparator.inferencers.transformers_seam import attention_of

_log = logging.getLogger(__name__)


def warm_up() -> None:
    """Import what a first load needs, while nobody waits for it."""
    import_common()


class PyTorchEngine(Engine):
    """One checkpoint directory in this process.

    Raises:
        ModelLoadError: it cannot be loaded; see :func:`load_checkpoint`.
    """

    def __init__(self, path: str, options: LoadOptions) -> None:
        self._options = options
        self._slots = options.parallel
        # Loading is reading, mostly; more threads would be in the way of the models that are answering meanwhile.
        environment.limit_threads(1)
        loaded = load_checkpoint(path, options)
        self._model, self._tokenizer, self._device = loaded.model, loaded.tokenizer, loaded.device
        self._n_ctx, self._stop_ids = loaded.n_ctx, loaded.stop_ids
        n_vocab = self._n_vocab = loaded.model.config.get_text_config(decoder=True).vocab_size
        self._encoder = PromptEncoder(loaded.tokenizer, n_vocab, loaded.sight)
        self._adapters = adapters_of(loaded.model)
        self._weights_bytes = int(loaded.model.get_memory_footprint())
        self._decoder, notes = self._open_decoder(loaded, path)
        if loaded.sight is not None and isinstance(self._decoder, SingleDecoder) and not self._decoder.keeps:
            loaded.sight = self._encoder.sight = None
            notes.append(NOT_SEEING.format("it keeps nothing of what it has read"))
        self._spelling = TokenSpelling(loaded.tokenizer)
        self._constraints = ConstraintCompiler(
            lambda: vocabulary_for_constraints(loaded.tokenizer, n_vocab, loaded.stop_ids), n_vocab, loaded.stop_ids
        )
        self.set_threads(None)
        self._info = _describe(loaded, self._encoder, self._decoder, (*loaded.notes, *notes))
        self._waiting = WaitingLine()
        self._reading: PyTorchAnswer | None = None
        self._answers: dict[str, PyTorchAnswer] = {}
        self._sampler: StepSampler | None = None
        self._read_tokens = 0  # of prompts, since the last token of the active requests
        self._events: list[Event] = []

    def _open_decoder(self, loaded: LoadedCheckpoint, path: str) -> tuple[Decoder, list[str]]:
        options = self._options
        try:
            return open_decoder(
                loaded.model,
                loaded.device,
                parallel=options.parallel,
                n_ctx=loaded.n_ctx,
                n_threads=options.threads(self._weights_bytes),
                packs=not options.safe,
            )
        except RuntimeError as exc:
            raise as_load_error(exc, path) from exc

    @property
    def info(self) -> dict[str, Any]:
        return {**self._info, "n_threads": self._n_threads}

    @property
    def is_busy(self) -> bool:
        return bool(self._answers or self._events or self._waiting)

    def submit(self, request: GenerationRequest) -> None:
        request = request.as_seen(sees=self._encoder.sight is not None)
        if self._waiting.is_full:
            self._events.append(too_many(request.id, len(self._waiting)))
        else:
            self._waiting.join(request)
            self._constraints.begin(request)

    @torch.inference_mode()
    def cancel(self, request_id: str) -> None:
        if request_id in self._answers:
            self._end(self._answers[request_id], "cancelled")
        elif self._waiting.leave(request_id) is not None:
            self._constraints.leave(request_id)
            self._events.append(Finished.cancelled(request_id))

    @torch.inference_mode()
    def step(self) -> list[Event]:
        self._admit()
        self._events.extend(self._waiting.news())
        # That a prompt is being read is told before it is, for that may take seconds.
        if not any(isinstance(event, Started) for event in self._events):
            self._work()
        if not self._answers and not self._events:
            self._constraints.wait()
        events, self._events = self._events, []
        return events

    def _work(self) -> None:
        """One chunk of a prompt, or one token of every answer."""
        # Short prompts that come together are read together, and all their answers begin in the same batch; but those
        # under way never wait for more than a chunk.
        if self._reading is not None and (self._read_tokens < self._decoder.chunk_tokens or not self._decoder.rows):
            self._read(self._reading)
        elif self._decoder.rows:
            self._decode()
            self._read_tokens = 0

    def set_threads(self, n_threads: int | None) -> None:
        self._n_threads = environment.limit_threads(self._options.threads(self._weights_bytes, n_threads))

    def set_slots(self, n_slots: int) -> None:
        self._slots = n_slots

    def open_scorer(self, adapter: str = "", scale: float = 1.0) -> Scorer:
        can_share = not isinstance(self._decoder, SingleDecoder)
        own = self._adapters.take(adapter, scale, self._in_use()) if adapter else None
        backend = PyTorchScoring(self._model, self._device, can_share=can_share, n_ctx=self._n_ctx, adapter=own)
        return Scorer(backend, self._encoder, self._n_ctx)

    def open_embedder(self) -> Embedder:
        base = self._model.base_model
        return Embedder(
            PyTorchEmbedding(
                base,
                self._device,
                tokens_of=self._encoder.of_text,
                text_of=lambda tokens: str(self._tokenizer.decode(tokens, skip_special_tokens=True)),
                n_ctx=self._n_ctx,
            )
        )

    def tokens(self, request: TokenRequest) -> Event:
        table = PyTorchTokenTable(self._tokenizer, self._encoder, self._spelling, self._n_vocab)
        return tokenized(request, table, self._n_ctx)

    def close(self) -> None:
        self._constraints.close()
        self._answers.clear()
        self._reading = self._sampler = None
        self._decoder.clear()
        self._adapters.clear()
        del self._model, self._decoder, self._tokenizer, self._encoder, self._adapters
        self._release_memory()

    def _admit(self) -> None:
        """Begin with waiting requests; one whose prompt is known already becomes a row without being read."""
        while self._reading is None and self._has_room:
            request = self._waiting.take_first(self._constraints.is_ready)
            if request is None:
                return
            try:
                matcher = self._constraints.take(request)
                edits = LogitEdits(request.config, self._n_vocab, lambda token: self._spelling.spelled(token)[0])
                answer = PyTorchAnswer(
                    request,
                    self._encoder,
                    self._tokenizer,
                    self._n_ctx,
                    self._stop_ids,
                    matcher,
                    edits,
                    self._spelling,
                )
                self._adapt(answer, request)
            except Exception as exc:
                # Past here it would end the process, and with it the answers to everybody else.
                self._events.append(Failed.of(request.id, as_request_error(exc)))
                continue
            self._answers[answer.id] = answer
            try:
                self._decoder.begin(answer)
                self._events.append(answer.started(self._info["notes"]))
                if answer.done and len(answer.unread) == 1:
                    self._join(answer)
                else:
                    self._reading = answer
            except Exception as exc:
                self._give_up([answer], exc)

    @property
    def _has_room(self) -> bool:
        """Whether one more may be written. Beyond those that have whole contexts, rows must be short: all of a batch
        take as much memory as the longest."""
        rows = len(self._decoder.rows) + 1
        if rows > self._slots:
            return False
        longest = max((answer.most_tokens for answer in self._answers.values()), default=0)
        return rows <= self._options.parallel or rows * longest <= self._options.parallel * self._n_ctx

    def _adapt(self, answer: PyTorchAnswer, request: GenerationRequest) -> None:
        if request.adapter:
            answer.adapter = self._adapters.take(request.adapter, request.config.adapter_scale, self._in_use())

    def _in_use(self) -> list[LoadedAdapter]:
        return [other.adapter.adapter for other in self._answers.values() if other.adapter is not None]

    def _read(self, answer: PyTorchAnswer) -> None:
        known = answer.done
        try:
            logits = self._decoder.read(answer)
            self._read_tokens += answer.done - known
            if logits is None:
                self._events.append(Reading(request_id=answer.id, tokens=answer.done))
                return
            self._reading, logits = None, logits.float()
            _prepare([answer], logits)
            first = StepSampler([answer.sampler], [answer.answered], self._device).pick(logits)
            self._take([answer], first)
            if answer.id in self._answers:
                self._join(answer)
        except Exception as exc:
            self._give_up([answer], exc)

    def _decode(self) -> None:
        rows = [row for row in self._decoder.rows if isinstance(row, PyTorchAnswer)]
        try:
            logits = self._decoder.decode().float()
            if self._sampler is None:
                histories = [row.answered for row in rows]
                self._sampler = StepSampler([row.sampler for row in rows], histories, self._device)
            _prepare(rows, logits)
            self._take(rows, self._sampler.pick(logits))
        except Exception as exc:
            self._give_up(rows, exc)
            self._decoder.clear()

    def _take(self, rows: Sequence[PyTorchAnswer], tokens: Sequence[int | None]) -> None:
        for answer, token in zip(rows, tokens, strict=True):
            try:
                told, reason = answer.take(token)
            except InferenceError as exc:
                self._forget(answer, keep=False)
                self._events.append(Failed.of(answer.id, exc))
                continue
            self._events += told
            if reason is not None:
                self._end(answer, reason)

    def _join(self, answer: PyTorchAnswer) -> None:
        self._decoder.join(answer)
        self._sampler = None

    def _end(self, answer: PyTorchAnswer, reason: FinishReason) -> None:
        self._events.extend(answer.end(reason))
        self._forget(answer, keep=True)

    def _forget(self, answer: PyTorchAnswer, *, keep: bool) -> None:
        del self._answers[answer.id]
        if self._reading is answer:
            self._reading = None
        self._decoder.end(answer, keep=keep)
        self._sampler = None

    def _give_up(self, answers: Sequence[PyTorchAnswer], exc: Exception) -> None:
        """A forward pass failed: so do the requests that were in it, and only they."""
        error = as_inference_error(exc)
        _log.error("a forward pass with %d requests failed", len(answers), exc_info=exc)
        for answer in answers:
            if answer.id in self._answers:
                self._forget(answer, keep=False)
                self._events.append(Failed.of(answer.id, error))
        self._release_memory()

    def _release_memory(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()


def _prepare(rows: Sequence[PyTorchAnswer], logits: torch.Tensor) -> None:
    """See and change the logits of each row that asks for it, before the samplers do."""
    for row, answer in enumerate(rows):
        if answer.prepares:
            answer.prepare(logits[row])


def _describe(
    loaded: LoadedCheckpoint, encoder: PromptEncoder, decoder: Decoder, notes: Sequence[str]
) -> dict[str, Any]:
    config = loaded.model.config
    return {
        "model_type": "pytorch",
        "architecture": (config.architectures or [type(loaded.model).__name__])[0],
        "device": str(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "quantization": loaded.quantization,
        "vocab_size": config.get_text_config(decoder=True).vocab_size,
        "model_size": loaded.model.num_parameters(),
        "weights_bytes": loaded.model.get_memory_footprint(),
        "n_ctx": loaded.n_ctx,
        "n_ctx_train": loaded.n_ctx_train,
        "decoder": "one by one" if isinstance(decoder, SingleDecoder) else "batch",
        "attention": attention_of(loaded.model),
        "sees_images": loaded.sight is not None,
        "chat_template": encoder.template.is_present,
        "tools": tool_info(encoder.template, encoder.special_ids),
        "notes": list(notes),
    }
