"""The title line of a page that shows runs, with what can be done with a whole run: the same on every page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.history.rows import told_title
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.buttons import State, button, opener, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.shown_run import stop

MAX_TITLE_CHARS = 160


class Titled(Protocol):
    """A run, or a snapshot of one."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...


R = TypeVar("R", bound=Titled)
Ts = TypeVarTuple("Ts")


def draw_heading(
    page: str,
    run: R | None,
    draw_runs: Callable[[], None],
    draw_actions: Callable[[R], None],
    *,
    new_title: str,
    title: str = "",
    runs: str = "run.runs",
    key: object = "",
) -> None:
    """The run's title on the left, what to do with it on the right.

    Args:
        page: names the widgets.
        run: the one that is open; None for none.
        draw_runs: draws the list of runs to open.
        draw_actions: draws what can be done with the open run.
        new_title: the page's title where no run is open.
        title: of the open run, where it is shown by another one than its own.
        runs: what the list of runs is called, by its key in the locales.
        key: the list is closed when this changes, or another run is open.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{page}_heading"):
        shown = plain(new_title if run is None else cut_line(title or told_title(run.title), MAX_TITLE_CHARS))
        st.title(shown, anchor=False, width="stretch")
        if run is not None:
            draw_actions(run)
        # Opening another run closes the list: it is another popover then.
        list_key = f"{page}_runs_{run.id if run else ''}_{key}"
        opener(runs, draw_runs, icon="history", key=list_key, type="tertiary")


def draw_stop(page: str, run_id: str, act: Callable[[str], None] = stop, **look: Unpack[State]) -> None:
    button("act.stop", act, run_id, icon="stop_circle", key=f"{page}_stop", shortcut="Alt+S", **look)


def draw_resume(page: str, words: str, resume: Callable[[str], None], run_id: str, **look: Unpack[State]) -> None:
    button(words, resume, run_id, icon="resume", key=f"{page}_resume", **look)


def draw_again(page: str, words: str, again: Callable[[*Ts], object], *args: *Ts, **look: Unpack[State]) -> None:
    """Set up, or begin, another run as this one was."""
    quiet_button(words, again, *args, icon="replay", key=f"{page}_again", **look)


def draw_export(
    page: str, kind: str, run_id: str, created_at: float, title: str, *, leave_out: Collection[str] = ()
) -> None:
    """The run as a file, in each format; a link to it."""
    draw = partial(draw_exports, kind, run_id, created_at, title, leave_out=leave_out)
    opener("run.export", draw, icon="download", key=f"{page}_export", type="tertiary")


def draw_new(page: str, leave: Callable[[], None], icon: str = "add_comment") -> None:
    """Leave the run for another one."""
    quiet_button("run.new", leave, icon=icon, key=f"{page}_new", shortcut="Alt+N")
