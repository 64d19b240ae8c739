"""The words of exported pages, in English and Chinese, and how they write numbers."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.repeats import repeats_of
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.words import Words

WORDS = Words(__file__)
FIGURE_NAMES = (
    "queued_s",
    "load_s",
    "prefill_s",
    "ttft_s",
    "decode_s",
    "duration_s",
    "tokens_per_second",
    "prompt_tokens",
    "cached_tokens",
    "tokens",
    "memory_bytes",
)


def state_words(answer: AnswerSnapshot, language: Language) -> str:
    """What became of an answer; one that was cut is not simply done."""
    words = WORDS[language]
    if answer.is_cut:
        return words["cut"].format(tokens=f"{answer.figures.tokens:,}")
    return words[answer.progress.state]


def turn_title(index: int, language: Language) -> str:
    return WORDS.of(language)("turn", n=index + 1)


def figure_cells(figures: Figures) -> list[str]:
    """The values of FIGURE_NAMES as people read them."""
    return [_cell(name, getattr(figures, name)) for name in FIGURE_NAMES]


def repeat_lines(answer: AnswerSnapshot, attempts: Sequence[AnswerSnapshot], language: Language) -> list[str]:
    """What repeated attempts say together: a line above, then one for each figure. Empty where nothing was repeated."""
    spreads = {name: spread for name, spread in repeats_of(answer, attempts).items() if name in FIGURE_NAMES}
    if not spreads:
        return []
    words = WORDS[language]
    head = words["repeats"].format(n=max(spread.n for spread in spreads.values()))
    return [head] + [
        f"{words[name]}: {_cell(name, s.median)} ({_cell(name, s.low)} – {_cell(name, s.high)})"
        + (" · 95%" if s.is_interval else "")
        for name, s in spreads.items()
    ]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_s"):
        return seconds(value)
    if name == "memory_bytes":
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:,.1f}" if name == "tokens_per_second" else f"{value:,}"


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
