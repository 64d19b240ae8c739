"""What a question is, told from its words alone: the kind of task, and how complex it is, each with its reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from multi_llm_comparator.routing.rules import GENERAL, SIMPLE, VISION, Rules

# What comes after is not read: a kind of task shows early, and documents are long.
MAX_READ_CHARS = 20_000
# A word that is repeated says no more.
MAX_MATCHES = 4
# Blanks of its own line alone: lines that are empty would be looked through again from each of them.
_LISTED = re.compile(r"^[ \t]*(?:\d{1,2}[.、)]|[-*•]|[A-Z][.、)])[ \t]*\S", re.MULTILINE)
_ASKED = re.compile(r"[?？]")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
LATIN_PER_WIDE = 3


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that was noticed: ``name`` of a task or a sign of complexity, how much it counts, and the words."""

    name: str
    weight: float
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """``task_scores`` by task, the highest first; ``complexity`` 0 to 1, the sum of ``signals``, kept in its bounds."""

    task_type: str
    complexity: float
    task_scores: dict[str, float]
    task_words: tuple[str, ...]
    signals: tuple[Signal, ...]
    has_images: bool = False


def analyse(query: str, rules: Rules, *, has_images: bool = False) -> Analysis:
    """Look at a question; the first ``MAX_READ_CHARS`` characters are read."""
    text = query[:MAX_READ_CHARS]
    found = {task: rule.found_in(text) for task, rule in rules.tasks.items()}
    scores = {task: rules.tasks[task].weight * min(len(words), MAX_MATCHES) for task, words in found.items() if words}
    if has_images:
        scores[VISION] = scores.get(VISION, 0.0) + 100.0
    ordered = dict(sorted(scores.items(), key=lambda one: -one[1]))
    signals = _signals(text, rules)
    unsaid = SIMPLE if len(text.strip()) < rules.simple_below_chars else GENERAL
    task = next(iter(ordered), unsaid)
    return Analysis(
        task_type=task,
        complexity=round(min(1.0, max(0.0, sum(signal.weight for signal in signals))), 3),
        task_scores=ordered,
        task_words=found.get(task, ()),
        signals=signals,
        has_images=has_images,
    )


def _signals(text: str, rules: Rules) -> tuple[Signal, ...]:
    wanted = rules.complexity
    signals = [Signal("base", wanted.base)]
    # Its length as if it were written in Latin letters.
    latin_chars = len(text) + (LATIN_PER_WIDE - 1) * len(_WIDE.findall(text))
    share = min(1.0, latin_chars / wanted.long_chars)
    if share >= 0.1:
        signals.append(Signal("length", round(wanted.length_weight * share, 3)))
    if len(_LISTED.findall(text)) > 1 or len(_ASKED.findall(text)) > 1:
        signals.append(Signal("parts", wanted.parts_weight))
    for name, signal in wanted.signals.items():
        if words := signal.found_in(text):
            signals.append(Signal(name, signal.weight, words[:MAX_MATCHES]))
    return tuple(signals)
