"""A model's tokenizer on request, beside answers and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from multi_llm_comparator.core.events import Event, Failed, Tokenized
from multi_llm_comparator.core.exceptions import MultiLLMError, RequestRefusedError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.inferencers.base import as_request_error
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart

# Stands for one token of an image, where a model has no token for that. Any number below 0 does.
IMAGE_ROW = -1


class TokenTable(Protocol):
    """What a model's tokenizer must be able to do."""

    n_vocab: int

    @property
    def template(self) -> ChatTemplate:
        """The model's chat template."""

    @property
    def marks(self) -> tuple[str, str]:
        """The names of the marks that begin and end a text; "" for none."""

    def of_text(self, text: str) -> list[int]:
        """Tokens of a whole text, with the begin mark in front where the model wants one."""

    def tokens(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of parts of a prompt, without a begin mark."""

    def of_request(self, request: GenerationRequest) -> list[int]:
        """Tokens of a conversation as the model is given it; of an image its own, or numbers below 0."""

    def spelled(self, token: int) -> tuple[str, bytes]:
        """A token's text and bytes; of a control token its name, and no bytes."""

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of tokens together."""


def tokenized(request: TokenRequest, table: TokenTable, n_ctx: int) -> Event:
    """The answer to a request: ``Tokenized`` or ``Failed``."""
    try:
        found = _tokens(request, table)
        tokens = [token for token in found if token >= 0]
        begin, end = table.marks
        result = TokenList(
            tokens=tuple(tokens),
            spelled=tuple(table.spelled(token) for token in tokens),
            text=table.text_of(tokens),
            n_ctx=n_ctx,
            n_vocab=table.n_vocab,
            begin=begin,
            end=end,
            chat_template=table.template.source,
            image_tokens=len(found) - len(tokens),
        )
        return Tokenized(request_id=request.id, result=result.to_dict())
    except Exception as exc:
        # Past here it would end the process, and with it the answers to everybody else.
        error: MultiLLMError = as_request_error(exc)
        return Failed.of(request.id, error)


def _tokens(request: TokenRequest, table: TokenTable) -> list[int]:
    if request.tokens:
        return checked_ids(request.tokens, table.n_vocab)
    if request.messages:
        return table.of_request(
            GenerationRequest(messages=request.messages, config=request.config, continue_final=request.continues)
        )
    if not request.text:
        return []
    if request.adds_begin and not request.reads_control:
        return table.of_text(request.text)
    tokens = table.tokens([PromptPart(request.text, is_template=request.reads_control)])
    if not request.adds_begin:
        return tokens
    # What stands before the tokens of a text is the begin mark, if there is one.
    plain = table.tokens([PromptPart("a", is_template=False)])
    lead = table.of_text("a")
    lead = lead[: len(lead) - len(plain)]
    return tokens if tokens[: len(lead)] == lead else [*lead, *tokens]


def checked_ids(tokens: Sequence[Any], n_vocab: int) -> list[int]:
    """Token ids that the model has.

    Raises:
        RequestRefusedError: it does not have one of them.
    """
    for token in tokens:
        if not isinstance(token, int) or not 0 <= token < n_vocab:
            raise RequestRefusedError(
                f"{token!r} is none of this model's {n_vocab} tokens: it is from another tokenizer"
            )
    return list(tokens)
