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
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder
from multi_llm_comparator.training.instruction_data import Chat
from multi_llm_comparator.training.left_out import LeftOut

IGNORED = -100  # a label that no loss counts, as torch's cross_entropy has it
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


def rows_of(
    chats: Iterable[Chat], tokenizer: Any, stop_ids: frozenset[int], max_tokens: int, left_out: LeftOut
) -> list[Row]:
    """The rows of all chats, in their order.

    An answer that the template refuses, or that is longer than ``max_tokens`` with its prompt and would lose its end,
    is left out and counted.

    Raises:
        UnsupportedModelError: nothing says how this model ends an answer.
    """
    encoder = PromptEncoder(tokenizer)
    end = end_of_answer(encoder, tokenizer, stop_ids)
    rows: list[Row] = []
    for chat in chats:
        for index in chat.learnt:
            request = GenerationRequest(messages=chat.messages[:index])
            try:
                prompt = encoder.encode(request)[1]
            except InferenceError as exc:
                left_out.add(str(exc), chat.where)
                continue
            answer = tokenizer.encode(chat.messages[index].content, add_special_tokens=False, split_special_tokens=True)
            if len(prompt) + len(answer) + 1 > max_tokens:
                left_out.add(f"longer than {max_tokens} tokens", chat.where)
                continue
            ids = np.array([*prompt, *answer, end], dtype=np.int32)
            labels = ids.copy()
            labels[: len(prompt)] = IGNORED
            rows.append(Row(ids, labels))
    return rows


def end_of_answer(encoder: PromptEncoder, tokenizer: Any, stop_ids: frozenset[int]) -> int:
    """The token that the template puts behind an answer, or else the tokenizer's own end mark.

    Raises:
        UnsupportedModelError: there is neither.
    """
    for token in tokenizer.encode(_behind_answers(encoder), add_special_tokens=False):
        if token in stop_ids:
            return int(token)
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id)
    raise UnsupportedModelError(
        "nothing says how this model ends an answer; name its end token as eos_token_id in generation_config.json"
    )


def _behind_answers(encoder: PromptEncoder) -> str:
    """What the template writes behind an answer that is in the past; empty if it cannot be shown one."""
    if not encoder.template.is_present:
        return ""
    probe = GenerationRequest(messages=(Message("user", "hello"), Message("assistant", _ANSWER)))
    try:
        return encoder.template.render(probe).text.rpartition(_ANSWER)[2]
    except InferenceError:
        return ""
