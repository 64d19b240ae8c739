"""Setting up a job: base, data, cleaning, settings, estimate, from top to bottom."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.estimate import estimate
from multi_llm_comparator.training.model_facts import ModelFacts, model_facts
from multi_llm_comparator.training.presets import suggested
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.ui.kit.actions import attempt, refusal
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.asked import Asked, watch
from multi_llm_comparator.ui.tune.bases import current_base, draw_base
from multi_llm_comparator.ui.tune.cleaning import draw_cleaning
from multi_llm_comparator.ui.tune.data import data_spec, draw_source
from multi_llm_comparator.ui.tune.data_work import Cleaned, cleaned, inspected
from multi_llm_comparator.ui.tune.estimate import costs_here, draw_estimate
from multi_llm_comparator.ui.tune.form import draw_form
from multi_llm_comparator.ui.tune.pieces import block
from multi_llm_comparator.ui.tune.preset import USUAL, draw_preset
from multi_llm_comparator.ui.tune.preview import draw_preview
from multi_llm_comparator.ui.tune.sources import Source, prompts_for
from multi_llm_comparator.ui.tune.state import current_draft


def draw_setup() -> None:
    """All five blocks; a block that has nothing to say yet says what it waits for."""
    _draw_blocks()
    watch()


def _draw_blocks() -> None:
    base = current_base()
    with block(1, "base"):
        draw_base()
    if base is None:
        return
    facts = attempt(lambda: model_facts(Path(base.path)))
    with block(2, "data"):
        source = draw_source(base)
        spec = _draw_data(source, base)
    report = _draw_cleaning(spec, base)
    if facts is None or source is None or spec is None:
        return
    statistics = report.statistics if report is not None else None
    chosen = _options(base, spec, facts, statistics, source)
    if chosen is None:
        return
    options, proposal = chosen
    with block(4, "preset"):
        draw_preset(base, options, proposal, statistics)
    with block(5, "estimate"):
        costs = costs_here(Path(base.path), options, facts)
        known = estimate(options, statistics, facts, costs) if statistics is not None else None
        draw_estimate(base, source.name, options, known)


def _draw_data(source: Source | None, base: ModelInfo) -> DataSpec | None:
    """What was recognised, and a row as it will be learnt; the specification once rows can be read by it."""
    if source is None:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.choose_data"))}</div>')
        return None
    spec = data_spec(source, current_draft())
    found = inspected(spec)
    if found.value is None:
        _draw_pending(found, t("tune.looking"))
        return None
    is_readable = draw_form(found.value)
    if is_readable:
        draw_preview(spec, base, found.value)
    return spec if is_readable else None


def _draw_cleaning(spec: DataSpec | None, base: ModelInfo) -> Cleaned | None:
    with block(3, "cleaning"):
        if spec is None:
            st.html(f'<div class="mlc-waiting">{escape(t("tune.choose_data"))}</div>')
            return None
        limit = _longest(base)
        found = cleaned(spec, base.path, limit)
        if found.value is None:
            _draw_pending(found, t("tune.cleaning_now"))
            return None
        draw_cleaning(found.value, limit)
        return found.value


def _longest(base: ModelInfo) -> int:
    """The most tokens that a row may have: what the reader chose, else as long as models of this kind read."""
    chosen = current_draft().changes.get("max_tokens")
    usual: int = TuningOptions.model_fields["max_tokens"].default
    context = base.config.get("context_length")
    known = int(context) if isinstance(context, int) and context > 0 else usual
    return int(chosen) if chosen else min(usual, known)


def _draw_pending(found: Asked[object], words: str) -> None:
    if found.error is not None:
        st.html(problem(t("tune.data_refused"), refusal(found.error)))
        return
    said = f"{words} …" if not found.told else f"{words}: {found.told}"
    st.html(f'<div class="mlc-waiting" data-tune-pending="1">{escape(said)}</div>')


def _options(
    base: ModelInfo, spec: DataSpec, facts: ModelFacts, statistics: DataStatistics | None, source: Source
) -> tuple[TuningOptions, TuningOptions] | None:
    """The options as they are, and as they were suggested; None after saying why they cannot be."""
    draft = current_draft()
    try:
        proposal = suggested(base.path, spec, facts, statistics, draft.preset or USUAL)
        asked = prompts_for(source, draft.prompts)
        return proposal.changed(**draft.changes, fixed_prompts=asked), proposal
    except MultiLLMError as exc:
        st.html(problem(t("tune.options_refused"), refusal(exc)))
        return None
