"""The stream of one answer, as typed events.

Each event is frozen, belongs to one request and is time-stamped (:func:`core.clock.now`) where it happens. A stream is

    Queued* (Loading LoadProgressed*)? Loaded? Started Reading* ThoughtDelta*
    TextDelta* (Contended | MemoryMeasured)* (Finished | Failed)

and, when a gateway answers, with ``(Attempted ... AttemptFailed (Retrying | FellBack))*`` before it, ``CacheHit``
instead of it, and ``Cost`` before the end. Retry and fallback happen only before the first ``ThoughtDelta`` or
``TextDelta``.

``Finished`` or ``Failed`` is always the last one (``Scored``, ``Tokenized`` or ``Embedded`` of requests for those). A
failure is an event, never answer text.
Consumers ``match`` on them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, get_origin, get_type_hints

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.token_pieces import TokenPiece, piece_from_list, piece_to_list

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Anything that happens to one request."""

    request_id: str
    at: float = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Event):
    """The request waits: for memory, for its model, or for a free slot. ``ahead`` counts those before it, if known."""

    ahead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading(Event):
    """Its model is being loaded."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgressed(Event):
    """Its model has been loading for ``seconds`` and has taken ``memory_bytes`` of about ``expected_bytes`` by now."""

    model: str
    seconds: float
    memory_bytes: int
    expected_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Event):
    """Its model is ready; ``memory_bytes`` is measured. ``seconds`` is 0 when it was loaded before.

    ``notes`` say what it has less of than it could have, and why.
    """

    model: str
    seconds: float
    memory_bytes: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """The model began to read the prompt.

    ``cached_tokens`` of ``prompt_tokens`` were already in its memory. ``prompt`` is the text exactly as the model sees
    it, ``notes`` what a person should know about it (no chat template, prompt shortened, ...), ``seed`` the one in use.
    """

    prompt_tokens: int
    cached_tokens: int = 0
    prompt: str = ""
    seed: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Event):
    """So many tokens of the prompt are read by now; told by prompts that are read in several steps."""

    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of answer text, always whole characters. ``tokens`` counts all tokens generated so far.

    ``pieces`` are the tokens that came with it, where they were asked for (``ModelConfig.top_logprobs``). Text may wait
    for the end of a character or of what could become a stop text, so a delta's pieces need not spell its text; those
    of the whole answer do, but for a stop text at its end and characters that never became whole.
    """

    text: str
    tokens: int
    pieces: tuple[TokenPiece, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtDelta(Event):
    """A piece of what a model thinks before it answers, which is no part of its answer. ``tokens`` as in TextDelta."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta(TextDelta):
    """A piece of a call of a tool: part of the answer, but none of its text, which is empty here.

    ``index`` counts the calls of the answer from 0. The first piece of a call has its ``id`` and ``name``; the pieces
    of ``arguments`` together are the text of one JSON object.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(Event):
    """What a score request was for, as :meth:`core.scores.ScoreResult.to_dict` writes it; its stream ends with it."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded(Event):
    """What an embed request was for, as :meth:`core.embeddings.EmbedResult.to_dict` writes it; its stream ends so."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenized(Event):
    """What a token request was for, as :meth:`core.token_requests.TokenList.to_dict` writes it; ends its stream."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contended(Event):
    """The device was shared meanwhile, so the speed is not what the model does alone.

    ``others`` are models that were at work on it beside this one; ``batched`` counts the other requests that this model
    itself had at the same time, which it decodes in one batch.
    """

    others: tuple[str, ...] = ()
    batched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryMeasured(Event):
    """What the model's process holds by now: about once a second while it writes, and at the end."""

    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The answer is complete: the model stopped, reached ``max_tokens`` or the context's end, or was cancelled.

    ``stop_text`` is which of ``ModelConfig.stop`` ended it; empty where none did, or an endpoint does not say.
    """

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    stop_text: str = ""

    @classmethod
    def cancelled(cls, request_id: str) -> Finished:
        """The end of a request that was cancelled before anything of it was read."""
        return cls(request_id=request_id, reason="cancelled", prompt_tokens=0, completion_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The request failed. ``error_type`` is a name from :mod:`core.exceptions`; text before it stays valid."""

    error_type: str
    message: str

    @classmethod
    def of(cls, request_id: str, error: Exception) -> Failed:
        """What an error means for the request that it ends."""
        return cls(request_id=request_id, error_type=type(error).__name__, message=str(error))


# The events that nothing follows in a model's stream.
ENDS = (Finished, Failed, Scored, Embedded, Tokenized)
# What a model writes, part of its answer or not: from the first on nobody else may answer instead.
WRITTEN = (TextDelta, ThoughtDelta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted(Event):
    """The request goes to ``model``, reached by ``target``. ``number`` counts the attempts of this request from 1."""

    number: int
    model: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """An attempt ended without text. ``error_type`` is a name from :mod:`core.exceptions`."""

    number: int
    model: str
    error_type: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying(Event):
    """The same model is asked again after ``delay_s``."""

    model: str
    delay_s: float
    error_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FellBack(Event):
    """Another model takes over before any text was sent; ``strategy`` is the rule that chose it."""

    from_model: str
    to_model: str
    strategy: str
    error_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(Event):
    """The answer that ``model`` gave ``age_s`` seconds ago is given again; nothing is computed or spent."""

    model: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Event):
    """What the answer took. ``usd`` is None when no price is known.

    ``priced_by`` says where the price is from: "configuration", "genai-prices", "local" or "". With ``estimated`` the
    endpoint reported no usage and the tokens are our estimate.
    """

    model: str
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    priced_by: str
    estimated: bool = False


_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Queued,
        Loading,
        LoadProgressed,
        Loaded,
        Started,
        Reading,
        TextDelta,
        ToolCallDelta,
        ThoughtDelta,
        Scored,
        Embedded,
        Tokenized,
        Contended,
        MemoryMeasured,
        Finished,
        Failed,
        Attempted,
        AttemptFailed,
        Retrying,
        FellBack,
        CacheHit,
        Cost,
    )
}

# JSON knows lists only.
_TUPLES = {
    kind: frozenset(name for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple)
    for kind in _KINDS.values()
}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain data for a pipe or a store; :func:`event_from_dict` reads it back."""
    data = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    data["kind"] = type(event).__name__
    if "pieces" in data:
        pieces = data.pop("pieces")
        if pieces:
            data["pieces"] = [piece_to_list(piece) for piece in pieces]
    return data


def event_from_dict(data: dict[str, Any]) -> Event:
    """Rebuild an event.

    Raises:
        ConfigurationError: an unknown kind, or fields that the kind does not have.
    """
    fields = dict(data)
    kind = _KINDS.get(str(fields.pop("kind", "")))
    if kind is None:
        raise ConfigurationError(f"unknown event kind {data.get('kind')!r}; known are {', '.join(_KINDS)}")
    for name in _TUPLES[kind] & fields.keys():
        fields[name] = tuple(map(piece_from_list, fields[name]) if name == "pieces" else fields[name])
    try:
        return kind(**fields)
    except TypeError as exc:
        raise ConfigurationError(f"event {kind.__name__!r} does not fit its data: {exc}") from exc
