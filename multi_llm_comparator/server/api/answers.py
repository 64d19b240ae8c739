"""Answers to the requests of one call: asked on the gateway's event loop, watched from the server's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from multi_llm_comparator.core.config import MIN_TEMPERATURE
from multi_llm_comparator.core.events import (
    Attempted,
    Cost,
    Event,
    Failed,
    Finished,
    Loaded,
    LoadProgressed,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from multi_llm_comparator.core.exceptions import AnswerInterrupted
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed, RunBegan, RunMeasured
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.server.api.errors import ApiError, api_error
from multi_llm_comparator.server.relay import Relay
from multi_llm_comparator.server.serving import Served

# A stream begins without text once its model has been loading for so long: clients and proxies end silent connections.
SILENT_LOAD_S = 10.0


@dataclass
class _BegunCall:
    """A call of a tool so far. Its pieces stay apart: put together with each, it would be copied as often."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)


@dataclass
class ServedAnswer:
    """One answer so far. Times are the events' own. ``model`` is who was asked, ``usd`` what it cost, if known.

    Of a plan or a cooperation ``run_id`` is the stored run, ``progress`` what it told of its parts, ``figures`` its
    measures, under the name of its kind. ``thoughts`` are what a model thought, ``pieces`` the tokens of the answer,
    where they were asked for. What was not asked of a stream says ``prompt_in_all`` and ``ends_for_length`` itself.
    """

    text: list[str] = field(default_factory=list)
    tokens: int = 0
    started: Started | None = None
    first_text_at: float | None = None
    load_s: float = 0.0
    finished: Finished | None = None
    model: str = ""
    usd: float | None = None
    run_id: str = ""
    progress: list[str] = field(default_factory=list)
    figures: dict[str, Any] | None = None
    begun_calls: list[_BegunCall] = field(default_factory=list)
    pieces: list[TokenPiece] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    thought_tokens: int = 0
    prompt_in_all: int = 0
    ends_for_length: bool = False

    def apply(self, event: Event) -> None:
        match event:
            case Loaded(seconds=seconds):
                self.load_s = seconds
            case Started():
                self.started = event
            case ToolCallDelta():
                self._call(event)
            case ThoughtDelta(text=text, tokens=tokens):
                self.thoughts.append(text)
                self.tokens = self.thought_tokens = tokens
            case TextDelta(text=text, tokens=tokens):
                self.text.append(text)
                self.pieces += event.pieces
                self.tokens = tokens
                self.first_text_at = self.first_text_at or event.at
            case Finished():
                self.finished = event
            case RunBegan(run_id=run_id):
                self.run_id = run_id
            case Progressed(text=text):
                self.progress.append(text)
            case RunMeasured(kind=kind, figures=figures):
                self.figures = {kind: figures}
            case Attempted(model=model):
                self.model = model
            case Cost(model=model, usd=usd):
                self.model, self.usd = model, usd

    def took(self, request_id: str, prompt_tokens: int, tokens: int, usd: float | None) -> None:
        """What a run took in all, of which nothing was told on the way."""
        used: dict[str, Any] = {"request_id": request_id, "prompt_tokens": prompt_tokens, "completion_tokens": tokens}
        self.apply(Cost(**used, model="", usd=usd, priced_by=""))
        self.apply(Finished(**used, reason="stop"))

    def _call(self, event: ToolCallDelta) -> None:
        self.tokens = event.tokens
        self.first_text_at = self.first_text_at or event.at
        while len(self.begun_calls) <= event.index:
            self.begun_calls.append(_BegunCall())
        call = self.begun_calls[event.index]
        call.id, call.name = call.id or event.id, call.name or event.name
        call.pieces.append(event.arguments)

    @property
    def calls(self) -> list[ToolCall]:
        """As far as they have come; put together at each look."""
        return [ToolCall(id=one.id, name=one.name, arguments="".join(one.pieces)) for one in self.begun_calls]

    @property
    def whole_text(self) -> str:
        return "".join(self.text)

    @property
    def thought(self) -> str:
        """What a model thought; of a plan or a cooperation, how far it was."""
        return "".join((*self.thoughts, *self.progress))

    @property
    def prompt_tokens(self) -> int:
        if self.finished:
            return self.finished.prompt_tokens
        return self.started.prompt_tokens if self.started else self.prompt_in_all

    @property
    def completion_tokens(self) -> int:
        return self.finished.completion_tokens if self.finished else self.tokens

    @property
    def cached_tokens(self) -> int:
        return self.started.cached_tokens if self.started else 0

    @property
    def calls_tools(self) -> bool:
        """Whether it ended by asking for tools to be run."""
        return bool(self.begun_calls) and not self.is_cut

    @property
    def stop_text(self) -> str | None:
        """Which of the request's stop texts ended it."""
        return (self.finished.stop_text if self.finished else "") or None

    @property
    def is_cut(self) -> bool:
        """Whether it ended for its length."""
        return self.ends_for_length or (self.finished is not None and self.finished.reason == "length")


class Answers:
    """The answers of ``target`` to ``requests``, in their order. Whoever makes one closes it."""

    def __init__(self, served: Served, target: str, requests: Sequence[GenerationRequest]) -> None:
        self.answers = [ServedAnswer() for _ in requests]
        self._relay = Relay(served.loop, [_stream(served, target, request) for request in requests])
        self._early: list[tuple[int, Event]] = []
        self._blamed = _blamed_for_grammar(requests)
        self._failure: ApiError | None = None

    async def begin(self) -> None:
        """Wait for the first text, the first end or a long loading: what fails before has a status of its own.

        Raises:
            ApiError: the first failure.
        """
        try:
            while batch := await self._next():
                self._early += batch
                if any(_begins(event) for _, event in batch):
                    return
        except BaseException:
            self.close()
            raise

    async def events(self) -> AsyncGenerator[list[tuple[int, Event]], None]:
        """Whatever happens, in batches with the number of the answer, until all are finished.

        Raises:
            ApiError: the first failure.
        """
        try:
            early, self._early = self._early, []
            if early:
                yield early
            while batch := await self._next():
                yield batch
        finally:
            self.close()

    async def whole(self) -> list[ServedAnswer]:
        """The finished answers.

        Raises:
            ApiError: the first failure.
        """
        async for _ in self.events():
            pass
        return self.answers

    def close(self) -> None:
        """End what is still being written."""
        self._relay.close()

    async def _next(self) -> list[tuple[int, Event]]:
        """What comes next; a failure only after all that came before it has been handed out."""
        if self._failure is not None:
            raise self._failure
        try:
            batch = await self._relay.batch()
        except AnswerInterrupted as exc:
            raise api_error(type(exc).__name__, str(exc)) from exc
        for place, (number, event) in enumerate(batch):
            self._failure = _failure(event, self._blamed)
            if self._failure is not None:
                return batch[:place] or await self._next()
            self.answers[number].apply(event)
        return batch


def _stream(served: Served, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
    return (served.answers or served.gateway).stream(target, request)


def _begins(event: Event) -> bool:
    """Whether a stream begins with it: with text, an end, or a model that has been loading for long."""
    is_late = isinstance(event, LoadProgressed) and event.seconds >= SILENT_LOAD_S
    return is_late or isinstance(event, TextDelta | ThoughtDelta | Progressed | Finished)


def _blamed_for_grammar(requests: Sequence[GenerationRequest]) -> str | None:
    """Which field a grammar comes of, where it is not what is blamed anyway. The schemas of tools and that of the
    answer are held to by one grammar."""
    if any(request.tools for request in requests):
        return "tools"
    is_free = all(one.constraint is None or one.constraint.json_schema is not None for one in requests)
    return None if is_free else "structured_outputs"


def _failure(event: Event, blamed: str | None) -> ApiError | None:
    """What a client is told of an answer that will not be whole."""
    match event:
        case Failed(error_type=kind, message=message):
            error = api_error(kind, message)
            if blamed and error.code == "invalid_schema":
                error.param = blamed
            return error
        case Finished(reason="cancelled"):
            return ApiError("the answer was ended before it was whole; ask again", 503, code="cancelled")
    return None


def target_of(served: Served, model: str | None) -> str:
    """Who is asked.

    Raises:
        ApiError: nobody is named, and there is no default.
    """
    if target := model or served.default_model:
        return target
    said = "'model' is missing; GET /v1/models lists what there is"
    raise ApiError(said, code="missing_required_parameter", param="model")


def tokens_within(wanted: int | None, param: str) -> int:
    """The tokens an answer may have.

    Raises:
        ApiError: more than the workbench allows.
    """
    limit = get_settings().max_tokens_limit
    if wanted is not None and wanted > limit:
        said = f"{param!r} is {wanted}, and an answer has {limit} tokens at most; raise max_tokens_limit"
        raise ApiError(said, code="invalid_value", param=param)
    return wanted or limit


def check_temperature(temperature: float) -> None:
    """Raises ApiError: too small to be drawn with."""
    if 0 < temperature < MIN_TEMPERATURE:
        said = f"'temperature' is {temperature!r}; give 0 for greedy, or at least {MIN_TEMPERATURE}"
        raise ApiError(said, code="invalid_value", param="temperature")
