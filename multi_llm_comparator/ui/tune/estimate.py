"""The last block: what the job will need, whether that fits, and the button that starts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.jobs.spec import MAX_TITLE_CHARS, JobSpec
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.training.costs import Costs, measured_costs
from multi_llm_comparator.training.estimate import Estimate, most_bytes
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_spec import tuning_spec
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform
from multi_llm_comparator.ui.kit.buttons import main_button, quiet_button
from multi_llm_comparator.ui.kit.html_pieces import figure, note_chip
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, STATE_TONES
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.tune.asked import asked, forget
from multi_llm_comparator.ui.tune.cluster import chosen_cluster, draw_cluster
from multi_llm_comparator.ui.tune.jobs import TUNING
from multi_llm_comparator.ui.tune.preset import MAX_GRID, grid_size, grid_values
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision, show_beside, show_run
from multi_llm_comparator.workbench import get_workbench

_PARTS = ("process", "weights", "adapters", "activations", "logits")
STARTING_S = 60.0
_MEASURES = "tune_measures"


def draw_estimate(base: ModelInfo, data_name: str, options: TuningOptions, estimate: Estimate | None) -> None:
    """Memory and time, and the start. ``estimate`` is None while the data is not counted yet."""
    # What others hold just now may be free when it is the job's turn.
    can_wait = estimate is not None and estimate.fits_in(most_bytes())
    if estimate is None:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.estimate_waits"))}</div>')
    else:
        st.html(_figures(estimate))
        st.html(_bar(estimate))
        if not estimate.is_measured and not st.session_state.get(_MEASURES):
            quiet_button("tune.measure_here", _measure, icon="timer", key="tune_measure_here", why=True)
        if estimate.why and chosen_cluster() is None and can_wait:
            st.info(tm("memory.waits", free=say.size(estimate.available_bytes)), icon=":material/hourglass_empty:")
        elif estimate.why and chosen_cluster() is None:
            st.error(t("tune.does_not_fit"), icon=":material/error:")
            st.html(f'<div class="mlc-muted">{escape(said(estimate.why))}</div>')
    title = _draw_title(base, data_name)
    cluster = draw_cluster()
    # Whether it fits there is for the cluster to tell.
    can_start = cluster is not None or can_wait
    jobs = grid_size()
    main_button(
        "tune.start" if jobs == 1 else "tune.start_n",
        start,
        title,
        options,
        estimate,
        icon="play_arrow",
        key="tune_start",
        values={"n": jobs},
        disabled=not can_start or jobs > MAX_GRID,
    )


def costs_here(model_path: Path, options: TuningOptions, facts: ModelFacts) -> Costs | None:
    """What a layer costs on this machine, once the reader had it measured: that takes twenty seconds, and cores."""
    if not st.session_state.get(_MEASURES):
        return None

    async def work(_: Callable[[str], None]) -> tuple[Costs | None]:
        home = get_workbench().settings.home
        return (await asyncio.to_thread(measured_costs, model_path, options, facts, home),)

    key = f"{model_path}:{options.precision}:{options.pack_tokens}:{options.rank}"
    found = asked("costs", key, work)
    if found.is_pending:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.measuring"))}</div>')
    elif found.value is None or found.value[0] is None:
        st.html(f'<div class="mlc-muted">{escape(t("tune.not_measured"))}</div>')
    return found.value[0] if found.value is not None else None


def _measure() -> None:
    st.session_state[_MEASURES] = True
    forget("costs")


def _figures(estimate: Estimate) -> str:
    jobs = grid_size()
    note = None if estimate.is_measured else t("tune.assumed")
    pieces = [
        figure(say.size(estimate.peak_bytes), t("tune.estimate_memory"), t("tune.estimate_memory_why")),
        figure(say.size(estimate.available_bytes), t("tune.estimate_free"), t("tune.estimate_free_why")),
        figure(f"{estimate.steps * jobs:,}", t("tune.estimate_steps"), t("tune.estimate_steps_why")),
        figure(say.seconds(estimate.seconds * jobs), t("tune.estimate_time"), t("tune.estimate_time_why"), note=note),
    ]
    return f'<div class="mlc-strip">{"".join(pieces)}</div>'


def _bar(estimate: Estimate) -> str:
    """The parts of the memory as shares of what is free."""
    whole = max(estimate.available_bytes, estimate.peak_bytes, 1)
    spans, names = [], []
    for place, part in enumerate(_PARTS):
        size = estimate.parts.get(part, 0)
        words = f"{t(f'tune.part_{part}')}: {say.size(size)}"
        tone = MODEL_TONES[place % len(MODEL_TONES)].css
        spans.append(f'<span style="width:{100 * size / whole:.2f}%;--tone:{tone}" title="{escape(words)}"></span>')
        names.append(f'<span><span class="mlc-dot" style="--tone:{tone}"></span>{escape(words)}</span>')
    if estimate.checkpointing:
        names.append(note_chip(t("tune.checkpointed"), t("tune.checkpointed_why"), STATE_TONES["loading"]))
    return f'<div class="mlc-memory">{"".join(spans)}</div><div class="mlc-models">{"".join(names)}</div>'


def _draw_title(base: ModelInfo, data_name: str) -> str:
    usual = cut_line(f"{base.name} · {data_name}", MAX_TITLE_CHARS)
    key = f"tune_title_{draft_revision()}"
    st.text_input(
        t("tune.title"),
        current_draft().title,
        key=key,
        placeholder=usual,
        max_chars=MAX_TITLE_CHARS,
        on_change=lambda: change_draft(title=st.session_state[key].strip()),
    )
    return current_draft().title or usual


def start(title: str, options: TuningOptions, estimate: Estimate | None) -> None:
    """Put the job, or each of the grid, into the queue, and turn to the first."""
    spec = attempt(lambda: tuning_spec(title, options, estimate, chosen_cluster()))
    started = () if spec is None else _started(spec)
    if started:
        show_run(started[0])
        show_beside(started[1:])
        change_draft(made_from=None)
        inform(tn("tune.started", len(started)))


def _started(spec: JobSpec) -> tuple[str, ...]:
    """The ids of the jobs that were queued, the first one first; none where that was refused."""
    jobs, axes = get_workbench().jobs, grid_values()
    if not axes:
        run = perform(jobs.start(spec, parent_id=current_draft().made_from), timeout_s=STARTING_S)
        return () if run is None else (run.id,)
    grid_id = perform(jobs.start_grid(spec, axes), timeout_s=STARTING_S)
    if grid_id is None:
        return ()
    found = perform(jobs.list(RunFilter(kind=TUNING, parent_id=grid_id), MAX_GRID)) or []
    return tuple(run.id for run in sorted(found, key=lambda run: run.created_at))
