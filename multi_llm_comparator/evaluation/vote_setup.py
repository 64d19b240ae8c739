"""A session of blind votes set up: a prompt set or prompts of one's own, asked of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.voting.spec import CONTESTANT_IDS, MAX_LABEL_CHARS, VotingSpec, checked_spec

MAX_OWN_PROMPTS = 500


def vote_spec(
    contestants: Sequence[tuple[str, str, ModelConfig]],
    prompts: PromptSet | Sequence[str],
    *,
    images: Sequence[str] = (),
    shown: int = 2,
    is_shuffled: bool = True,
    title: str = "",
) -> VotingSpec:
    """What a session asks, and of whom.

    Args:
        contestants: target, label and parameters of each.
        prompts: a set, or prompts of one's own.
        images: digests; each of one's own prompts is asked about each of them.
        shown: answers side by side, as far as there are so many contestants.

    Raises:
        ConfigurationError: it cannot be voted on.
    """
    asked = _of_set(prompts) if isinstance(prompts, PromptSet) else _of_own(prompts, images)
    return checked_spec(
        contestants=[
            {"id": letter, "target": target, "label": label[:MAX_LABEL_CHARS], "config": config}
            for letter, (target, label, config) in zip(CONTESTANT_IDS, contestants, strict=False)
        ],
        shown=max(2, min(shown, len(contestants))),
        is_shuffled=is_shuffled,
        title=title,
        **asked,
    )


def _of_set(prompts: PromptSet) -> dict[str, Any]:
    if any(row.images for row in prompts.rows):
        raise ConfigurationError("this set has images, which are not shown to who votes; choose another set")
    rows = [{"id": row.id, "text": prompts.prompt_of(row), "tags": row.tags} for row in prompts.rows]
    return {"prompts": rows, "system": prompts.system, "source": prompts.name, "digest": prompts.digest}


def _of_own(prompts: Sequence[str], images: Sequence[str]) -> dict[str, Any]:
    shown: list[tuple[str, ...]] = [(image,) for image in images] or [()]
    asked = [(text, before) for before in shown for text in prompts]
    if len(asked) > MAX_OWN_PROMPTS:
        raise ConfigurationError(f"write at most {MAX_OWN_PROMPTS} prompts here; keep more as a prompt set")
    return {"prompts": [{"id": str(n), "text": text, "images": before} for n, (text, before) in enumerate(asked, 1)]}
