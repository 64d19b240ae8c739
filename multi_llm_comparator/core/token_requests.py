"""What one asks of a model's tokenizer: the tokens of a text or a conversation, the text of tokens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.requests import Message

MAX_TOKENS = 256 * 1024
MAX_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """Tokens of ``text`` or of ``messages``, or the text of ``tokens``: one of the three, or none for what is known of
    the tokenizer itself.

    Args:
        config: how the model is loaded.
        adds_begin: put the begin mark in front of a text, where the model wants one.
        reads_control: the name of a control token in a text becomes that token. Prompts are read without.
        continues: the last message is the assistant's, and is continued.

    Raises:
        InvalidParameterError: too large.
    """

    text: str = ""
    messages: tuple[Message, ...] = ()
    tokens: tuple[int, ...] = ()
    config: ModelConfig = field(default_factory=ModelConfig)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    adds_begin: bool = True
    reads_control: bool = False
    continues: bool = False
    adapter: str = ""

    def __post_init__(self) -> None:
        if len(self.text) + sum(len(message.content) for message in self.messages) > MAX_CHARACTERS:
            raise InvalidParameterError(f"a text of more than {MAX_CHARACTERS} characters is not tokenised; cut it")
        if len(self.tokens) > MAX_TOKENS:
            raise InvalidParameterError(f"more than {MAX_TOKENS} tokens are not made into text; cut them")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TokenRequest:
        return cls(
            **{
                **data,
                "messages": tuple(map(Message.from_dict, data["messages"])),
                "tokens": tuple(data["tokens"]),
                "config": ModelConfig.from_dict(data["config"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList:
    """Tokens and their text.

    Attributes:
        tokens: ids.
        spelled: each one's text and bytes; a character of several tokens is U+FFFD in each, and a control token has its
            name and no bytes.
        text: of all together.
        n_ctx: how many the model's context holds.
        begin, end: the names of the marks that begin and end a text; "" where there are none.
        chat_template: the model's, in Jinja; "" where it has none that can be used.
        n_vocab: how many tokens the model knows.
        image_tokens: how many images take beside ``tokens``, in models that have no token for them.
    """

    tokens: tuple[int, ...]
    spelled: tuple[tuple[str, bytes], ...]
    text: str
    n_ctx: int
    n_vocab: int
    begin: str = ""
    end: str = ""
    chat_template: str = ""
    image_tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data: bytes in hexadecimal."""
        return {**asdict(self), "spelled": [[text, raw.hex()] for text, raw in self.spelled]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TokenList:
        spelled = tuple((str(text), bytes.fromhex(raw)) for text, raw in data["spelled"])
        return cls(**{**data, "tokens": tuple(data["tokens"]), "spelled": spelled})
