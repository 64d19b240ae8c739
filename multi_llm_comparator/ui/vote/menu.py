"""What can be done with a whole session of votes: stop, resume, export, share, open another, set up another."""

from __future__ import annotations

from multi_llm_comparator.ui.compare.state import open_run as open_comparison
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_import
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.vote.state import RUN, set_up_again
from multi_llm_comparator.voting.documents import KIND
from multi_llm_comparator.voting.vote_run import VoteRun


def draw_heading(run: VoteRun | None) -> None:
    """The page's title line: what is voted on at the left, what to do with it at the right."""
    run_heading.draw_heading("vote", run, _draw_runs, _draw_actions, new_title=t("vote.new_title"))


def _draw_runs() -> None:
    draw_recent(KIND, RUN.open, key="vote_runs")
    draw_import(_open_comparison)


def _draw_actions(run: VoteRun) -> None:
    snapshot = RUN.taken(run)
    if snapshot.is_running:
        run_heading.draw_stop("vote", run.id, disabled=snapshot.owner is not None)
    elif snapshot.state != "done":
        run_heading.draw_resume("vote", "vote.resume", RUN.resume, run.id, why=True, type="primary")
    run_heading.draw_export("vote", KIND, run.id, run.created_at, snapshot.title)
    run_heading.draw_again("vote", "vote.again", set_up_again, run, why=True)
    run_heading.draw_new("vote", RUN.leave, "add")


def _open_comparison(run_id: str) -> None:
    """A comparison that was exported as JSON is opened where it belongs."""
    open_comparison(run_id)
    go_to("compare", run=run_id)
