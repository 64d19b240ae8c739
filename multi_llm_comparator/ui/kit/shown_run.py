"""The run that a page shows. It lives in the registry and in the store; a session only knows its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import streamlit as st

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.i18n import tm
from multi_llm_comparator.workbench import Workbench, get_workbench

# Reading a large run anew takes its time.
READING_S = 60.0
WATCH_S = 2.0

R = TypeVar("R", bound=TaskRun[Any, Any])
S = TypeVar("S")


class ShownRun(Generic[R, S]):
    """The address's run, else the one the session had open.

    Args:
        page: names it in the session.
        kind: finds its runs.
        turned: called when the page turns to another run than it showed before.
    """

    def __init__(
        self, page: str, kind: Callable[[Workbench], TaskRunKind[R]], turned: Callable[[R], None] = lambda run: None
    ) -> None:
        self.address, self._kind, self._turned = AddressedId("run", f"{page}_run"), kind, turned

    def current(self) -> R | None:
        """The run to show. An unknown one is said and dropped."""
        run_id = self.address.read()
        if not run_id:
            return None
        run = self._read(run_id)
        if run is None:
            self.leave()
            return None
        if self.address.kept() != run.id:
            self._turned(run)
        self.show(run.id)
        return run

    def taken(self, run: R) -> S:
        """The run as it is at this moment; as it is stored now, if another process is at work on it."""
        followed = self._read(run.id) if run.owner is not None else None
        snapshot: S = (followed or run).snapshot()
        return snapshot

    def show(self, run_id: str) -> None:
        """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
        self.address.keep(run_id)

    def open(self, run_id: str) -> None:
        """Turn to another run."""
        self.address.ask(run_id)

    def leave(self) -> None:
        """Begin another one; the run stays where it is."""
        self.address.keep(None)

    def forget(self, run_id: str) -> None:
        """A run was deleted: if this session had it open it is not to be looked for again."""
        if self.address.kept() == run_id:
            self.leave()

    def resume(self, run_id: str) -> None:
        """Do what is open of a run, also what failed."""
        if (run := perform(self._kind(get_workbench()).resume(run_id), run_id)) is not None:
            self.show(run.id)

    def _read(self, run_id: str) -> R | None:
        return perform(self._kind(get_workbench()).get(run_id), run_id, timeout_s=READING_S)


def draw_page(
    shown: ShownRun[R, Any],
    draw_heading: Callable[[R | None], None],
    draw_start: Callable[[], None],
    draw_board: Callable[[R], None],
    *,
    draw_setup: Callable[[], None] = lambda: None,
) -> R | None:
    """A page of runs: its title line, then the run that is shown, else how one is begun. Gives the run.

    Args:
        shown: which run it is.
        draw_heading: draws the title line.
        draw_start: draws what stands there while no run is shown.
        draw_board: draws the run.
        draw_setup: draws what the next run is set up with, where that is always there.
    """
    run = shown.current()
    was_at_work = run is not None and run.is_at_work
    draw_heading(run)
    draw_setup()
    # Emptied first: otherwise it would stand beneath a new run until all of that is drawn.
    start = st.empty()
    if run is None:
        with start.container():
            draw_start()
    else:
        draw_board(run)
        if was_at_work and not run.is_at_work:
            # It ended behind the title line, whose buttons are those of a run at work: a board that saw the end waits
            # for nothing more.
            st.rerun()
    return run


def watch(run: LiveRun) -> None:
    """Of a run that is over: another tab may resume it. Look now and then."""

    @st.fragment(run_every=WATCH_S)
    def look() -> None:
        if run.is_at_work:
            st.rerun()

    look()


def draw_elsewhere(owner: WorkingProcess | None) -> None:
    """Say that another process works on the run, where one does."""
    if owner is not None:
        st.info(tm("board.elsewhere", pid=owner.pid, host=owner.host), icon=":material/visibility:")


def stop(run_id: str) -> None:
    """Stop a run; what is there of it stays."""
    perform(get_workbench().runs.stop(run_id), run_id)
