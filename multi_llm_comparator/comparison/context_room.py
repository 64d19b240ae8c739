"""How much of a pane's context a prompt would take: an estimate, by what was measured where there is anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot

# Before a model has read anything here: signs to a token in text of letters, tokens to a sign in Chinese. On the safe
# side for common vocabularies; that of a small model may need more for Chinese.
CHARS_TO_A_TOKEN, TOKENS_TO_A_HAN = 3.6, 1.5
# Models give an image 64 to some thousand tokens, by its size and theirs; of most that run on one machine it is less.
TOKENS_PER_IMAGE = 1100
# Shorter prompts are mostly the template's own.
_LEAST_CHARS = 200
_HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens: what a prompt would take, what the conversation has taken, what is kept for the answer, and all there is.
    ``is_measured``: by the pane's own tokens to a character, not by a common one."""

    prompt: int
    before: int
    answer: int
    context: int
    is_measured: bool

    @property
    def taken(self) -> int:
        return self.prompt + self.before

    @property
    def fits(self) -> bool:
        """Whether prompt and conversation leave an answer any room; how long it may be is another matter."""
        return self.taken < self.context

    @property
    def is_cut(self) -> bool:
        """Whether the answer may have less room than it is allowed."""
        return self.taken + self.answer > self.context


def room_for(prompt: str, pane: Pane, snapshot: ComparisonSnapshot | None = None, *, n_images: int = 0) -> Room:
    """How a prompt, and so many images that the pane's model looks at, would fit into its context."""
    before, ratio = _measured(pane, snapshot)
    tokens = (ceil(len(prompt) * ratio) if ratio else estimated_tokens(prompt)) + TOKENS_PER_IMAGE * n_images
    ratio = None if n_images else ratio
    return Room(tokens, before, pane.config.max_tokens, pane.config.n_ctx, ratio is not None)


def estimated_tokens(text: str) -> int:
    """By common vocabularies; 0 for nothing."""
    han = sum(1 for _ in _HAN.finditer(text))
    return ceil((len(text) - han) / CHARS_TO_A_TOKEN + han * TOKENS_TO_A_HAN)


def _measured(pane: Pane, snapshot: ComparisonSnapshot | None) -> tuple[int, float | None]:
    """Tokens of the pane's conversation so far, and tokens to a character if its model has read enough."""
    answers = [turn.answers[pane.id] for turn in snapshot.turns if pane.id in turn.answers] if snapshot else []
    own = [answer for answer in answers if answer.target == pane.target and answer.legs[0].prompt_tokens]
    if not own:
        said = "".join(
            f"{turn.prompt}{turn.answers[pane.id].text}"
            for turn in (snapshot.turns if snapshot else ())
            if pane.id in turn.answers
        )
        return estimated_tokens(said), None
    last = own[-1]
    leg = last.legs[0]
    has_images = any(turn.images for turn in (snapshot.turns if snapshot else ()))
    ratio = leg.prompt_tokens / len(leg.prompt) if len(leg.prompt) >= _LEAST_CHARS and not has_images else None
    return leg.prompt_tokens + last.figures.tokens, ratio
