"""What can be done with a whole cooperation: resume, run again, export, open another, start anew."""

from __future__ import annotations

from functools import partial

from multi_llm_comparator.cooperation.documents import KIND
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.ui.cooperate.state import RUN, SETUP, start
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.i18n import t


def draw_heading(run: CooperationRun | None) -> None:
    """The page's title line: the question on the left, what to do with it on the right."""
    title, key = t("cooperate.new_title"), SETUP.revision
    draw_runs = partial(draw_recent, KIND, RUN.open, key="cooperate_runs")
    run_heading.draw_heading("cooperate", run, draw_runs, _draw_actions, new_title=title, runs="plan.runs", key=key)


def _draw_actions(run: CooperationRun) -> None:
    if run.state in ("stopped", "interrupted", "failed"):
        run_heading.draw_resume("cooperate", "plan.resume", RUN.resume, run.id, help=t("cooperate.resume_why"))
    if run.is_over:
        run_heading.draw_again("cooperate", "plan.again", start, run.spec.question, help=t("cooperate.again_why"))
    run_heading.draw_export("cooperate", KIND, run.id, run.created_at, run.title)
    run_heading.draw_new("cooperate", RUN.leave)
