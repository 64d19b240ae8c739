"""What one asks of a model besides text: vectors that stand for texts."""

from __future__ import annotations

import base64
import sys
import uuid
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError

# Their vectors travel in one line: 64 of 8,192 numbers take 3 MB.
MAX_TEXTS = 64
MAX_CHARACTERS = 4 * 1024 * 1024

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """A vector for each of ``texts``, which are texts or ids of tokens.

    ``config`` says how the model is loaded. Ids are those of the model's own tokenizer.

    Raises:
        InvalidParameterError: no text, too many or too large ones, or an empty one.
    """

    texts: tuple[str | Tokens, ...]
    config: ModelConfig = field(default_factory=ModelConfig)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        if not 0 < len(self.texts) <= MAX_TEXTS or not all(self.texts):
            raise InvalidParameterError(
                f"one request embeds 1 to {MAX_TEXTS} texts, none of them empty, not {len(self.texts)}"
            )
        if sum(map(len, self.texts)) > MAX_CHARACTERS:
            raise InvalidParameterError(f"texts to embed have at most {MAX_CHARACTERS} characters in all")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EmbedRequest:
        texts = tuple(text if isinstance(text, str) else tuple(text) for text in data["texts"])
        return cls(**{**data, "texts": texts, "config": ModelConfig.from_dict(data["config"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """The vectors of a request's texts, in their order.

    Attributes:
        vectors: of length 1 each, as float32.
        tokens: how many tokens each text has, marks included.
        how: which states the vectors are made of, for people.
    """

    vectors: tuple[array[float], ...]
    tokens: tuple[int, ...]
    how: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"vectors": [packed(one) for one in self.vectors], "tokens": list(self.tokens), "how": self.how}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EmbedResult:
        return cls(vectors=tuple(map(unpacked, data["vectors"])), tokens=tuple(data["tokens"]), how=data["how"])


def vector(values: Sequence[float]) -> array[float]:
    return array("f", values)


def packed(values: array[float]) -> str:
    """Little-endian float32 in base64, as OpenAI's clients read it."""
    return base64.b64encode(_little(values).tobytes()).decode()


def unpacked(text: str) -> array[float]:
    """The vector that :func:`packed` wrote."""
    return _little(array("f", base64.b64decode(text)))


def _little(values: array[float]) -> array[float]:
    if sys.byteorder == "little":
        return values
    turned = array("f", values)
    turned.byteswap()
    return turned
