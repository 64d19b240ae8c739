"""From chats to rows of tokens, exactly as the model will be asked later.

Each answer that is to be learnt becomes a row: the prompt that the engine would build for it, then the answer and the
token that ends it, and only these two in the loss. So no template needs marks of its own for what is learnt, and what
a template cuts out of earlier answers is cut out here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.exceptions import InferenceError, UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.chat import RenderedPrompt
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.left_out import LeftOut

IGNORED = -100  # a label that no loss counts, as torch's cross_entropy has it
TOO_LONG = "longer than {} tokens"
_ANSWER = "probe4d1e"


@dataclass(frozen=True, slots=True)
class Row:
    """``input_ids`` and ``labels``, both int32 of the shape (tokens,)."""

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]

    @property
    def learnt_tokens(self) -> int:
        """Tokens that count in the loss."""
        return int((self.labels != IGNORED).sum())


class RowMaker:
    """Makes the rows of chats for one model.

    Args:
        tokenizer: the model's.
        stop_ids: the tokens that end an answer of it.
        max_tokens: the most that a row may have.

    Raises:
        UnsupportedModelError: nothing says how this model ends an answer.
    """

    def __init__(self, tokenizer: Any, stop_ids: frozenset[int], max_tokens: int) -> None:
        self._tokenizer, self._max_tokens = tokenizer, max_tokens
        self._encoder = PromptEncoder(tokenizer)
        self._end = end_of_answer(self._encoder, tokenizer, stop_ids)

    def rows(self, chat: Chat, left_out: LeftOut) -> dict[int, Row]:
        """The rows of a chat, by the index of the answer that each teaches.

        An answer that the template refuses, or that is longer than ``max_tokens`` with its prompt and would lose its
        end, is left out and counted.
        """
        rows: dict[int, Row] = {}
        for index in chat.learnt:
            request = GenerationRequest(messages=chat.messages[:index])
            try:
                rendered, prompt = self._encoder.encode(request)
            except InferenceError as exc:
                left_out.add(str(exc), chat.where)
                continue
            answer = _answer_ids(self._tokenizer, rendered, chat.messages[index].content)
            if len(prompt) + len(answer) + 1 > self._max_tokens:
                left_out.add(TOO_LONG.format(self._max_tokens), chat.where)
                if len(prompt) >= self._max_tokens:
                    # So are the answers after it, whose prompts have this one in them.
                    break
                continue
            ids = np.array([*prompt, *answer, self._end], dtype=np.int32)
            labels = ids.copy()
            labels[: len(prompt)] = IGNORED
            rows[index] = Row(ids, labels)
        return rows


def rows_of(
    chats: Iterable[Chat], tokenizer: Any, stop_ids: frozenset[int], max_tokens: int, left_out: LeftOut
) -> list[Row]:
    """The rows of all chats, in their order; see :meth:`RowMaker.rows`.

    Raises:
        UnsupportedModelError: nothing says how this model ends an answer.
    """
    maker = RowMaker(tokenizer, stop_ids, max_tokens)
    return [row for chat in chats for row in maker.rows(chat, left_out).values()]


def _answer_ids(tokenizer: Any, prompt: RenderedPrompt, answer: str) -> list[int]:
    """The tokens of ``answer`` as they follow the prompt.

    Some tokenizers begin every text with a space that is not there in the middle of one. So the answer is tokenised
    together with what stands before it, or with a line break where a token would reach over that border.
    """
    apart: list[int] = tokenizer.encode(answer, add_special_tokens=False, split_special_tokens=True)
    if tokenizer.encode(answer, add_special_tokens=False) != apart:
        # It has the text of a special token in it, which must stay text; what stands before it may have real ones.
        return apart
    for before in (prompt.parts[-1].text, "\n"):
        first, joined = (tokenizer.encode(text, add_special_tokens=False) for text in (before, before + answer))
        if joined[: len(first)] == first:
            return list(joined[len(first) :])
    return apart


def end_of_answer(encoder: PromptEncoder, tokenizer: Any, stop_ids: frozenset[int]) -> int:
    """The token that the template puts behind an answer, or else the tokenizer's own end mark, or any that ends one.

    Raises:
        UnsupportedModelError: there is none.
    """
    for token in tokenizer.encode(_behind_answers(encoder), add_special_tokens=False):
        if token in stop_ids:
            return int(token)
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id)
    if stop_ids:
        return min(stop_ids)
    raise UnsupportedModelError(
        "nothing says how this model ends an answer; name its end token as eos_token_id in generation_config.json"
    )


def _behind_answers(encoder: PromptEncoder) -> str:
    """What the template writes behind an answer that is in the past; empty if it cannot be shown one."""
    if not encoder.template.is_present:
        return ""
    probe = GenerationRequest(messages=(Message("user", "hello"), Message("assistant", _ANSWER)))
    try:
        _, found, behind = encoder.template.render(probe).text.rpartition(_ANSWER)
    except InferenceError:
        return ""
    return behind if found else ""
