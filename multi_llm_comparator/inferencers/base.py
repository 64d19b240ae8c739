"""The two faces of a loaded model.

:class:`Engine` is what runs inside a model process: one model, many requests, one decode step at a time, plain
synchronous code. :class:`BaseInferencer` is the simple face for one request at a time, and what a user's own kind of
model implements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.events import Event, Failed, Finished, TextDelta
from multi_llm_comparator.core.exceptions import (
    InferenceError,
    MultiLLMError,
    UnsupportedModelError,
    error_from_name,
)
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.token_requests import TokenRequest

if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.embedder import Embedder
    from multi_llm_comparator.inferencers.scorer import Scorer

# Beyond this, requests share the context's memory rather than each having room for a whole one.
MAX_CACHE_TOKENS = 32_768
# Attention scores that a call of llama.cpp may hold where it does without flash attention.
MAX_SCORES_BYTES = 256 * 2**20
# Waking a second thread costs more than it computes for a model that fits into a core's cache, and every token then
# waits for the slower of the two.
SMALL_MODEL_BYTES = 32 * 1024 * 1024
NO_NUMBERS = "the model computed values that are no numbers"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded.

    ``n_ctx`` is the context of one request in tokens and ``parallel`` the number of requests decoded together; ``gpu``
    is the number of the GPU that a PyTorch model goes to; ``safe`` asks for the slowest, most compatible settings,
    after a crash with the usual ones. ``projector`` is the file of a GGUF model's vision part (mmproj).
    """

    n_ctx: int = 2048
    n_threads: int | None = None
    use_gpu: bool = True
    gpu: int = 0
    gpu_layers: int | None = None
    kv_type: str = "f16"
    low_cpu_mem_usage: bool = True
    torch_dtype: str = "auto"
    quantization: str = "none"
    trust_remote_code: bool = False
    parallel: int = 4
    safe: bool = False
    projector: str = ""

    @property
    def cache_tokens(self) -> int:
        """Tokens of context kept for all requests together: room for each one's whole context, up to a bound."""
        return max(self.n_ctx, min(self.n_ctx * self.parallel, MAX_CACHE_TOKENS))

    def threads(self, weights_bytes: int, share: int | None = None) -> int:
        """CPU threads for a model of this size, of a ``share`` of the cores (None: all that this process may use)."""
        if self.safe or (self.n_threads is None and weights_bytes < SMALL_MODEL_BYTES):
            return 1
        wanted = self.n_threads or available_cpus()
        return max(1, min(share or wanted, wanted))

    @classmethod
    def from_config(cls, config: ModelConfig, *, parallel: int = 4, safe: bool = False) -> LoadOptions:
        return cls(**config.load_options(), parallel=parallel, safe=safe)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LoadOptions:
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in data.items() if k in known})


class Engine(ABC):
    """One loaded model that decodes for many requests at once. Not thread-safe: one loop owns it.

    The constructor loads the model and raises ModelLoadError (or a child of it) when it cannot.
    """

    @property
    @abstractmethod
    def info(self) -> dict[str, Any]:
        """What is known of the loaded model: ``model_type``, ``device``, ``vocab_size``, ``model_size`` (parameters),
        ``n_ctx``, ``chat_template`` (bool), ``notes`` (list of str) and whatever else the engine can tell."""

    @property
    @abstractmethod
    def is_busy(self) -> bool:
        """Whether :meth:`step` has work to do."""

    @abstractmethod
    def submit(self, request: GenerationRequest) -> None:
        """Take on a request; its events come from :meth:`step`. Nothing is raised for a bad request: it fails there."""

    @abstractmethod
    def cancel(self, request_id: str) -> None:
        """End a request before the next decode step with ``Finished(reason="cancelled")``; unknown ids are ignored."""

    @abstractmethod
    def step(self) -> list[Event]:
        """Run one decode step (or one bounded chunk of prompt) for all active requests and return what happened."""

    @abstractmethod
    def set_threads(self, n_threads: int) -> None:
        """Use at most this many CPU threads from the next step on."""

    @abstractmethod
    def set_slots(self, n_slots: int) -> None:
        """Decode at most so many requests together from the next step on, or as many as it can; those under way go
        on."""

    def open_scorer(self, adapter: str = "", scale: float = 1.0) -> Scorer:
        """What scores texts with this model; opened at most once, and closed before the engine.

        Raises:
            UnsupportedModelError: this kind of engine only writes.
        """
        raise UnsupportedModelError(f"an engine of the kind {type(self).__name__!r} only writes, it scores no texts")

    def open_embedder(self) -> Embedder:
        """What makes vectors of texts with this model; opened at most once, and closed before the engine.

        Raises:
            UnsupportedModelError: this kind of engine makes none.
        """
        raise UnsupportedModelError(f"an engine of the kind {type(self).__name__!r} makes no embeddings")

    def tokens(self, request: TokenRequest) -> Event:
        """Ask the model's tokenizer; gives the event that ends the request's stream."""
        said = f"an engine of the kind {type(self).__name__!r} has no tokenizer"
        return Failed(request_id=request.id, error_type=UnsupportedModelError.__name__, message=said)

    @abstractmethod
    def close(self) -> None:
        """Free the model's memory. The engine cannot be used afterwards."""


def as_request_error(exc: Exception) -> MultiLLMError:
    """The error of a request that its model cannot begin with, whatever a tokenizer or a constraint tripped over."""
    if isinstance(exc, MultiLLMError):
        return exc
    return InferenceError(
        f"this request cannot be read by the model ({type(exc).__name__}: {str(exc)[:200]}); "
        "look for odd characters in the prompt and in the parameters"
    )


class BaseInferencer(ABC):
    """One model behind the simplest interface: load, stream text, unload."""

    def __init__(self) -> None:
        self.model: Any = None
        self.is_loaded = False

    @abstractmethod
    def load_model(self, model_path: str, config: dict[str, Any]) -> None:
        """Load a model. ``config`` holds ModelConfig's fields.

        Raises:
            ModelLoadError: it cannot be loaded.
        """

    @abstractmethod
    def generate_stream(self, prompt: str) -> Iterator[str]:
        """Stream the answer to one user message as pieces of text.

        Raises:
            InferenceError: the request failed.
        """

    @abstractmethod
    def unload_model(self) -> None:
        """Free what :meth:`load_model` took; harmless when nothing is loaded."""

    @abstractmethod
    def get_model_info(self) -> dict[str, Any]:
        """What is known of the loaded model; empty when none is."""

    def is_model_loaded(self) -> bool:
        return self.is_loaded


class EngineInferencer(BaseInferencer):
    """A :class:`BaseInferencer` over an engine in this very process, for scripts that want no second process."""

    engine_name: str

    def __init__(self) -> None:
        super().__init__()
        self.config = ModelConfig()

    def load_model(self, model_path: str, config: dict[str, Any]) -> None:
        from multi_llm_comparator.inferencers.registry import open_engine

        self.unload_model()
        self.config = ModelConfig.from_dict(config)
        self.config.validate()
        self.model = open_engine(self.engine_name, model_path, LoadOptions.from_config(self.config, parallel=1))
        self.is_loaded = True

    def generate_stream(self, prompt: str) -> Iterator[str]:
        if not self.is_loaded:
            raise InferenceError("no model is loaded; call load_model first")
        request = GenerationRequest(messages=(Message("user", prompt),), config=self.config)
        self.model.submit(request)
        try:
            yield from self._texts(request.id)
        finally:
            self.model.cancel(request.id)

    def _texts(self, request_id: str) -> Iterator[str]:
        while True:
            # An answer that was given up earlier may still report its end.
            for event in [event for event in self.model.step() if event.request_id == request_id]:
                match event:
                    case TextDelta(text=text) if text:
                        yield text
                    case Finished():
                        return
                    case Failed(error_type=kind, message=message):
                        raise error_from_name(kind, message)

    def unload_model(self) -> None:
        if self.model is not None:
            self.model.close()
        self.model, self.is_loaded = None, False

    def get_model_info(self) -> dict[str, Any]:
        return dict(self.model.info) if self.is_loaded else {}
