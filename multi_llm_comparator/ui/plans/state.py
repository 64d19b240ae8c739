"""What one browser session plans with: the models and bounds being set up, and the run in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.plans.executor import DEFAULT_THRESHOLD, ExecutorOptions
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.plan import HARDEST, Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.page_setup import PageSetup, restored
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.ui.plans.planners import is_trained_to_plan
from multi_llm_comparator.ui.plans.targets import (
    default_pair,
    default_planner,
    known_targets,
    working_sign,
)
from multi_llm_comparator.workbench import get_workbench

_STEP, _PICKS = "plans_step", "plans_picks"
_WITH = AddressedId("with", "plans_with")
MAX_WORKERS = 64


@dataclass(frozen=True)
class Setup:
    """How the next question is answered. Without a ``planner`` plans are written by hand."""

    planner: str
    small: str
    large: str
    threshold: int = DEFAULT_THRESHOLD
    enable_threshold: bool = True
    workers: int = 4
    ends_with_last_step: bool = True
    result_after: str = ""

    def options(self) -> PlanOptions:
        executor = ExecutorOptions(
            small_model=self.small,
            large_model=self.large,
            threshold=self.threshold,
            enable_threshold=self.enable_threshold,
            workers=self.workers,
            result_after=self.result_after,
        )
        return PlanOptions(
            executor=executor,
            router_model=self.planner,
            planner_prompt="" if is_trained_to_plan(self.planner) else None,
            aggregation="last_step" if self.ends_with_last_step else "model",
        )


def setup_of(options: PlanOptions) -> Setup:
    """The setup that a run was started with."""
    executor = options.executor
    return Setup(
        options.router_model,
        executor.small_model,
        executor.large_model,
        executor.threshold,
        executor.enable_threshold,
        executor.workers,
        options.aggregation == "last_step",
        executor.result_after,
    )


def restored_setup(kept: Mapping[str, Any], targets: dict[str, str]) -> Setup:
    """What was kept of the last setup, with defaults where it no longer holds."""
    small, large = default_pair(targets)
    fresh = Setup(default_planner(targets), small, large, result_after=working_sign(small, large))
    setup = restored(fresh, kept)
    return replace(
        setup,
        planner=setup.planner if setup.planner in targets else fresh.planner,
        small=setup.small if setup.small in targets else small,
        large=setup.large if setup.large in targets else large,
        threshold=min(max(setup.threshold, 1), HARDEST + 1),
        workers=min(max(setup.workers, 1), MAX_WORKERS),
    )


def _with_consequences(setup: Setup, changed: frozenset[str]) -> Setup:
    if "planner" in changed:
        # Plans that a trained planner or a person writes end in one step; what others write is aggregated.
        setup = replace(setup, ends_with_last_step=not setup.planner or is_trained_to_plan(setup.planner))
    if changed & {"small", "large"}:
        setup = replace(setup, result_after=working_sign(setup.small, setup.large))
    return setup


SETUP = PageSetup(
    "plans",
    lambda: restored_setup(preferences.load().plan, known_targets()),
    remembered="plan",
    at_once=True,
    follow=_with_consequences,
)


def use_small(target: str) -> None:
    """Have easy steps solved by this model, as another page asks."""
    SETUP.revise(small=target)


# --- the run --------------------------------------------------------------------------------------------------------


class _ShownPlan(ShownRun[PlanRun, PlanRun]):
    """With the run that is compared with it, and the step that is looked at."""

    def show(self, run_id: str) -> None:
        if self.address.kept() != run_id:
            st.session_state.pop(_STEP, None)
        super().show(run_id)

    def open(self, run_id: str) -> None:
        super().open(run_id)
        compare_with(None)

    def leave(self) -> None:
        super().leave()
        compare_with(None)

    def forget(self, run_id: str) -> None:
        super().forget(run_id)
        if _WITH.kept() == run_id:
            compare_with(None)


def _set_up_as(run: PlanRun) -> None:
    SETUP.set(restored_setup(asdict(setup_of(run.options)), known_targets()))


RUN = _ShownPlan("plans", lambda workbench: workbench.plans, _set_up_as)


def start(question: str, plan: Plan | None = None, *, beside: str | None = None) -> bool:
    """Answer a question with the setup as it is now; whether that began. ``beside`` is the run that it is made from, to
    be compared with it."""
    run = perform(get_workbench().plans.start(question, SETUP.current().options(), plan=plan, parent_id=beside))
    if run is None:
        return False
    SETUP.remember()
    compare_with(beside)
    RUN.show(run.id)
    return True


def solve_again(run_id: str, step_id: str) -> None:
    """Solve a step and what needs it once more, with the setup as it is now, beside the run as it was."""
    run = perform(get_workbench().plans.solve_again(run_id, step_id, SETUP.current().options()), run_id)
    if run is not None:
        compare_with(run_id)
        RUN.show(run.id)
        select_step(step_id)


def compare_with(run_id: str | None) -> None:
    """Show another run's chart beneath this one's; None shows none."""
    _WITH.keep(run_id)


def compared_run() -> PlanRun | None:
    """The other run, if one is compared with."""
    run_id = _WITH.read()
    if not run_id or run_id == RUN.address.kept():
        return None
    run = perform(get_workbench().plans.get(run_id), run_id)
    compare_with(run.id if run else None)
    return run


def select_step(step_id: str) -> None:
    st.session_state[_STEP] = step_id


def pick_step(step_id: str) -> None:
    """Select a step otherwise than by its box, which is then made anew: a browser that has not heard of it yet would
    send the old choice with its next poll."""
    select_step(step_id)
    st.session_state[_PICKS] = picks() + 1


def picks() -> int:
    """How often a step was picked otherwise than by the box."""
    return int(st.session_state.get(_PICKS, 0))


def selected_step(run: PlanRun) -> str | None:
    """The step being looked at: the one that was picked, else the first, or the last with an answer where all is over.

    The choice is kept, so that it does not move while the run goes on.
    """
    chosen = st.session_state.get(_STEP)
    if chosen in run.steps:
        return str(chosen)
    answered = [step_id for step_id, step in run.steps.items() if step.answer is not None]
    found = answered[-1] if answered and run.is_over else next(iter(run.steps), None)
    if found is not None:
        select_step(found)
    return found
