"""How long rows are for a model, and which of their tokens are learnt: exactly what training computes.

Imports transformers and torch: for processes that work on data, never for the app's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.left_out import LeftOut


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of a chat as ``(index of the answer, tokens, tokens learnt)``.

    ``problems`` says why answers have none: they are too long, or (``is_refused``) the model's template refuses them.
    """

    rows: tuple[tuple[int, int, int], ...]
    problems: tuple[str, ...]
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's text, as it reads among its neighbours, and whether it counts in the loss."""

    text: str
    learnt: bool


class TokenReader(Protocol):
    """What reads chats as one model does."""

    def measure(self, chat: Chat) -> Measured: ...


class ModelTokens:
    """Reads chats as a checkpoint's tokenizer and template do.

    Args:
        model_path: the checkpoint's folder; its weights are not read.
        max_tokens: the most that a row may have; longer answers are not learnt.

    Raises:
        ModelLoadError: the tokenizer cannot be read, or nothing says how the model ends an answer.
    """

    def __init__(self, model_path: str | Path, max_tokens: int) -> None:
        from multi_llm_comparator.inferencers.pytorch_load import load_tokenizer
        from multi_llm_comparator.training.chat_rows import RowMaker

        self.model_path, self.max_tokens = str(model_path), max_tokens
        self._tokenizer, stop_ids = load_tokenizer(str(model_path))
        self._maker = RowMaker(self._tokenizer, stop_ids, max_tokens)

    def measure(self, chat: Chat) -> Measured:
        from multi_llm_comparator.training.chat_rows import TOO_LONG

        left_out = LeftOut()
        rows = self._maker.rows(chat, left_out)
        lengths = tuple((index, len(row.input_ids), row.learnt_tokens) for index, row in rows.items())
        problems = tuple(reason.why for reason in left_out)
        return Measured(lengths, problems, any(why != TOO_LONG.format(self.max_tokens) for why in problems))

    def preview(self, chat: Chat) -> tuple[tuple[Piece, ...], ...]:
        """The tokens of each row of a chat, in the order of its answers."""
        from multi_llm_comparator.training.chat_rows import IGNORED

        rows = self._maker.rows(chat, LeftOut())
        return tuple(
            tuple(
                Piece(text, bool(learnt))
                for text, learnt in zip(
                    pieces(self._tokenizer, row.input_ids.tolist()), row.labels != IGNORED, strict=True
                )
            )
            for row in rows.values()
        )


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The text of each token. A character of several tokens is given to the last of them; special tokens by name."""
    special = set(tokenizer.all_special_ids)
    texts: list[str] = []
    pending: list[int] = []
    for token in ids:
        if token in special:
            texts += [""] * len(pending)
            texts.append(tokenizer.convert_ids_to_tokens(token))
            pending = []
            continue
        pending.append(token)
        text = _decoded(tokenizer, pending)
        if text.endswith("\ufffd") and len(pending) < 8:
            continue
        texts += [*[""] * (len(pending) - 1), text]
        pending = []
    if pending:
        texts += [*[""] * (len(pending) - 1), _decoded(tokenizer, pending)]
    return texts


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """Text of tokens in the middle of a text: some decoders take a space from the beginning of one."""
    first = tokenizer.convert_ids_to_tokens(ids[0]) or ""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return f" {text}" if first.startswith("\u2581") and not text.startswith(" ") else text
