"""Where the data comes from, and what the job will read of it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.hub_datasets import fetch_dataset, named
from multi_llm_comparator.training.data.spec import HUB, MAX_ROWS, DataSpec
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, refusal, show_notices
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.asked import asked, forget
from multi_llm_comparator.ui.tune.sources import KINDS, UPLOADS, Source, SourceKind, example_for, keep_upload
from multi_llm_comparator.ui.tune.state import Draft, change_draft, current_draft, draft_revision
from multi_llm_comparator.workbench import get_workbench

ENDINGS = ("json", "jsonl", "csv", "tsv", "parquet")
MAX_LOCATION_CHARS = 4096
_KIND = "tune_source_kind"


def draw_source(base: ModelInfo | None) -> Source | None:
    """The picker; None while nothing was chosen in it."""
    source = current_draft().source or example_for(base)
    kind = _draw_kind(source)
    if kind == "example":
        source = example_for(base)
        st.html(f'<div class="mlc-muted">{escape(t(f"tune.example_{source.value}"))}</div>')
        return source
    if kind == "upload":
        _draw_upload(source)
    elif kind == "path":
        _draw_location("path", source)
    else:
        _draw_location("hub", source)
        if source.kind == "hub" and source.value.startswith(HUB):
            _fetch(source)
            return None
    return source if source.kind == kind else None


def _draw_kind(source: Source) -> SourceKind:
    key = f"{_KIND}_{draft_revision()}"

    def changed() -> None:
        if st.session_state[key] == "example":
            change_draft(source=None)

    kind: SourceKind = st.segmented_control(
        t("tune.source"),
        KINDS,
        default=source.kind,
        required=True,
        format_func=lambda one: t(f"tune.source_{one}"),
        key=key,
        label_visibility="collapsed",
        on_change=changed,
    )
    return kind


def _draw_upload(source: Source) -> None:
    uploaded = st.file_uploader(
        t("tune.upload"),
        list(ENDINGS),
        key=f"tune_upload_{draft_revision()}",
        label_visibility="collapsed",
    )
    if uploaded is not None:
        folder = get_workbench().settings.home / UPLOADS
        kept = attempt(lambda: keep_upload(uploaded.name, uploaded.getvalue(), folder))
        show_notices()
        if kept is not None and kept != current_draft().source:
            change_draft(source=kept)
            st.rerun()
    elif source.kind == "upload":
        st.html(f'<div class="mlc-muted">{escape(source.name)}</div>')


def _draw_location(kind: SourceKind, source: Source) -> None:
    key = f"tune_{kind}_{draft_revision()}"

    def changed() -> None:
        said = st.session_state[key].strip()
        if not said:
            change_draft(source=None)
        elif kind == "path":
            whole = Path(said).expanduser().absolute()
            change_draft(source=Source("path", str(whole), whole.name))
        else:
            change_draft(source=Source("hub", f"{HUB}{said.removeprefix(HUB)}", said))

    st.text_input(
        t(f"tune.{kind}"),
        (source.name if kind == "hub" else source.value) if source.kind == kind else "",
        key=key,
        placeholder=t(f"tune.{kind}_placeholder"),
        max_chars=MAX_LOCATION_CHARS,
        help=t(f"tune.{kind}_why"),
        on_change=changed,
    )


def _fetch(source: Source) -> None:
    """Bring a data set of the Hub to this machine, once; then it is read as the folder that it came to."""

    async def work(tell: Callable[[str], None]) -> Path:
        workbench = get_workbench()

        def on_progress(done_bytes: int, total_bytes: int) -> None:
            tell(f"{say.size(done_bytes)} / {say.size(total_bytes)}")

        wanted = named(source.value)
        return await fetch_dataset(workbench.hub, wanted, workbench.settings.home, on_progress=on_progress)

    found = asked("fetched", source.value, work)
    if found.error is not None:
        st.html(problem(t("tune.data_refused"), refusal(found.error)))
        button("act.retry", forget, "fetched", icon="refresh", key="tune_fetch_again")
    elif found.value is None:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.fetching", name=source.name))}</div>')
    else:
        # The same data at another place: what was set up for it holds.
        draft, folder = current_draft(), str(found.value)
        copied = copied_data(source, draft)
        change_draft(
            source=Source("hub", folder, source.name),
            mapping=draft.mapping,
            copied=copied.model_copy(update={"source": folder}) if copied is not None else None,
        )
        st.rerun()


def copied_data(source: Source | None, draft: Draft) -> DataSpec | None:
    """The data of the job that the draft is a copy of; None where it is none, or is to learn from something else."""
    copied = draft.copied
    is_same = copied is not None and source is not None and copied.source == source.location
    return copied if is_same else None


def data_spec(source: Source, draft: Draft) -> DataSpec:
    """What the job will read, as it is set up."""
    kept = copied_data(source, draft) or DataSpec(source=source.location)
    unmapped = "auto" if kept.format == "columns" else kept.format
    return kept.model_copy(
        update={
            "format": "columns" if draft.mapping is not None else unmapped,
            "mapping": draft.mapping,
            "cleaning": draft.cleaning,
            "split": kept.split.model_copy(update={"share": draft.share}),
            "contamination": draft.evaluation_sets,
            "max_rows": draft.max_rows or MAX_ROWS,
        }
    )
