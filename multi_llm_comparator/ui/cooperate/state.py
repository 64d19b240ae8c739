"""What one browser session has work together: mode and members being set up, and the run in the address.

The run itself lives in the registry and in the store; a session only knows its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import (
    MAX_MEMBERS,
    MAX_ROUNDS,
    MAX_SAMPLES,
    MODES,
    CooperationSpec,
    checked_spec,
)
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ModelNotFoundError
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.plans.targets import known_targets
from multi_llm_comparator.workbench import get_workbench

_SETUP, _REVISION = "cooperate_setup", "cooperate_revision"
_RUN = AddressedId("run", "cooperate_run")
MAX_TOKENS = 512


@dataclass(frozen=True)
class Setup:
    """How the next question is answered."""

    mode: str = "voting"
    members: tuple[str, ...] = ()
    integrator: str = ""
    integration: str = ""
    rounds: int = 1
    samples: int = 1
    stop_early: bool = True
    temperature: float = 0.7
    max_tokens: int = MAX_TOKENS
    deadline_s: int = 0

    def spec(self, question: str) -> CooperationSpec:
        """Raises ConfigurationError: it cannot be asked so."""
        return checked_spec(
            mode=self.mode,
            members=tuple({"target": target} for target in self.members),
            question=question,
            integrator=self.integrator,
            integration=self.integration,
            rounds=self.rounds,
            samples=self.samples,
            stop_early=self.stop_early,
            deadline_s=self.deadline_s or None,
            config=ModelConfig(temperature=self.temperature, max_tokens=self.max_tokens),
        )


def setup_of(spec: CooperationSpec) -> Setup:
    """The setup that a run was started with."""
    return Setup(
        mode=spec.mode,
        members=tuple(member.target for member in spec.members),
        integrator=spec.integrator,
        integration=spec.integration,
        rounds=spec.rounds,
        samples=spec.samples,
        stop_early=spec.stop_early,
        temperature=spec.config.temperature,
        max_tokens=spec.config.max_tokens,
        deadline_s=round(spec.deadline_s or 0),
    )


def current_setup() -> Setup:
    """The setup as it is now. At first the one used last, as far as its models are still there."""
    if _SETUP not in st.session_state:
        st.session_state[_SETUP] = restored_setup(preferences.load().cooperate)
    setup: Setup = st.session_state[_SETUP]
    return setup


def restored_setup(kept: Mapping[str, Any]) -> Setup:
    """What was kept of the last setup, with defaults where it no longer holds."""
    fresh, known = Setup(), known_targets()
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v := kept[name], list) else v for name in _names() if name in kept
    }
    setup = replace(fresh, **{n: v for n, v in given.items() if type(v) is type(getattr(fresh, n))})
    members = tuple(target for target in setup.members if target in known)[:MAX_MEMBERS] or first_members()
    return replace(
        setup,
        mode=setup.mode if setup.mode in MODES else fresh.mode,
        members=members,
        integrator=setup.integrator if setup.integrator in known else "",
        rounds=min(max(setup.rounds, 1), MAX_ROUNDS),
        samples=min(max(setup.samples, 1), MAX_SAMPLES),
    )


def _names() -> list[str]:
    return [one.name for one in fields(Setup)]


def first_members() -> tuple[str, ...]:
    """Who takes part where nobody was chosen: as in ``cooperate:MODE``."""
    try:
        found = get_workbench().saved_cooperations.default_members("voting")
    except ModelNotFoundError:
        return ()
    known = known_targets()
    return tuple(member["target"] for member in found if member["target"] in known)


def change_setup(**changes: Any) -> None:
    """Change what a widget was set to."""
    st.session_state[_SETUP] = setup = replace(current_setup(), **changes)
    preferences.update(cooperate=asdict(setup))


def revise_setup(**changes: Any) -> None:
    """Change the setup otherwise than by its widgets, which are then made anew."""
    change_setup(**changes)
    st.session_state[_REVISION] = setup_revision() + 1


def setup_revision() -> int:
    return int(st.session_state.get(_REVISION, 0))


# --- the run --------------------------------------------------------------------------------------------------------


def current_run() -> CooperationRun | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    run = perform(get_workbench().cooperations.get(run_id), run_id)
    if run is None:
        leave_run()
        return None
    if _RUN.kept() != run.id:
        revise_setup(**vars(setup_of(run.spec)))
        _RUN.write(run.id)
    return run


def taken(run: CooperationRun) -> CooperationSnapshot:
    """The run as it is now; one of another process as it was stored a moment ago."""
    if run.owner is not None:
        run = perform(get_workbench().cooperations.get(run.id), run.id) or run
    return run.snapshot()


def start(question: str, *, mode: str | None = None) -> bool:
    """Have a question answered with the setup as it is now; whether that began. ``mode`` changes it first."""
    if mode is not None:
        revise_setup(mode=mode, integration="")
    spec = attempt(lambda: current_setup().spec(question))
    if spec is None:
        return False
    run = perform(get_workbench().cooperations.start(spec))
    if run is None:
        return False
    _RUN.write(run.id)
    return True


def resume(run_id: str) -> None:
    """Ask what is open of a run, also what failed."""
    perform(get_workbench().cooperations.resume(run_id), run_id)


def open_run(run_id: str) -> None:
    """Turn to another run, with its setup."""
    _RUN.ask(run_id)


def leave_run() -> None:
    """Start afresh with the same setup; the run stays where it is."""
    _RUN.write(None)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()
