"""The block of settings: a preset, what it means for this data, options, a grid, and what is asked at evaluations."""

from __future__ import annotations

from html import escape
from itertools import product

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.presets import PRESETS
from multi_llm_comparator.training.tuning_options import MAX_FIXED_PROMPTS, MAX_PROMPT_CHARS, TuningOptions
from multi_llm_comparator.training.tuning_steps import step_count
from multi_llm_comparator.ui.kit.buttons import opener
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.tune.options import FIELDS, draw_options
from multi_llm_comparator.ui.tune.state import MAX_BESIDE, change_draft, current_draft, draft_revision

USUAL = "balanced"
# All of them end in one chart and one table.
MAX_GRID = 1 + MAX_BESIDE
MAX_RATE, MAX_RANK = 1.0, 1024


def draw_preset(
    base: ModelInfo, options: TuningOptions, suggested: TuningOptions, statistics: DataStatistics | None
) -> None:
    """What is suggested, and how to change it."""
    key = f"tune_preset_{draft_revision()}"
    st.segmented_control(
        t("tune.preset"),
        list(PRESETS),
        default=current_draft().preset or USUAL,
        required=True,
        format_func=lambda name: t(f"tune.preset_{name}"),
        key=key,
        label_visibility="collapsed",
        help=t("tune.preset_why"),
        on_change=lambda: change_draft(preset=st.session_state[key]),
    )
    st.html(_summary(options, suggested, statistics))
    with st.container(horizontal=True, gap="small", key="tune_preset_more"):
        opener("tune.options", _draw_options, options, suggested, icon="tune", key="tune_options")
        size, prompts = grid_size(), len(options.fixed_prompts)
        words = "tune.grid" if size == 1 else "tune.grid_n"
        opener(words, _draw_grid, options, icon="grid_on", key="tune_grid", values={"n": size})
        words = "tune.prompts_n" if prompts else "tune.prompts"
        opener(words, _draw_prompts, options, icon="quiz", key="tune_prompts", values={"n": prompts})


def _draw_options(options: TuningOptions, suggested: TuningOptions) -> None:
    with st.container(key="popover_form_tune_options"):
        draw_options(options, suggested)


def _summary(options: TuningOptions, suggested: TuningOptions, statistics: DataStatistics | None) -> str:
    """The options that matter most, those that the reader changed marked."""
    changed = {name for name in FIELDS if getattr(options, name) != getattr(suggested, name)}
    said = [
        t("tune.said_epochs", n=f"{options.epochs:g}"),
        t("tune.said_rate", n=f"{options.learning_rate:g}"),
        t("tune.said_rank", n=options.rank),
        t("tune.said_step", n=options.in_step),
    ]
    if statistics is not None and statistics.rows:
        steps = step_count(statistics.examples(options.method), options.in_step, options.epochs)
        said.append(t("tune.said_steps", n=f"{steps:,}"))
    chips = [f"<span>{escape(words)}</span>" for words in said]
    if changed:
        names = ", ".join(sorted(t(f"tune.option_{name}") for name in changed))
        chips.append(note_chip(tn("tune.changed_n", len(changed)), names, STATE_TONES["loading"]))
    return f'<div class="mlc-models">{"".join(chips)}</div>'


# --- the grid ---------------------------------------------------------------------------------------------------------


def grid_size() -> int:
    """How many jobs a start begins."""
    draft = current_draft()
    return max(1, len(draft.rates)) * max(1, len(draft.ranks))


def grid_values() -> dict[str, tuple[float, ...] | tuple[int, ...]]:
    """What a grid tries, by option; empty for a single job."""
    draft = current_draft()
    both = {"learning_rate": draft.rates, "rank": draft.ranks}
    return {name: values for name, values in both.items() if values} if grid_size() > 1 else {}


def _draw_grid(options: TuningOptions) -> None:
    st.caption(t("tune.grid_why"))
    draft = current_draft()
    shown_rates = ", ".join(f"{rate:g}" for rate in draft.rates)
    shown_ranks = ", ".join(map(str, draft.ranks))
    for name, shown, now in (("rates", shown_rates, options.learning_rate), ("ranks", shown_ranks, options.rank)):
        _draw_values(name, shown, f"{now / 2:g}, {now:g}, {now * 2:g}" if name == "rates" else f"{now}, {now * 2}")
    if grid_size() > MAX_GRID:
        st.error(tm("tune.grid_most", n=MAX_GRID), icon=":material/error:")
    elif grid_size() > 1:
        pairs = product(draft.rates or (options.learning_rate,), draft.ranks or (options.rank,))
        st.html(f'<div class="mlc-muted">{escape(" · ".join(f"{rate:g} × {rank}" for rate, rank in pairs))}</div>')


def _draw_values(name: str, shown: str, example: str) -> None:
    key = f"tune_grid_{name}_{draft_revision()}"

    def changed() -> None:
        found = rates_in(st.session_state[key]) if name == "rates" else ranks_in(st.session_state[key])
        change_draft(**{name: found})

    st.text_input(
        t(f"tune.grid_{name}"), shown, key=key, placeholder=example, max_chars=200, help=t(f"tune.grid_{name}_why"),
        on_change=changed,
    )  # fmt: skip


def rates_in(text: str) -> tuple[float, ...]:
    """The rates that a text names, each once; what is none is passed over."""
    found = []
    for part in text.replace(";", ",").replace("，", ",").split(","):
        try:
            rate = float(part)
        except ValueError:
            continue
        if 0 < rate <= MAX_RATE:
            found.append(rate)
    return tuple(dict.fromkeys(found))


def ranks_in(text: str) -> tuple[int, ...]:
    """The ranks that a text names, each once; what is none is passed over."""
    parts = (part.strip() for part in text.replace(";", ",").replace("，", ",").split(","))
    return tuple(dict.fromkeys(int(p) for p in parts if p.isascii() and p.isdecimal() and 0 < int(p[:5]) <= MAX_RANK))


# --- what is asked ----------------------------------------------------------------------------------------------------


def _draw_prompts(options: TuningOptions) -> None:
    st.caption(tm("tune.prompts_why", n=MAX_FIXED_PROMPTS))
    key = f"tune_prompts_text_{draft_revision()}"

    def changed() -> None:
        change_draft(prompts=prompts_in(st.session_state[key]))

    st.text_area(
        t("tune.prompts"),
        "\n".join(options.fixed_prompts),
        key=key,
        height=160,
        max_chars=MAX_FIXED_PROMPTS * MAX_PROMPT_CHARS,
        on_change=changed,
    )


def prompts_in(text: str) -> tuple[str, ...]:
    """One prompt a line, each once, as many as are asked at most."""
    lines = (line.strip()[:MAX_PROMPT_CHARS] for line in text.splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))[:MAX_FIXED_PROMPTS]
