"""What can be done with a whole run: stop, resume, export, open another, set up another."""

from __future__ import annotations

from functools import partial

from multi_llm_comparator.applications.documents import KIND
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.words import title_without_document
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.services.state import RUN, set_up_again


def draw_heading(run: ServiceRun | None) -> None:
    """The page's title line: the run's name on the left, what to do with it on the right."""
    title = _title(RUN.taken(run)) if run is not None else ""
    draw_runs, new_title = partial(draw_recent, KIND, RUN.open, key="services_runs"), t("services.new_title")
    run_heading.draw_heading("services", run, draw_runs, _draw_actions, new_title=new_title, title=title)


def _title(snapshot: ServiceSnapshot) -> str:
    """Its document's name; without one, what is done, in the reader's language."""
    if snapshot.title != title_without_document(snapshot.spec):
        return snapshot.title
    return f"{t(f'services.{snapshot.spec.service_type}')}: {t(f'services.kind_{snapshot.spec.kind}')}"


def _draw_actions(run: ServiceRun) -> None:
    snapshot = RUN.taken(run)
    if snapshot.is_running:
        run_heading.draw_stop("services", run.id, disabled=snapshot.owner is not None)
    elif snapshot.state != "done":
        run_heading.draw_resume("services", "services.resume", RUN.resume, run.id, why=True, type="primary")
    run_heading.draw_export("services", KIND, run.id, run.created_at, snapshot.title)
    run_heading.draw_again("services", "services.again", set_up_again, run, why=True)
    run_heading.draw_new("services", RUN.leave, "add")
