"""From a score request to tokens: which are read, and which of them are scored.

The rules are those of lm-eval's language models (``TemplateLM._encode_pair``, ``HFLM._loglikelihood_tokens``,
``utils.get_rolling_token_windows``), so that scores can be compared with its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from multi_llm_comparator.core.exceptions import ContextOverflowError, InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import MAX_NUMBERS, MAX_TOKENS, ScoreRequest
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart

# No token is longer, so a longer text cannot fit and need not be tokenised to know it.
MAX_TOKEN_CHARS = 256


class ScoreTokenizer(Protocol):
    """What a model's tokenizer must be able to do for scoring."""

    @property
    def template(self) -> ChatTemplate:
        """The model's chat template."""

    @property
    def begin(self) -> int | None:
        """What stands for an empty prefix: the begin mark, or the end mark where there is none."""

    def of_text(self, text: str) -> list[int]:
        """Tokens of a whole text, with the begin mark in front where the model wants one."""

    def of_parts(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of a rendered conversation, with the begin mark where the model wants one and none is there."""

    def of_piece(self, text: str) -> list[int]:
        """Tokens of a text that continues another; without a begin mark."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is to be computed for a request: the ``pieces`` in order, and what was left out to make them fit.

    ``prompt`` is a conversation's text as its template wrote it.
    """

    pieces: list[Piece]
    prefix_tokens: int
    truncated_tokens: int = 0
    notes: tuple[str, ...] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that are read, and the ``tails`` that are scored behind them, each for itself.

    ``numbers`` says which continuation of the request each tail belongs to. A long text's windows are pieces of the
    same one.
    """

    context: list[int]
    tails: list[list[int]]
    numbers: list[int]


def encode(request: ScoreRequest, tokenizer: ScoreTokenizer, n_ctx: int, n_vocab: int) -> Encoded:
    """Tokens of a request for a model whose context holds ``n_ctx`` of its ``n_vocab`` tokens.

    Raises:
        ContextOverflowError: it does not fit, and may not be cut.
        InferenceError: a text has no tokens, an id is none of the model's, or the template refuses the conversation.
    """
    _check_size(request, n_ctx)
    _check_ids(request, n_vocab)
    encoded = _rolling(request, tokenizer, n_ctx) if request.is_rolling else _fitted(request, tokenizer, n_ctx)
    n_tokens = sum(len(tail) for piece in encoded.pieces for tail in piece.tails)
    if n_tokens > MAX_TOKENS or n_tokens * request.top_k > MAX_NUMBERS:
        raise InferenceError(
            f"{n_tokens} tokens with the likeliest {request.top_k} at each are more than one request may score; "
            "divide the text"
        )
    return encoded


def _fitted(request: ScoreRequest, tokenizer: ScoreTokenizer, n_ctx: int) -> Encoded:
    """Each continuation behind the same prefix, cut where it must be and may."""
    pairs, notes, prompt = _pairs(request, tokenizer)
    if not all(tail for _, tail in pairs):
        raise InferenceError("a continuation has no tokens of its own; give it some text")
    contexts = [context for context, _ in pairs]
    # The last token of a tail is scored but need not be read.
    longest = max(len(context) + len(tail) - 1 for context, tail in pairs)
    if longest <= n_ctx and all(context == contexts[0] for context in contexts):
        piece = Piece(contexts[0], [tail for _, tail in pairs], list(range(len(pairs))))
        return Encoded([piece], len(contexts[0]), notes=notes, prompt=prompt)
    if longest > n_ctx and not request.may_truncate:
        raise ContextOverflowError(
            f"prefix and continuation have {longest + 1} tokens but the context holds {n_ctx}; raise n_ctx, shorten "
            "the prefix or allow it to be cut"
        )
    pieces, truncated = [], 0
    for number, (context, tail) in enumerate(pairs):
        kept = n_ctx + 1 - len(tail)
        if kept < 1:
            raise ContextOverflowError(
                f"a continuation has {len(tail)} tokens but the context holds {n_ctx}; raise n_ctx, or score it as a "
                "rolling text"
            )
        truncated = max(truncated, len(context) - kept)
        pieces.append(Piece(context[-kept:], [tail], [number]))
    return Encoded(pieces, max(map(len, contexts)), max(0, truncated), notes, prompt)


def rolling_windows(tokens: Sequence[int], begin: int, n_ctx: int) -> Iterator[tuple[list[int], list[int]]]:
    """Cut a long text into windows of at most ``n_ctx`` tokens, which together predict each token once.

    The first window begins with ``begin``. The last one reads as much before what it predicts as there is room for.

    Returns:
        For each window what is only read and what is scored.
    """
    first = min(n_ctx, len(tokens))
    yield [begin], list(tokens[:first])
    done = first
    while done < len(tokens):
        n = min(len(tokens) - done, n_ctx)
        end = done + n
        window = tokens[max(0, end - n_ctx - 1) : end]
        yield list(window[: len(window) - n]), list(window[len(window) - n :])
        done = end


def _rolling(request: ScoreRequest, tokenizer: ScoreTokenizer, n_ctx: int) -> Encoded:
    begin = _begin(tokenizer)
    pieces = []
    for number, text in enumerate(request.continuations):
        tokens = tokenizer.of_piece(text) if isinstance(text, str) else list(text)
        if not tokens:
            raise InferenceError("a text has no tokens; give it some text")
        pieces += [Piece(context, [tail], [number]) for context, tail in rolling_windows(tokens, begin, n_ctx)]
    return Encoded(pieces, 1)


def _pairs(
    request: ScoreRequest, tokenizer: ScoreTokenizer
) -> tuple[list[tuple[list[int], list[int]]], tuple[str, ...], str]:
    """For each continuation the tokens before it and its own; remarks; and what a template made of a conversation."""
    prefix = request.prefix
    if isinstance(prefix, str):
        return [_text_pair(prefix, continuation, tokenizer) for continuation in request.continuations], (), ""
    if request.messages:
        return _chat_pairs(request, tokenizer)
    context = list(cast(tuple[int, ...], prefix)) or [_begin(tokenizer)]
    return (
        [
            (context, tokenizer.of_piece(text) if isinstance(text, str) else list(text))
            for text in request.continuations
        ],
        (),
        "",
    )


def _text_pair(
    prefix: str, continuation: str | tuple[int, ...], tokenizer: ScoreTokenizer
) -> tuple[list[int], list[int]]:
    if not isinstance(continuation, str):
        return (tokenizer.of_text(prefix) if prefix else [_begin(tokenizer)]), list(continuation)
    if not prefix:
        begin, tail = _begin(tokenizer), tokenizer.of_piece(continuation)
        # A text that brings its begin mark is not given a second one.
        return ([begin], tail) if not tail or tail[0] != begin else (tail[:1], tail[1:])
    stripped = prefix.rstrip()
    continuation = prefix[len(stripped) :] + continuation
    context = tokenizer.of_text(stripped)
    return context, tokenizer.of_text(stripped + continuation)[len(context) :]


def _chat_pairs(
    request: ScoreRequest, tokenizer: ScoreTokenizer
) -> tuple[list[tuple[list[int], list[int]]], tuple[str, ...], str]:
    """Behind a rendered conversation a continuation is tokenised by itself: it is text, the template is not."""
    messages: tuple[Message, ...] = request.messages
    rendered = tokenizer.template.render(
        GenerationRequest(messages=messages, config=request.config, continue_final=messages[-1].role == "assistant")
    )
    *parts, last = rendered.parts
    stripped = last.text.rstrip()
    blanks = last.text[len(stripped) :]
    context = tokenizer.of_parts([*parts, PromptPart(stripped, last.is_template)])
    pairs = []
    for text in request.continuations:
        tail = tokenizer.of_piece(blanks + text) if isinstance(text, str) else [*tokenizer.of_piece(blanks), *text]
        pairs.append((context, tail))
    return pairs, rendered.notes, rendered.text


def _begin(tokenizer: ScoreTokenizer) -> int:
    if tokenizer.begin is None:
        raise InferenceError("the prefix is empty and this model has no token to begin a text with; give it a prefix")
    return tokenizer.begin


def _check_ids(request: ScoreRequest, n_vocab: int) -> None:
    """Refuse ids that would be read as whatever lies behind the vocabulary."""
    prefix = () if request.messages else (request.prefix,)
    for ids in (part for part in (*prefix, *request.continuations, *request.at) if not isinstance(part, str)):
        for id in ids:
            if not isinstance(id, int) or not 0 <= id < n_vocab:
                raise InferenceError(f"{id!r} is none of this model's {n_vocab} tokens: it is from another tokenizer")


def _check_size(request: ScoreRequest, n_ctx: int) -> None:
    """Refuse a text that is far too long for the context before it is tokenised."""
    if request.is_rolling or request.may_truncate:
        return
    for text in (request.prefix, *request.continuations):
        if isinstance(text, str) and len(text) > MAX_TOKEN_CHARS * n_ctx:
            raise ContextOverflowError(
                f"a text of {len(text)} characters cannot fit into a context of {n_ctx} tokens; raise n_ctx or cut it"
            )
