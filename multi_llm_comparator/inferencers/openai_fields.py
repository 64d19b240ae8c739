"""What an OpenAI-compatible endpoint is told of an answer's sampling, and the token pieces that it sends back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.keys import KeyMask
from multi_llm_comparator.core.token_pieces import NO_CHANCE, TokenChance, TokenPiece

# Said of what an endpoint is not told; `{}` are names of parameters.
UNTOLD = "The endpoint of this model takes no {}: the answer was written without."
MAX_TOP = 20
# Usual values of parameters that only some endpoints know.
_RARE = {"min_p": 0.0, "typical_p": 1.0, "dry_multiplier": 0.0}


def standard_fields(config: ModelConfig) -> dict[str, Any]:
    """The fields of OpenAI's own API."""
    fields: dict[str, Any] = {
        "temperature": 0.0 if config.is_greedy else config.temperature,
        "top_p": config.top_p,
        "presence_penalty": config.presence_penalty,
    }
    if config.frequency_penalty:
        fields["frequency_penalty"] = config.frequency_penalty
    if config.logit_bias:
        fields["logit_bias"] = {str(token): bias for token, bias in config.logit_bias.items()}
    return fields


def logprob_fields(config: ModelConfig) -> dict[str, Any]:
    """The fields that ask for log-probabilities."""
    if config.top_logprobs is None:
        return {}
    return {"logprobs": True, "top_logprobs": config.top_logprobs}


def rare_fields(config: ModelConfig, known: Iterable[str]) -> dict[str, Any]:
    """Of the samplers beyond OpenAI's those that are asked for and that the endpoint knows."""
    return {name: getattr(config, name) for name in known if getattr(config, name) != _RARE[name]}


def untold(config: ModelConfig, known: Iterable[str], *, takes_sampling: bool) -> tuple[str, ...]:
    """A note that names what is asked for and cannot be said to the endpoint; none where there is nothing."""
    names = [name for name, usual in _RARE.items() if name not in known and getattr(config, name) != usual]
    if not takes_sampling:
        names += ["frequency_penalty"] * bool(config.frequency_penalty) + ["logit_bias"] * bool(config.logit_bias)
    if config.thinking_budget is not None:
        names.append("thinking_budget")
    return (UNTOLD.format(", ".join(names)),) if names else ()


class Channel:
    """The text of an answer, or of its thoughts, as an endpoint sends it: whole characters, without keys of ours.

    JSON may cut a character beyond U+FFFF in two halves: the first is held until the second comes. Pieces are held as
    long as the end of the text could begin a key, and dropped where there was one: masked they would spell it.
    """

    def __init__(self) -> None:
        self._half = ""
        self._mask = KeyMask()
        self._raw, self._shown = "", ""
        self._pieces: list[TokenPiece] = []

    def push(self, text: str, pieces: Iterable[TokenPiece] = ()) -> tuple[str, tuple[TokenPiece, ...]]:
        """Take what came; returns what can be shown by now."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._tell(whole, self._mask.push(whole), pieces)

    def rest(self) -> tuple[str, tuple[TokenPiece, ...]]:
        """What was held back because a key could have begun so."""
        return self._tell("", self._mask.flush(), ())

    def _tell(self, raw: str, shown: str, pieces: Iterable[TokenPiece]) -> tuple[str, tuple[TokenPiece, ...]]:
        self._pieces += pieces
        self._raw, self._shown = self._raw + raw, self._shown + shown
        is_held = len(self._shown) < len(self._raw) and self._raw.startswith(self._shown)
        if is_held:
            return shown, ()
        released = tuple(self._pieces) if self._raw == self._shown else ()
        self._raw = self._shown = ""
        self._pieces = []
        return shown, released


def pieces_of(choice: Mapping[str, Any]) -> list[TokenPiece]:
    """The tokens with their log-probabilities that came with a choice; none where there are none.

    Raises:
        TypeError, ValueError, AttributeError, LookupError: they are not what they should be.
    """
    content = (choice.get("logprobs") or {}).get("content") or []
    return [
        TokenPiece(
            -1,
            str(one["token"]),
            _bytes(one),
            _logprob(one),
            tuple(map(_chance, (one.get("top_logprobs") or [])[:MAX_TOP])),
        )
        for one in content
    ]


def _chance(one: Mapping[str, Any]) -> TokenChance:
    return TokenChance(-1, str(one["token"]), _logprob(one), _bytes(one))


def _logprob(one: Mapping[str, Any]) -> float:
    value = float(one["logprob"])
    # What is no number, or impossible, is no chance.
    return value if NO_CHANCE <= value <= 1e-3 else NO_CHANCE


def _bytes(one: Mapping[str, Any]) -> tuple[int, ...]:
    given = one.get("bytes")
    # A number would be a length, and that many zeros.
    if not isinstance(given, list):
        return tuple(str(one["token"]).encode("utf-8", "replace"))
    return tuple(bytes(given))


def thinking_fields(config: ModelConfig) -> Mapping[str, Any]:
    """How vLLM and llama-server are told whether a model thinks: a variable of its chat template."""
    if config.enable_thinking is None:
        return {}
    return {"chat_template_kwargs": {"enable_thinking": config.enable_thinking}}
