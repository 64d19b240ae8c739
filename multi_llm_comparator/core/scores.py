"""What one asks of a model besides text: how likely given texts are to it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.requests import Message

# Two texts tie when their log-probabilities are less than so many nats apart. In float32 the order in which sums are
# added up moves a log-probability by less, so only what ties can change its place with the size of a batch.
TIE_NATS = 1e-3
# Of models that compute in 16 bit or with quantised weights: the step of a bfloat16 logit between 16 and 32. There a
# batch of another size moves the rounding of every activation (docs/evaluation-tasks.md has what was measured).
COARSE_TIE_NATS = 0.125

MAX_CONTINUATIONS = 256
MAX_CHARACTERS = 4 * 1024 * 1024
MAX_TOKENS = 256 * 1024
MAX_TOP_K = 1024
# Numbers that one request may ask for beyond one a token: they travel as text.
MAX_NUMBERS = 1024 * 1024

Tokens = tuple[int, ...]
# A text as it is, the ids of its tokens, or a conversation whose next turn follows.
Prefix = str | Tokens | tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """How likely is each of ``continuations`` after ``prefix``?

    Texts are tokenised as lm-eval does it: prefix and continuation together, cut where the prefix's own tokens end,
    with blanks at the prefix's end counted to the continuation. Special tokens in texts stay text. Ids of tokens are
    taken as they are, without a begin mark. An empty prefix stands for the begin mark alone (or the end mark, where the
    model has no other).

    Args:
        config: how the model is loaded; what is about sampling plays no part.
        is_rolling: a continuation may be longer than the context: it is then read window by window, each of which
            predicts what none before it did. Needs an empty prefix.
        adapter: the folder or file of a LoRA adapter, as in a :class:`~core.requests.GenerationRequest`.
        may_truncate: a prefix that does not fit loses its beginning, as with lm-eval, and the result says how many
            tokens; else the request fails.
        top_k: give for each token of the continuations the likeliest so many tokens, too.
        at: give for each token of the only continuation the log-probabilities of these ids, too.

    Raises:
        InvalidParameterError: no continuation, too many or too large ones, or options that do not go together.
    """

    prefix: Prefix
    continuations: tuple[str | Tokens, ...]
    config: ModelConfig = field(default_factory=ModelConfig)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    is_rolling: bool = False
    may_truncate: bool = False
    top_k: int = 0
    at: tuple[Tokens, ...] = ()
    adapter: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.continuations) <= MAX_CONTINUATIONS or not all(self.continuations):
            raise InvalidParameterError(
                f"a score request has 1 to {MAX_CONTINUATIONS} continuations, none of them empty, "
                f"not {len(self.continuations)}"
            )
        texts = [text for text in (self.prefix, *self.continuations) if isinstance(text, str)]
        texts += [message.content for message in self.messages]
        if sum(map(len, texts)) > MAX_CHARACTERS:
            raise InvalidParameterError(f"a score request has at most {MAX_CHARACTERS} characters in all")
        ids = [part for part in (self.prefix, *self.continuations) if not isinstance(part, str)]
        if sum(map(len, ids)) > MAX_TOKENS:
            raise InvalidParameterError(f"a score request has at most {MAX_TOKENS} tokens in all")
        if self.is_rolling and self.prefix:
            raise InvalidParameterError("a text that is scored window by window has no prefix")
        self._check_details()

    def _check_details(self) -> None:
        if not 0 <= self.top_k <= MAX_TOP_K:
            raise InvalidParameterError(f"top_k must be between 0 and {MAX_TOP_K}, not {self.top_k!r}")
        if self.at and len(self.continuations) != 1:
            raise InvalidParameterError("log-probabilities at given ids are for one continuation")
        if sum(map(len, self.at)) > MAX_NUMBERS:
            raise InvalidParameterError(f"a score request asks for at most {MAX_NUMBERS} further numbers")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that is its prefix; empty where the prefix is a text or tokens."""
        if isinstance(self.prefix, str):
            return ()
        return tuple(part for part in self.prefix if isinstance(part, Message))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreRequest:
        return cls(
            **{
                **data,
                "prefix": _prefix(data["prefix"]),
                "continuations": tuple(
                    text if isinstance(text, str) else tuple(text) for text in data["continuations"]
                ),
                "config": ModelConfig.from_dict(data["config"]),
                "at": tuple(tuple(ids) for ids in data["at"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Likeliest:
    """Tokens that may stand at one place, the likeliest first, and their log-probabilities in nats."""

    ids: Tokens
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuationScore:
    """How likely one continuation is.

    Attributes:
        logprob: natural logarithm of its probability: the sum over its tokens, in nats.
        token_logprobs: of each token, given all before it.
        is_greedy: at every place its token is the likeliest one: greedy decoding would write it.
        tokens: its tokens' ids. Empty where a remote endpoint tells none.
        greedy_matches: for each token, whether it is the likeliest.
        top: the likeliest tokens at each place, where they were asked for.
        at: log-probabilities at the ids that were asked for, place by place.
    """

    logprob: float
    token_logprobs: tuple[float, ...]
    is_greedy: bool
    tokens: Tokens = ()
    greedy_matches: tuple[bool, ...] = ()
    top: tuple[Likeliest, ...] = ()
    at: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """The scores of a request's continuations, in their order.

    Attributes:
        prefix_tokens: tokens of the prefix that were read or known, with the begin mark.
        cached_tokens: so many of them were in memory from other requests.
        truncated_tokens: so many at the prefix's beginning were left out, because all would not fit.
        how: "scored" from the model's own probabilities, "extracted" from an answer that it wrote.
        notes: what is less than it could be, and why.
        tie_nats: two continuations tie when they are less than this apart: how finely this model computes.
        prompt: a prefix that is a conversation, as the model's chat template wrote it; else empty.
    """

    continuations: tuple[ContinuationScore, ...]
    prefix_tokens: int = 0
    cached_tokens: int = 0
    truncated_tokens: int = 0
    how: Literal["scored", "extracted"] = "scored"
    notes: tuple[str, ...] = ()
    tie_nats: float = TIE_NATS
    prompt: str = ""

    @property
    def logprobs(self) -> tuple[float, ...]:
        """Of each continuation, in nats."""
        return tuple(one.logprob for one in self.continuations)

    @property
    def best(self) -> int:
        """The number of the likeliest continuation; of equal ones the first."""
        return best_of(self.logprobs)

    @property
    def is_tie(self) -> bool:
        """Whether another is as likely as the likeliest, within ``tie_nats``."""
        return ties(self.logprobs, self.tie_nats)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreResult:
        return cls(
            **{
                **data,
                "continuations": tuple(_continuation(one) for one in data["continuations"]),
                "notes": tuple(data["notes"]),
            }
        )


def best_of(values: Sequence[float]) -> int:
    """The number of the largest value; of equal ones the first, as numpy's ``argmax`` has it.

    Raises:
        ValueError: there are none.
    """
    return max(range(len(values)), key=lambda i: (values[i], -i))


def ties(values: Sequence[float], within: float = TIE_NATS) -> bool:
    """Whether the two largest values are less than ``within`` apart."""
    first, second = (sorted(values, reverse=True) + [float("-inf")] * 2)[:2]
    return first - second < within if second > float("-inf") else False


def _prefix(data: Any) -> Prefix:
    if isinstance(data, str):
        return data
    if data and isinstance(data[0], Mapping):
        return tuple(Message(m["role"], m["content"], tuple(m.get("images", ()))) for m in data)
    return tuple(data)


def _continuation(data: Mapping[str, Any]) -> ContinuationScore:
    return ContinuationScore(
        **{
            **data,
            "token_logprobs": tuple(data["token_logprobs"]),
            "tokens": tuple(data["tokens"]),
            "greedy_matches": tuple(data["greedy_matches"]),
            "top": tuple(Likeliest(tuple(one["ids"]), tuple(one["logprobs"])) for one in data["top"]),
            "at": tuple(tuple(one) for one in data["at"]),
        }
    )


class TextScorer(Protocol):
    """Anything that scores texts: the local engine, an endpoint that shows log-probabilities."""

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        """How likely texts are to ``target``.

        Raises:
            UnsupportedModelError: it only writes.
            MultiLLMError: why it cannot be told.
        """
