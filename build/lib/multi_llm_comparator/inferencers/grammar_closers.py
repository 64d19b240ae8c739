"""Bringing an answer under a grammar to its end before its tokens run out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.uint8]


def closing_ranks(pieces: Iterable[bytes | None], closers: Sequence[str]) -> Ranks:
    """How soon each token leads to the end: of those that may follow, the ones of the lowest rank are to be taken.

    Args:
        pieces: the bytes of each token; None for those that end the text.
        closers: what leads to the end, best first. A token counts if it begins so, or is the beginning of it.
    """
    wanted = [closer.encode() for closer in closers]
    return np.fromiter((_rank(piece, wanted) for piece in pieces), dtype=np.uint8)


def _rank(piece: bytes | None, wanted: Sequence[bytes]) -> int:
    if piece is None:
        return 0
    matching = (i for i, c in enumerate(wanted, 1) if piece and (piece.startswith(c) or c.startswith(piece)))
    return next(matching, len(wanted) + 1)
