"""The rules by which questions are told apart: words in a file, checked and compiled once."""

from __future__ import annotations

import re
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.plain_errors import said_of
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups.config_loader import read_yaml

RULES_FILE = "routing.yaml"
GENERAL, SIMPLE, VISION, MATH = "general", "simple", "vision", "math"
MAX_PATTERNS, MAX_PATTERN_CHARS, MAX_WORDS = 50, 300, 2000

Word = Annotated[str, Field(min_length=1, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]


class Words(ClosedModel):
    """Words and patterns that say something of a question."""

    words: tuple[Word, ...] = Field(default=(), max_length=MAX_WORDS)
    patterns: tuple[Annotated[str, Field(max_length=MAX_PATTERN_CHARS)], ...] = Field(
        default=(), max_length=MAX_PATTERNS
    )

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as exc:
                raise ValueError(f"{pattern!r} is no regular expression: {exc}") from exc
        return patterns

    @cached_property
    def expression(self) -> re.Pattern[str] | None:
        """One expression for all of them; None where there are none."""
        choices = [*map(_word_pattern, sorted(self.words, key=len, reverse=True)), *self.patterns]
        return re.compile("|".join(f"(?:{choice})" for choice in choices), re.IGNORECASE) if choices else None

    def found_in(self, text: str) -> tuple[str, ...]:
        """The distinct places that matched, in their order, as they stand there."""
        if self.expression is None:
            return ()
        return tuple(dict.fromkeys(match[0].strip().lower() for match in self.expression.finditer(text)))


def _word_pattern(word: str) -> str:
    """Latin words by their bounds; Chinese is written without spaces, so its words match anywhere."""
    stem, is_stem = word.removesuffix("*"), word.endswith("*")
    if not stem.isascii():
        return re.escape(stem)
    return rf"(?<![A-Za-z0-9_]){re.escape(stem)}" + ("" if is_stem else r"(?![A-Za-z0-9_])")


class TaskRule(Words):
    """One kind of task. ``aliases`` are other names for it in the tags of models and the names of groups."""

    aliases: tuple[Word, ...] = ()
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0


class Signal(Words):
    """What makes a question more complex, or less."""

    weight: Annotated[float, Field(ge=-1, le=1)]


class ComplexityRules(ClosedModel):
    base: Share = 0.1
    long_chars: Annotated[int, Field(gt=0, le=1_000_000)] = 1200
    length_weight: Share = 0.2
    parts_weight: Share = 0.15
    signals: dict[Word, Signal] = Field(default={})


class CooperationRules(ClosedModel):
    """When several models are asked together, and how."""

    min_complexity: Share = 0.65
    tasks: tuple[Word, ...] = ()
    modes: dict[Word, Words] = Field(default={})
    otherwise: Word = "parallel"

    def mode_for(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The mode of which most is said, with the words that say it."""
        found = {mode: words.found_in(text) for mode, words in self.modes.items()}
        best = max(found, key=lambda mode: len(found[mode]), default=self.otherwise)
        return (best, found[best]) if found.get(best) else (self.otherwise, ())


class Weights(ClosedModel):
    """How a choice is weighed: ``quality_priority`` 1 looks at quality alone, 0 at cost and latency alone."""

    quality_priority: Share = 0.7
    cost: Annotated[float, Field(ge=0, le=1000)] = 0.5
    latency: Annotated[float, Field(ge=0, le=1000)] = 0.5


class Rules(ClosedModel):
    """All of it."""

    tasks: dict[Word, TaskRule]
    simple_below_chars: Annotated[int, Field(ge=0, le=100_000)] = 40
    complexity: ComplexityRules = ComplexityRules()
    cooperation: CooperationRules = CooperationRules()
    weights: Weights = Weights()

    @cached_property
    def names(self) -> dict[str, str]:
        """Every name of a task, small, to the task it means."""
        named = {alias.lower(): task for task, rule in self.tasks.items() for alias in rule.aliases}
        return named | {task.lower(): task for task in self.tasks}

    def task_named(self, name: str) -> str | None:
        """The task that a tag or a group's name means, or None: not every tag is a task."""
        return self.names.get(name.strip().lower())


def default_rules() -> Rules:
    """Those of the package."""
    return _checked(_shipped(), "the package's rules")


def load_rules(path: Path | None = None) -> Rules:
    """The package's rules with the entries of ``routing.yaml`` in the folder of configurations in their place.

    Raises:
        ConfigurationError: the file cannot be used; its place and what is wrong.
    """
    path = path or get_settings().configs_dir / RULES_FILE
    if not path.is_file():
        return default_rules()
    data, own = _shipped(), read_yaml(path)
    for name, value in own.items():
        is_section = isinstance(value, dict) and isinstance(data.get(name), dict)
        data[name] = {**data[name], **value} if is_section else value
    return _checked(data, str(path))


def _shipped() -> dict[str, Any]:
    text = files("multi_llm_comparator.routing").joinpath("rules.yaml").read_bytes()
    data: dict[str, Any] = parse_yaml(text)
    return data


def _checked(data: dict[str, Any], source: str) -> Rules:
    try:
        return Rules.model_validate(data)
    except ValidationError as exc:
        raise ConfigurationError(f"{source}: {said_of(exc, whole='file')}") from exc
