"""Reads calls of tools out of an answer's text, while it is written."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.tool_forms import CallForm

# Nine letters and digits: some templates take no other ids.
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ID_CHARS = 9
MAX_NAME_CHARS = 300


@dataclass(frozen=True, slots=True)
class CallPiece:
    """Part of a call: the first piece has its id and name."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


def new_call_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(ID_CHARS))


class ToolCallReader:
    """Splits what a model writes into its text and its calls.

    Args:
        form: how calls are written, without tokens that have no text.
        must_call: the answer is a call from its first character on.
    """

    def __init__(self, form: CallForm, *, must_call: bool) -> None:
        self._form = form
        # A mark may stand anywhere; without one a call is the whole answer.
        self._mark, self._is_anywhere = (form.mark, True) if form.mark else (form.opening, False)
        self._must_call = must_call
        self._rest, self._has_text = "", False
        self._state = self._in_text
        self._index = -1
        self._scan = _ObjectEnd()

    def push(self, text: str) -> Iterator[str | CallPiece]:
        """What ``text`` adds: pieces of the answer's text, and of its calls.

        Raises:
            InferenceError: what was begun as a call is none.
        """
        self._rest += text
        while True:
            before, state = self._rest, self._state
            yield from self._state()
            if self._rest == before and self._state == state:
                return

    def flush(self) -> str:
        """Text that was held back, at the answer's end; a call that was cut leaves nothing."""
        held, self._rest = self._rest, ""
        return held if self._state == self._in_text else ""

    def _in_text(self) -> Iterator[str | CallPiece]:
        if self._must_call:
            self._state = self._at_opening
            return
        at = self._rest.find(self._mark)
        if at >= 0 and (self._is_anywhere or (not self._has_text and not self._rest[:at].strip())):
            said, self._rest = self._rest[:at].rstrip(), self._rest[at:]
            self._state = self._at_opening
            if said:
                yield said
            return
        said, self._rest = self._split()
        self._has_text = self._has_text or bool(said)
        if said:
            yield said

    def _split(self) -> tuple[str, str]:
        """Text that is certain to be text, and the end that may yet begin a call, with the blanks before it."""
        if not self._is_anywhere and (self._has_text or not self._mark.startswith(self._rest.lstrip()[:1])):
            return self._rest, ""
        keep = next(
            (n for n in range(min(len(self._mark), len(self._rest)), 0, -1) if self._rest.endswith(self._mark[:n])), 0
        )
        if not self._is_anywhere and keep < len(self._rest.lstrip()):
            return self._rest, ""
        said = self._rest[: len(self._rest) - keep]
        said = said.rstrip()
        return said, self._rest[len(said) :]

    def _at_opening(self) -> Iterator[str | CallPiece]:
        yield from self._literal(self._form.opening, self._in_name)

    def _literal(self, text: str, then: object) -> Iterator[str | CallPiece]:
        """Read a text that must stand here; blanks at its ends count for nothing."""
        found, wanted = self._rest.lstrip(), text.strip()
        if len(found) >= len(wanted):
            if not found.startswith(wanted):
                raise InferenceError(f"the model began a call of a tool by {found[:80]!r}, which is none; ask again")
            self._rest = found[len(wanted) :]
            self._state = then  # type: ignore[assignment]
        return iter(())

    def _in_name(self) -> Iterator[str | CallPiece]:
        name, between, rest = self._rest.partition(self._form.between.strip() or "{")
        if not between:
            if len(name) > MAX_NAME_CHARS:
                raise InferenceError(f"the model called a tool of the name {name[:80]!r}; ask again")
            return
        self._rest = rest if self._form.between.strip() else between + rest
        self._index += 1
        self._scan = _ObjectEnd()
        self._state = self._in_arguments
        yield CallPiece(self._index, id=new_call_id(), name=name.strip())

    def _in_arguments(self) -> Iterator[str | CallPiece]:
        if self._scan.is_new:
            self._rest = self._rest.lstrip()
        end = self._scan.end(self._rest)
        piece, self._rest = self._rest[:end], self._rest[end:]
        if self._scan.is_over:
            self._state = self._after_call
        if piece:
            yield CallPiece(self._index, arguments=piece)

    def _after_call(self) -> Iterator[str | CallPiece]:
        """Another call, or the end."""
        found, following = self._rest.lstrip(), self._form.following.strip()
        if following and found.startswith(following):
            self._rest = found[len(following) :]
            self._state = self._in_name
        return iter(())


class _ObjectEnd:
    """Finds where a JSON object ends in text that comes in pieces."""

    _SIGN = re.compile(r'["{}\[\]\\]')

    def __init__(self) -> None:
        self._depth, self._in_string, self._is_escaped = 0, False, False
        self.is_new, self.is_over = True, False

    def end(self, text: str) -> int:
        """How much of ``text`` belongs to the object."""
        for at, sign in enumerate(text):
            self.is_new = False
            if self._is_escaped:
                self._is_escaped = False
            elif self._in_string:
                self._is_escaped, self._in_string = sign == "\\", sign != '"'
            elif sign == '"':
                self._in_string = True
            elif sign in "{[":
                self._depth += 1
            elif sign in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    self.is_over = True
                    return at + 1
        return len(text)
