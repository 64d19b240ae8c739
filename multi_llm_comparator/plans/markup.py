"""Text on its way from a planner to an XML parser: what is not plan is set aside, what is certainly meant is repaired.

Everything works on pieces as they arrive; what cannot be judged yet waits for the next piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from multi_llm_comparator.plans.errors import ForbiddenMarkupError

_OPENING = re.compile(r"<think>|</think>|<(?:plan|step)(?=[\s/>])", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")
_COULD_BE_ENTITY = re.compile(r"&(?:#?[0-9A-Za-z]{0,8})?\Z")
_QUOTE_CLOSES = re.compile(r"""["'](?:\s+[A-Za-z][\w.-]*\s*=|\s*/?>|\s*\?>)""")
_QUOTE_UNDECIDED = re.compile(r"""["']\s*(?:[A-Za-z][\w.-]*\s*|/)?\Z""")
# XML 1.0 has no place for these, not even as character references.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONGEST_OPENING = len("</think>")
# A closing quote is judged by what follows it; more blank space than this after it is not waited for.
_LOOKAHEAD = 80

Note = Callable[[str], None]


class Preamble:
    """Splits what comes before the plan into thinking and prose, and finds where the plan begins."""

    def __init__(self) -> None:
        # Pieces: texts that grow by a little many thousand times take their time.
        self._thinking: list[str] = []
        self._prose: list[str] = []
        self._in_thought = False
        self._tail = ""

    @property
    def thinking(self) -> str:
        return "".join(self._thinking)

    @property
    def prose(self) -> str:
        return "".join(self._prose)

    def feed(self, text: str) -> str | None:
        """Take a piece; returns the plan's text from its first tag on once that has been seen, else None."""
        text, at = self._tail + text, 0
        for match in _OPENING.finditer(text):
            before, tag = text[at : match.start()], match.group().lower()
            if self._in_thought and tag != "</think>":
                # A draft inside the thinking is not the plan.
                self._keep(before + match.group())
            elif tag == "<think>":
                self._keep(before)
                self._in_thought = True
            elif tag == "</think>":
                self._close_thought(before)
            else:
                self._keep(before)
                self._tail = ""
                return text[match.start() :]
            at = match.end()
        self._tail = text[at:]
        keep = len(self._tail) - _LONGEST_OPENING
        if keep > 0:
            self._keep(self._tail[:keep])
            self._tail = self._tail[keep:]
        return None

    def close(self) -> None:
        self._keep(self._tail)
        self._tail = ""

    def _keep(self, text: str) -> None:
        (self._thinking if self._in_thought else self._prose).append(text)

    def _close_thought(self, before: str) -> None:
        self._keep(before)
        if not self._in_thought:
            # Some templates open the thought themselves, so that the model only writes its end.
            self._thinking, self._prose = self._prose, []
        self._in_thought = False


class _Place(Enum):
    TEXT = auto()
    TAG = auto()
    VALUE = auto()
    COMMENT = auto()


# Runs of characters that need no look, place by place: plans are mostly made of these.
_ORDINARY = {
    _Place.TEXT: re.compile("[^<&\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]+"),
    _Place.TAG: re.compile("[^<>\"'\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]+"),
    _Place.VALUE: re.compile("[^<&\"'\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]+"),
    _Place.COMMENT: re.compile("[^-]+"),
}


class Repairer:
    """Makes a planner's XML well formed where the meaning is certain: bare ``&`` and ``<`` in attribute values,
    quotation marks within them, characters that XML does not allow. Text between tags and comments say nothing that a
    plan can hold; they are noted. Document types and entities are refused."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._place = _Place.TEXT
        self._around_comment = _Place.TEXT
        self._quote = ""
        self._tail = ""
        self.is_between_tags = True

    def feed(self, text: str, *, final: bool = False) -> str:
        """Take a piece; returns what can be passed on by now."""
        data = self._tail + text
        self._tail = ""
        out: list[str] = []
        at = 0
        while at < len(data):
            taken, piece = self._one(data, at, final=final)
            if taken == 0:
                self._tail = data[at:]
                break
            out.append(piece)
            at += taken
        if final and self._place is _Place.COMMENT:
            self._place = self._around_comment
        self.is_between_tags = self._place is _Place.TEXT and not self._tail.strip()
        return "".join(out)

    def _one(self, data: str, at: int, *, final: bool) -> tuple[int, str]:
        """Characters taken from ``data`` at ``at`` and what becomes of them; none taken means: wait for more."""
        if run := _ORDINARY[self._place].match(data, at):
            return len(run.group()), self._ordinary(run.group())
        char = data[at]
        if self._place is _Place.COMMENT:
            return self._in_comment(data, at, final=final)
        if _NOT_XML.match(char):
            self._note(f"left out the character U+{ord(char):04X}, which XML does not allow")
            return 1, ""
        if self._place is _Place.VALUE:
            return self._in_value(data, at, char, final=final)
        if char == "<":
            return self._open(data, at, final=final)
        if self._place is _Place.TAG:
            if char in "\"'":
                self._place, self._quote = _Place.VALUE, char
            elif char == ">":
                self._place = _Place.TEXT
            return 1, char
        return self._plain(data, at, final=final)

    def _ordinary(self, run: str) -> str:
        if self._place is _Place.COMMENT:
            return ""
        if self._place is _Place.TEXT and run.strip():
            self._note("ignored the text between the steps")
        return run

    def _in_comment(self, data: str, at: int, *, final: bool) -> tuple[int, str]:
        """Its hyphens, of which three characters tell whether it ends."""
        ahead = data[at : at + 3]
        if len(ahead) < 3 and "-->".startswith(ahead) and not final:
            return 0, ""
        if ahead != "-->":
            return 1, ""
        self._place = self._around_comment
        return 3, ""

    def _open(self, data: str, at: int, *, final: bool) -> tuple[int, str]:
        ahead = data[at : at + 4]
        if ahead.startswith("<!") and ahead != "<!--":
            if len(ahead) < 4 and not final and "<!--".startswith(ahead):
                return 0, ""
            raise ForbiddenMarkupError(
                "the plan has a document type, entity or CDATA section; write only Plan and Step"
            )
        if ahead == "<!--":
            # Dropped whole, so that nothing can hide in it.
            self._note("left out a comment")
            self._place, self._around_comment = _Place.COMMENT, self._place
            return 4, ""
        if len(ahead) == 1 and not final:
            return 0, ""
        self._place = _Place.TAG
        return 1, "<"

    def _plain(self, data: str, at: int, *, final: bool) -> tuple[int, str]:
        if data[at] != "&":
            return 1, data[at]
        return self._ampersand(data, at, final=final)

    def _in_value(self, data: str, at: int, char: str, *, final: bool) -> tuple[int, str]:
        if char == self._quote:
            return self._maybe_close(data, at, char, final=final)
        if char == "<":
            self._note("wrote '<' in an attribute as '&lt;'")
            return 1, "&lt;"
        if char == "&":
            return self._ampersand(data, at, final=final)
        return 1, char

    def _maybe_close(self, data: str, at: int, char: str, *, final: bool) -> tuple[int, str]:
        ahead = data[at : at + _LOOKAHEAD]
        if _QUOTE_CLOSES.match(ahead):
            self._place = _Place.TAG
            return 1, char
        if _QUOTE_UNDECIDED.match(ahead) and len(ahead) < _LOOKAHEAD and not final:
            return 0, ""
        self._note("wrote a quotation mark within an attribute as '&quot;'")
        return 1, "&quot;" if char == '"' else "&apos;"

    def _ampersand(self, data: str, at: int, *, final: bool) -> tuple[int, str]:
        ahead = data[at : at + 12]
        if entity := _ENTITY.match(ahead):
            return len(entity.group()), entity.group()
        if _COULD_BE_ENTITY.match(ahead) and not final:
            return 0, ""
        self._note("wrote '&' as '&amp;'")
        return 1, "&amp;"
