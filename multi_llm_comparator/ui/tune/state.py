"""What one browser session tunes: the draft of the next job, and the job in the address.

A job lives in its folder and in the store; a session only knows its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.training.data.spec import Cleaning, ColumnMapping, DataSpec, SplitSpec
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from multi_llm_comparator.ui.tune.sources import Source

_DRAFT, _REVISION = "tune_draft", "tune_revision"
_RUN, _WITH = AddressedId("run", "tune_run"), AddressedId("with", "tune_with")
# With the open one, each job has a colour of its own.
MAX_BESIDE = len(MODEL_TONES) - 1
USUAL_CLEANING, USUAL_SHARE = Cleaning(), SplitSpec().share


@dataclass(frozen=True)
class Draft:
    """The next job as it is set up; what is empty is chosen by the page.

    Attributes:
        base: id of the model.
        source: None takes the example that ships.
        mapping: which columns say what, where the form of the data was not recognised, or is not to be used.
        cleaning: what is left out.
        share: of the rows that is kept aside to measure with.
        max_rows: so many rows are read; None for all.
        evaluation_sets: files or folders of sets whose texts must not be in the data.
        preset: name of the preset; "" is what is suggested for this model and data.
        changes: options that differ from the preset, by name.
        prompts: what is asked at each evaluation.
        rates, ranks: of a grid; empty, or one job for each pair.
        cluster: address of the Ray cluster that it runs on; "" is this machine. ``cluster_gpu``: with a GPU there.
        title: of the job; "" is made from model and data.
        made_from: the job that this draft was copied from.
        copied: the data of that job: what of it no widget shows stays as it was, as long as the source does.
    """

    base: str = ""
    source: Source | None = None
    mapping: ColumnMapping | None = None
    cleaning: Cleaning = USUAL_CLEANING
    share: float = USUAL_SHARE
    max_rows: int | None = None
    evaluation_sets: tuple[str, ...] = ()
    preset: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    ranks: tuple[int, ...] = ()
    cluster: str = ""
    cluster_gpu: bool = False
    title: str = ""
    made_from: str | None = None
    copied: DataSpec | None = None


def current_draft() -> Draft:
    draft: Draft = st.session_state.setdefault(_DRAFT, Draft())
    return draft


def change_draft(**changes: Any) -> None:
    """Change what a widget was set to, and what follows from it."""
    if "source" in changes:
        # Columns are those of other data.
        changes = {"mapping": None, **changes}
    st.session_state[_DRAFT] = replace(current_draft(), **changes)


def set_draft(draft: Draft) -> None:
    """Set everything up otherwise than by widgets, which are then made anew."""
    st.session_state[_DRAFT] = draft
    st.session_state[_REVISION] = draft_revision() + 1


def draft_revision() -> int:
    """How often the draft was changed otherwise than by its widgets. Those are then made anew: a value that is only set
    from here can be lost on a browser that is still busy drawing the widget."""
    return int(st.session_state.get(_REVISION, 0))


def asked_run() -> str | None:
    """The id of the run in the address, else of the one that the session had open."""
    return _RUN.read()


def open_run(run_id: str) -> None:
    """Turn to another job."""
    _RUN.ask(run_id)
    show_beside(())


def show_run(run_id: str) -> None:
    _RUN.keep(run_id)


def leave_run() -> None:
    """Set up another job; this one stays where it is."""
    _RUN.keep(None)
    show_beside(())


def forget_run(run_id: str) -> None:
    """A job was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()
    elif run_id in beside_ids():
        show_beside(tuple(other for other in beside_ids() if other != run_id))


def beside_ids() -> tuple[str, ...]:
    """The jobs whose curves lie over those of the open one."""
    asked = _WITH.read() or ""
    return tuple(dict.fromkeys(filter(None, asked.split(","))))[:MAX_BESIDE]


def show_beside(run_ids: tuple[str, ...]) -> None:
    """Draw these jobs' curves over the open one's; none, for the open one alone."""
    _WITH.keep(",".join(run_ids[:MAX_BESIDE]) or None)
