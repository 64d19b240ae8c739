"""What one browser session plans with: the models and bounds being set up, and the run in the address.

The run itself lives in the registry and in the store; a session only knows its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.plans.executor import DEFAULT_THRESHOLD, ExecutorOptions
from multi_llm_comparator.plans.plan import HARDEST, Plan
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.plans.planners import is_trained_to_plan
from multi_llm_comparator.ui.plans.targets import (
    default_pair,
    default_planner,
    known_targets,
    working_sign,
)
from multi_llm_comparator.workbench import get_workbench

_SETUP, _STEP, _PICKS, _REVISION = "plans_setup", "plans_step", "plans_picks", "plans_revision"
_RUN, _WITH = AddressedId("run", "plans_run"), AddressedId("with", "plans_with")
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


def current_setup() -> Setup:
    """The setup as it is now. At first the one used last, as far as its models are still there."""
    if _SETUP not in st.session_state:
        targets = known_targets()
        st.session_state[_SETUP] = restored_setup(preferences.load().plan, targets)
    setup: Setup = st.session_state[_SETUP]
    return setup


def restored_setup(kept: Mapping[str, Any], targets: dict[str, str]) -> Setup:
    """What was kept of the last setup, with defaults where it no longer holds."""
    small, large = default_pair(targets)
    fresh = Setup(default_planner(targets), small, large, result_after=working_sign(small, large))
    types = {f.name: type(getattr(fresh, f.name)) for f in fields(Setup)}
    known = {name: kept[name] for name, kind in types.items() if type(kept.get(name)) is kind}
    setup = replace(fresh, **known)
    return replace(
        setup,
        planner=setup.planner if setup.planner in targets else fresh.planner,
        small=setup.small if setup.small in targets else small,
        large=setup.large if setup.large in targets else large,
        threshold=min(max(setup.threshold, 1), HARDEST + 1),
        workers=min(max(setup.workers, 1), MAX_WORKERS),
    )


def change_setup(**changes: Any) -> None:
    """Change what a widget was set to, and what follows from it."""
    changed = setup = replace(current_setup(), **changes)
    if "planner" in changes:
        # Plans that a trained planner or a person writes end in one step; what others write is put together.
        setup = replace(setup, ends_with_last_step=not setup.planner or is_trained_to_plan(setup.planner))
    if changes.keys() & {"small", "large"}:
        setup = replace(setup, result_after=working_sign(setup.small, setup.large))
    if setup != changed:
        _revise()
    st.session_state[_SETUP] = setup
    preferences.update(plan=asdict(setup))


def use_small(target: str) -> None:
    """Have easy steps solved by this model, as another page asks."""
    change_setup(small=target)
    _revise()


def setup_revision() -> int:
    """How often the setup was changed otherwise than by its widgets. Those are then made anew: a value that is only set
    from here can be lost on a browser that is still busy drawing the widget."""
    return int(st.session_state.get(_REVISION, 0))


def _revise() -> None:
    st.session_state[_REVISION] = setup_revision() + 1


def current_run() -> PlanRun | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    run = perform(get_workbench().plans.get(run_id), run_id)
    if run is None:
        leave_run()
        return None
    if _RUN.kept() != run.id:
        st.session_state[_SETUP] = restored_setup(asdict(setup_of(run.options)), known_targets())
        _revise()
    show_run(run.id)
    return run


def taken(run: PlanRun) -> PlanRun:
    """The run as it is at this moment; as it is stored now, if another process is at work on it."""
    followed = perform(get_workbench().plans.get(run.id), run.id) if run.owner is not None else None
    return (followed or run).snapshot()


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    if _RUN.kept() != run_id:
        st.session_state.pop(_STEP, None)
    _RUN.write(run_id)


def open_run(run_id: str) -> None:
    """Turn to another run, with its setup."""
    _RUN.ask(run_id)
    compare_with(None)


def leave_run() -> None:
    """Start afresh with the same setup; the run stays where it is."""
    _RUN.write(None)
    compare_with(None)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()
    elif _WITH.kept() == run_id:
        compare_with(None)


def start(question: str, plan: Plan | None = None, *, beside: str | None = None) -> bool:
    """Answer a question with the setup as it is now; whether that began. ``beside`` is the run that it is made from, to
    be compared with it."""
    run = perform(get_workbench().plans.start(question, current_setup().options(), plan=plan, parent_id=beside))
    if run is None:
        return False
    preferences.update(plan=asdict(current_setup()))
    compare_with(beside)
    show_run(run.id)
    return True


def solve_again(run_id: str, step_id: str) -> None:
    """Solve a step and what needs it once more, with the setup as it is now, beside the run as it was."""
    run = perform(get_workbench().plans.solve_again(run_id, step_id, current_setup().options()), run_id)
    if run is not None:
        compare_with(run_id)
        show_run(run.id)
        select_step(step_id)


def compare_with(run_id: str | None) -> None:
    """Show another run's chart beneath this one's; None shows none."""
    _WITH.write(run_id)


def compared_run() -> PlanRun | None:
    """The other run, if one is compared with."""
    run_id = _WITH.read()
    if not run_id or run_id == _RUN.kept():
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
