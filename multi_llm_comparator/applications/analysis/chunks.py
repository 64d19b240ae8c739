"""A document in parts that a model can read at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from multi_llm_comparator.applications.desk import Desk, estimated_tokens
from multi_llm_comparator.applications.reading.pieces import Piece

MIN_PART_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive pieces, by their numbers in the document; ``texts`` are theirs, or what of one fits."""

    pieces: tuple[int, ...]
    texts: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def halves(self) -> tuple[Part, Part] | None:
        """Both halves; None of what cannot be halved further."""
        if len(self.pieces) > 1:
            middle = len(self.pieces) // 2
            return (
                Part(self.pieces[:middle], self.texts[:middle]),
                Part(self.pieces[middle:], self.texts[middle:]),
            )
        text = self.texts[0]
        if len(text) < 200:
            return None
        middle = _break_near(text, len(text) // 2)
        return Part(self.pieces, (text[:middle],)), Part(self.pieces, (text[middle:],))


async def parts_of(desk: Desk, pieces: tuple[Piece, ...], budget: int) -> list[Part]:
    """The document in parts of at most ``budget`` tokens, of whole pieces wherever they fit."""
    parts: list[Part] = []
    numbers: list[int] = []
    texts: list[str] = []
    held = 0
    for number, piece in enumerate(pieces):
        # Counting a long document takes seconds, and others are on this event loop too.
        await asyncio.sleep(0)
        for text in await _fitting(desk, piece.text, budget):
            tokens = await _counted(desk, text)
            if numbers and held + tokens > budget:
                parts.append(Part(tuple(numbers), tuple(texts)))
                numbers, texts, held = [], [], 0
            numbers.append(number)
            texts.append(text)
            held += tokens
    if numbers:
        parts.append(Part(tuple(numbers), tuple(texts)))
    return parts


async def _fitting(desk: Desk, text: str, budget: int) -> list[str]:
    """A piece, cut at ends of sentences where it is larger than a part."""
    if len(text) <= budget // 4 or await _counted(desk, text) <= budget:
        return [text]
    middle = _break_near(text, len(text) // 2)
    if middle in (0, len(text)) or len(text) < MIN_PART_TOKENS:
        return [text]
    return [*await _fitting(desk, text[:middle], budget), *await _fitting(desk, text[middle:], budget)]


async def _counted(desk: Desk, text: str) -> int:
    # What is obviously small is not counted by the model's own tokenizer.
    return estimated_tokens(text) if len(text) < 40 else await desk.tokens_of(text)


def _break_near(text: str, middle: int) -> int:
    """The end of a sentence near the middle, else a space, else the middle itself."""
    for signs in ("。！？\n", ".!?；;", "，, "):
        found = [text.rfind(sign, middle // 2, middle) for sign in signs]
        if (best := max(found)) > 0:
            return best + 1
    return middle
