"""What one text has that another has not, word by word.

The alignment is a longest common subsequence, found with the bit-parallel method of Hyyrö (2004, "Bit-parallel
LCS-length computation revisited"): a row of the table is one whole number of Python's, which makes 10,000 words against
10,000 a matter of some hundredths of a second, whatever the words are. Chinese, Japanese and Korean text is compared
sign by sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["same", "removed", "added"]
# Rows of the table are kept to walk back through it: at most so many bits, 64 MiB. Beyond, lines are aligned first.
MAX_TABLE_BITS = 2**29
# Fewer words than this between two changes are shown as part of one change, where they are not longer than it.
ISLAND_WORDS = 3
# So many characters stay visible beside each change when what is the same is folded.
BESIDE_CHARS = 160

_WORD = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"  # one sign each
    r"|[^\W_\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+(?:['’][^\W\d_]+)*"
    r"|[^\s]"
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that both have, or only the first (``removed``), or only the second (``added``)."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch that both have, far from any change; ``words`` counts them."""

    text: str
    words: int


@dataclass(frozen=True, slots=True)
class _Word:
    """A word, and the space that stands before it. The last of a text is "", with the space at its end."""

    space: str
    word: str

    @property
    def text(self) -> str:
        return self.space + self.word


def word_differences(a: str, b: str) -> tuple[Piece, ...]:
    """How ``b`` differs from ``a``.

    The same and removed pieces together are ``a``, the same and added ones ``b``, to the sign; no two neighbours are of
    one kind, and what was removed comes before what was added in its place. Equal texts are one piece, empty ones none.
    """
    if a == b:
        return (Piece("same", a),) if a else ()
    left, right = _words(a), _words(b)
    return tuple(_without_islands(_joined(_aligned(left, right))))


def are_equal(pieces: Sequence[Piece]) -> bool:
    return all(piece.kind == "same" for piece in pieces)


def folded(pieces: Sequence[Piece], beside: int = BESIDE_CHARS) -> Iterator[Piece | Fold]:
    """The pieces as a reader wants them: of long stretches that are the same only the ends, the rest folded.

    ``beside`` is how many characters stay visible beside a change. Texts that are equal are one fold.
    """
    for position, piece in enumerate(pieces):
        head = beside if position > 0 else 0
        tail = beside if position < len(pieces) - 1 else 0
        if piece.kind != "same" or len(piece.text) <= head + tail + beside:
            yield piece
            continue
        start, end = _at_space(piece.text, head), _at_space(piece.text, len(piece.text) - tail)
        inner = piece.text[start:end]
        if start:
            yield Piece("same", piece.text[:start])
        yield Fold(inner, sum(1 for _ in _WORD.finditer(inner)))
        if end < len(piece.text):
            yield Piece("same", piece.text[end:])


def _at_space(text: str, at: int) -> int:
    """The nearest place from ``at`` on where no word is cut, if there is one soon."""
    if at in (0, len(text)):
        return at
    found = re.compile(r"\s").search(text, at, at + 40)
    return found.start() if found else at


def _words(text: str) -> list[_Word]:
    words, end = [], 0
    for found in _WORD.finditer(text):
        words.append(_Word(text[end : found.start()], found[0]))
        end = found.end()
    return [*words, _Word(text[end:], "")]


# --- aligning -----------------------------------------------------------------------------------------------------


def _aligned(left: Sequence[_Word], right: Sequence[_Word]) -> Iterator[Piece]:
    """Pieces, many to a kind. Whatever is equal at both ends is taken away first."""
    a, b = [word.word for word in left], [word.word for word in right]
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    stop = 0
    while stop < min(len(a), len(b)) - start and a[-1 - stop] == b[-1 - stop]:
        stop += 1
    yield from _same(left[:start], right[:start])
    inner_left, inner_right = left[start : len(a) - stop], right[start : len(b) - stop]
    if len(inner_left) * len(inner_right) <= MAX_TABLE_BITS:
        yield from _from_pairs(inner_left, inner_right, _common(a[start : len(a) - stop], b[start : len(b) - stop]))
    else:
        yield from _by_line(inner_left, inner_right)
    yield from _same(left[len(a) - stop :], right[len(b) - stop :])


def _same(left: Sequence[_Word], right: Sequence[_Word]) -> Iterator[Piece]:
    """Words that are equal, with the spaces before them, which may differ."""
    for one, other in zip(left, right, strict=True):
        if one.space == other.space:
            yield Piece("same", one.text)
        else:
            yield Piece("removed", one.space)
            yield Piece("added", other.space)
            yield Piece("same", one.word)


def _from_pairs(left: Sequence[_Word], right: Sequence[_Word], pairs: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    at_left = at_right = 0
    for i, j in (*pairs, (len(left), len(right))):
        yield Piece("removed", "".join(word.text for word in left[at_left:i]))
        yield Piece("added", "".join(word.text for word in right[at_right:j]))
        if i < len(left):
            yield from _same(left[i : i + 1], right[j : j + 1])
        at_left, at_right = i + 1, j + 1


def _common(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The places of a longest common subsequence in both, in order."""
    if not a or not b:
        return []
    # Bit j of a word's mask: it stands at b[j].
    masks: dict[str, int] = {}
    for j, word in enumerate(b):
        masks[word] = masks.get(word, 0) | 1 << j
    whole = (1 << len(b)) - 1
    row, rows = whole, []
    for word in a:
        matched = row & masks.get(word, 0)
        row = ((row + matched) | (row - matched)) & whole
        rows.append(row)
    # A bit of a row that is 0 is where the common subsequence of the words so far grows by one.
    pairs, i, j = [], len(a) - 1, len(b) - 1
    while i >= 0 and j >= 0:
        if rows[i] >> j & 1:
            j -= 1
        elif i > 0 and not rows[i - 1] >> j & 1:
            i -= 1
        else:
            pairs.append((i, j))
            i, j = i - 1, j - 1
    return pairs[::-1]


def _by_line(left: Sequence[_Word], right: Sequence[_Word]) -> Iterator[Piece]:
    """For texts whose words are too many: lines are aligned, and those that differ are shown whole."""
    a = _LINE.findall("".join(word.text for word in left))
    b = _LINE.findall("".join(word.text for word in right))
    if len(a) * len(b) > MAX_TABLE_BITS:
        yield Piece("removed", "".join(a))
        yield Piece("added", "".join(b))
        return
    lines_left, lines_right = [_Word("", line) for line in a], [_Word("", line) for line in b]
    yield from _from_pairs(lines_left, lines_right, _common(a, b))


# --- for the eye --------------------------------------------------------------------------------------------------


def _joined(pieces: Iterator[Piece]) -> list[Piece]:
    """Neighbours of one kind as one piece, what was removed before what was added."""
    joined: list[Piece] = []
    pending: dict[Kind, list[str]] = {"same": [], "removed": [], "added": []}

    def flush(*kinds: Kind) -> None:
        for kind in kinds:
            if text := "".join(pending[kind]):
                joined.append(Piece(kind, text))
            pending[kind].clear()

    for piece in pieces:
        if not piece.text:
            continue
        if piece.kind == "same":
            flush("removed", "added")
        else:
            flush("same")
        pending[piece.kind].append(piece.text)
    flush("same", "removed", "added")
    return joined


def _without_islands(pieces: Sequence[Piece]) -> list[Piece]:
    """Lone words that happen to be common to two long changes make a reader jump: they become part of the change."""

    def changed(side: Sequence[Piece]) -> int:
        return max((len(piece.text) for piece in side), default=0)

    opened: list[Piece] = []
    for position, piece in enumerate(pieces):
        is_island = False
        if piece.kind == "same" and 0 < position < len(pieces) - 1:
            before = [p for p in opened[-2:] if p.kind != "same"]
            after = [p for p in pieces[position + 1 : position + 3] if p.kind != "same"]
            few = sum(1 for _ in _WORD.finditer(piece.text)) < ISLAND_WORDS
            is_island = few and len(piece.text) <= min(changed(before), changed(after))
        opened += [Piece("removed", piece.text), Piece("added", piece.text)] if is_island else [piece]
    return _joined(iter(opened))
