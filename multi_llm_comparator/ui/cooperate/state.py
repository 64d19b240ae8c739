"""What one browser session has work together: mode and members being set up, and the run in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
from multi_llm_comparator.ui.kit.page_setup import PageSetup, restored
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.ui.plans.targets import known_targets
from multi_llm_comparator.workbench import get_workbench

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


def restored_setup(kept: Mapping[str, Any]) -> Setup:
    """What was kept of the last setup, with defaults where it no longer holds."""
    fresh, known = Setup(), known_targets()
    setup = restored(fresh, kept)
    members = tuple(target for target in setup.members if target in known)[:MAX_MEMBERS] or first_members()
    return replace(
        setup,
        mode=setup.mode if setup.mode in MODES else fresh.mode,
        members=members,
        integrator=setup.integrator if setup.integrator in known else "",
        rounds=min(max(setup.rounds, 1), MAX_ROUNDS),
        samples=min(max(setup.samples, 1), MAX_SAMPLES),
    )


def first_members() -> tuple[str, ...]:
    """Who takes part where nobody was chosen: as in ``cooperate:MODE``."""
    try:
        found = get_workbench().saved_cooperations.default_members("voting")
    except ModelNotFoundError:
        return ()
    known = known_targets()
    return tuple(member["target"] for member in found if member["target"] in known)


SETUP = PageSetup(
    "cooperate",
    lambda: restored_setup(preferences.load().cooperate),
    remembered="cooperate",
    at_once=True,
    widgets="cooperate",
)
RUN: ShownRun[CooperationRun, CooperationSnapshot] = ShownRun(
    "cooperate", lambda workbench: workbench.cooperations, lambda run: SETUP.revise(**vars(setup_of(run.spec)))
)


def start(question: str, *, mode: str | None = None) -> bool:
    """Have a question answered with the setup as it is now; whether that began. ``mode`` changes it first."""
    if mode is not None:
        SETUP.revise(mode=mode, integration="")
    spec = attempt(lambda: SETUP.current().spec(question))
    if spec is None:
        return False
    run = perform(get_workbench().cooperations.start(spec))
    if run is None:
        return False
    RUN.show(run.id)
    return True
