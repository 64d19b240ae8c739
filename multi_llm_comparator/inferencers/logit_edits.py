"""What changes a model's logits before the samplers see them, the same in both engines: biases, and DRY.

DRY ("don't repeat yourself", by p-e-w; as in llama.cpp) looks for the longest ends of the answer that stood in it
before, and makes the tokens dearer that followed them there: by ``multiplier * 1.75 ** (length - 2)``. A line break, a
colon, a quotation mark or an asterisk ends what can be repeated, so that lists and dialogues may keep their form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError

DRY_BASE, DRY_ALLOWED_LENGTH = 1.75, 2
DRY_BREAKERS = ("\n", ":", '"', "*")
# Of a longer repetition every token is out of the question already, and larger powers are no floats any more.
MAX_REPEATED = 50


class Repetitions:
    """How much of the answer's end stood before, place by place; a token costs as much as it occurred."""

    def __init__(self, breaks: Callable[[int], bool]) -> None:
        """``breaks``: whether a token ends what can be repeated."""
        self._breaks = breaks
        self._tokens: list[int] = []
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        # By the place of an earlier token: how many tokens up to there equal the last ones.
        self._lengths: dict[int, int] = {}

    def take(self, token: int) -> None:
        """The answer's next token."""
        if self._breaks(token):
            self._lengths = {}
        else:
            known = self._lengths
            self._lengths = {place: known.get(place - 1, 0) + 1 for place in self._places[token]}
        self._places[token].append(len(self._tokens))
        self._tokens.append(token)

    def costs(self, multiplier: float) -> dict[int, float]:
        """What is taken from the logits of tokens that would repeat more, in nats."""
        longest: dict[int, int] = {}
        for place, length in self._lengths.items():
            if length >= DRY_ALLOWED_LENGTH:
                after = self._tokens[place + 1]
                longest[after] = max(longest.get(after, 0), min(length, MAX_REPEATED))
        return {token: multiplier * DRY_BASE ** (length - DRY_ALLOWED_LENGTH) for token, length in longest.items()}


class LogitEdits:
    """The biases and repetitions of one answer.

    Args:
        config: the answer's parameters.
        n_vocab: how many tokens the model has.
        text_of: a token's text, to see what ends a repetition.

    Raises:
        InvalidParameterError: a bias for a token that the model does not have.
    """

    def __init__(self, config: ModelConfig, n_vocab: int, text_of: Callable[[int], str]) -> None:
        self._bias: Mapping[int, float] = config.logit_bias or {}
        if self._bias and (largest := max(self._bias)) >= n_vocab:
            raise InvalidParameterError(
                f"logit_bias names token {largest}, and the model has {n_vocab}: it is from another tokenizer"
            )
        self._multiplier = config.dry_multiplier
        self._repetitions = None
        if self._multiplier:
            self._repetitions = Repetitions(lambda token: any(mark in text_of(token) for mark in DRY_BREAKERS))

    @property
    def are_none(self) -> bool:
        """Whether the logits stay as they are."""
        return not self._bias and self._repetitions is None

    def take(self, token: int) -> None:
        """The answer's next token."""
        if self._repetitions is not None:
            self._repetitions.take(token)

    def added(self) -> dict[int, float]:
        """What is added to the logits of which tokens at the next place."""
        added = dict(self._bias)
        if self._repetitions is not None:
            for token, cost in self._repetitions.costs(self._multiplier).items():
                added[token] = added.get(token, 0.0) - cost
        return added
