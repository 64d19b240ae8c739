"""One column of a comparison: which model answers there, and how."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from multi_llm_comparator.comparison.limits import MAX_PANES, MAX_PROMPT_CHARS, MAX_TARGET_CHARS
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, InvalidParameterError

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Pane:
    """A column. ``target`` is a model's id or name, or a group of models; ``config`` is the pane's own copy.

    Two panes may have one model.
    """

    id: str
    target: str
    config: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", replace(self.config))

    @classmethod
    def new(cls, target: str, config: ModelConfig | None = None) -> Pane:
        """A pane with an id that no other has."""
        return cls(uuid.uuid4().hex[:8], target, config or ModelConfig())


def check_panes(panes: Sequence[Pane]) -> tuple[Pane, ...]:
    """Check what a comparison is to be made of.

    Raises:
        ConfigurationError: none, more than MAX_PANES, two with one id, or an id or target that cannot be.
        InvalidParameterError: a parameter out of its range.
    """
    if not 1 <= len(panes) <= MAX_PANES:
        raise ConfigurationError(f"a comparison has 1 to {MAX_PANES} panes, not {len(panes)}")
    ids = [pane.id for pane in panes]
    if len(set(ids)) != len(ids):
        raise ConfigurationError(f"two panes have the same id in {ids!r}; give each its own")
    for pane in panes:
        _check_pane(pane)
    return tuple(panes)


def _check_pane(pane: Pane) -> None:
    if not _ID.fullmatch(pane.id):
        raise ConfigurationError(f"pane id {pane.id!r} must be 1 to 40 letters, digits, '-' or '_'")
    if not 0 < len(pane.target) <= MAX_TARGET_CHARS:
        raise ConfigurationError(f"pane {pane.id!r} names no model: choose one (at most {MAX_TARGET_CHARS} characters)")
    if len(pane.config.system_prompt) > MAX_PROMPT_CHARS:
        raise InvalidParameterError(f"system_prompt must have at most {MAX_PROMPT_CHARS} characters")
    pane.config.validate()
