"""What the pages know of each kind of run: where it is shown, and how two of them stand side by side.

A new kind of run is one more entry in KINDS, with its name in the locales under ``kind``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from multi_llm_comparator.applications.documents import KIND as SERVICE
from multi_llm_comparator.comparison.documents import KIND as COMPARISON
from multi_llm_comparator.cooperation.documents import KIND as COOPERATION
from multi_llm_comparator.evaluation.measuring.documents import KIND as EVALUATION
from multi_llm_comparator.jobs.entries import PAGES as JOB_PAGES
from multi_llm_comparator.plans.options import KIND as PLAN
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import RunSummary
from multi_llm_comparator.training.data.distillation import KIND as DISTILLATION
from multi_llm_comparator.ui.compare import state as compare
from multi_llm_comparator.ui.cooperate import state as cooperate
from multi_llm_comparator.ui.history.overview import (
    Overview,
    comparison_overview,
    cooperation_overview,
    distillation_overview,
    evaluation_overview,
    job_overview,
    plan_overview,
    service_overview,
    vote_overview,
)
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.navigation import go_to, page_names
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.ui.measure import state as measure
from multi_llm_comparator.ui.plans import state as plans
from multi_llm_comparator.ui.services import state as services
from multi_llm_comparator.ui.vote import state as vote
from multi_llm_comparator.voting.documents import KIND as VOTE
from multi_llm_comparator.workbench import get_workbench

READING_S = 60.0
# The job that the page Tune shows.
_JOB = AddressedId("run", "tune_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOnPages:
    """How pages deal with one kind of run.

    Attributes:
        page: the page that shows a run of it, by ``?run=``.
        icon: stands for it in lists.
        open: has this session turn to a run of it.
        forget: a run of it was deleted: this session is not to look for it again.
        overview: a run of it as it stands beside another; None if it cannot be read, which the reader has been told.
    """

    page: str
    icon: str
    open: Callable[[str], None]
    forget: Callable[[str], None]
    overview: Callable[[str], Overview | None]


def _overview(run_id: str, drawn: Callable[[Any], Overview]) -> Overview | None:
    run = perform(get_workbench().runs.get(run_id, LiveRun), run_id, timeout_s=READING_S)  # type: ignore[type-abstract]
    return None if run is None else drawn(run.snapshot())


def _plan_overview(run_id: str) -> Overview | None:
    found = perform(_plan_run(run_id), run_id, timeout_s=READING_S)
    return None if found is None else plan_overview(*found)


async def _plan_run(run_id: str) -> tuple[PlanRun, Outlook]:
    workbench = get_workbench()
    run = (await workbench.plans.get(run_id)).snapshot()
    return run, await workbench.calibration.outlook(run)


def _forget_job(run_id: str) -> None:
    if _JOB.kept() == run_id:
        _JOB.keep(None)


def _shown(page: str, icon: str, run: ShownRun[Any, Any], drawn: Callable[[Any], Overview]) -> KindOnPages:
    overview = partial(_overview, drawn=drawn)
    return KindOnPages(page=page, icon=icon, open=run.open, forget=run.forget, overview=overview)


def _job(page: str, icon: str, drawn: Callable[[Any], Overview]) -> KindOnPages:
    overview = partial(_overview, drawn=drawn)
    return KindOnPages(page=page, icon=icon, open=_JOB.ask, forget=_forget_job, overview=overview)


KINDS: dict[str, KindOnPages] = {
    COMPARISON: KindOnPages(
        page="compare",
        icon="view_column",
        open=compare.open_run,
        forget=compare.forget_run,
        overview=partial(_overview, drawn=comparison_overview),
    ),
    PLAN: KindOnPages(
        page="plans",
        icon="account_tree",
        open=plans.RUN.open,
        forget=plans.RUN.forget,
        overview=_plan_overview,
    ),
    COOPERATION: _shown("cooperate", "diversity_3", cooperate.RUN, cooperation_overview),
    EVALUATION: _shown("measure", "straighten", measure.RUN, evaluation_overview),
    SERVICE: _shown("services", "lab_profile", services.RUN, service_overview),
    VOTE: _shown("vote", "how_to_vote", vote.RUN, vote_overview),
}
# A job whose page is not offered is listed and exported like any other run; there is nowhere to open it.
KINDS |= {kind: _job(page, "model_training", job_overview) for kind, page in JOB_PAGES.items() if page in page_names()}
KINDS[DISTILLATION] = _job("tune", "edit_square", distillation_overview)


def kind_name(kind: str) -> str:
    """A kind in the reader's language; one that a newer version has stored by its own name."""
    return t(f"kind.{kind}") if f"kind.{kind}" in texts(current_language()) else kind


def open_page_of(run: RunSummary) -> NoReturn:
    """Leave this page for the one that shows the run."""
    kind = KINDS[run.kind]
    kind.open(run.id)
    go_to(kind.page, run=run.id)
