"""What one browser session votes on: the session of votes being set up, and the one in the address.

Before a vote nothing of who stands where may leave this process: what is kept in the browser's session by Streamlit
stays here, but keys of widgets, texts and addresses are sent. They name runs, turns and places, never contestants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.vote_setup import vote_spec
from multi_llm_comparator.ui.compare.state import draft_panes, loadable_models, pane_choices
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.choices import sees_images
from multi_llm_comparator.ui.kit.page_setup import PageSetup, restored
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.ui.measure.asked import (
    EXAMPLE,
    NO_SET,
    chosen_set,
    known_sets,
    label_of,
    quantizations,
    usable_models,
    usable_set,
)
from multi_llm_comparator.ui.measure.asked import example_models as measure_example
from multi_llm_comparator.ui.vote.pictures import choose_images, chosen_images
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import MAX_CONTESTANTS, VotingSpec
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.workbench import get_workbench

_REVEALED, _REVEALS = "vote_revealed", "vote_reveals"
MAX_OWN_CHARS = 100_000


@dataclass(frozen=True)
class Setup:
    """The next session. ``own`` are prompts, one a line, where no set is chosen; ``as_compare`` takes the models with
    their parameters from the panes of Compare."""

    prompts: str = EXAMPLE
    own: str = ""
    models: tuple[str, ...] = ()
    as_compare: bool = False
    shown: int = 2
    is_shuffled: bool = True
    temperature: float = 0.7
    max_tokens: int = 200


def example_models() -> list[ModelInfo]:
    """The most exact and the smallest quantization of the first model, else what Measure has for an example."""
    ways = quantizations(sorted(loadable_models(), key=lambda model: model.size))
    return [ways[0], ways[-1]] if len(ways) > 1 else measure_example()


def _first() -> Setup:
    """The setup used last, as far as its models and sets are still there."""
    fresh = Setup(models=tuple(model.id for model in example_models()))
    setup = restored(fresh, preferences.load().vote)
    return replace(setup, models=usable_models(setup.models) or fresh.models, prompts=usable_set(setup.prompts))


SETUP = PageSetup("vote", _first, remembered="vote")
RUN: ShownRun[VoteRun, VotingSnapshot] = ShownRun("vote", lambda workbench: workbench.votes)


def contestants_of(setup: Setup) -> list[tuple[str, ModelConfig]]:
    """Targets with their parameters."""
    if setup.as_compare:
        return [(pane.target, pane.config) for pane in draft_panes()]
    choices = pane_choices()
    return [
        (
            target,
            replace(
                recommended(choices[target].model if target in choices else None),
                temperature=setup.temperature,
                max_tokens=setup.max_tokens,
            ),
        )
        for target in setup.models[:MAX_CONTESTANTS]
    ]


def own_prompts(setup: Setup) -> list[str]:
    return [line.strip() for line in setup.own.splitlines() if line.strip()]


def asked_count(setup: Setup, prompts: PromptSet | None) -> int:
    """How many prompts a session has: one's own are asked about each image that was chosen."""
    return len(prompts.rows) if prompts is not None else len(own_prompts(setup)) * max(1, len(chosen_images()))


def blind_contestants(setup: Setup) -> list[str]:
    """Who of a session about images does not see them."""
    if setup.prompts != NO_SET or not chosen_images():
        return []
    choices = pane_choices()
    return [label_of(target) for target, _ in contestants_of(setup) if not sees_images(choices.get(target))]


def spec_of(setup: Setup, prompts: PromptSet | None) -> VotingSpec:
    """Raises ConfigurationError: the setup cannot be voted on as it is."""
    return vote_spec(
        [(target, label_of(target), config) for target, config in contestants_of(setup)],
        own_prompts(setup) if prompts is None else prompts,
        images=[image.digest for image in chosen_images()],
        shown=setup.shown,
        is_shuffled=setup.is_shuffled,
    )


def start() -> None:
    """Begin a session with the setup as it is now; where that is refused the reader is told why."""
    setup = SETUP.current()
    prompts = chosen_set(setup.prompts)
    if prompts is None and setup.prompts != NO_SET:
        return
    spec = attempt(lambda: spec_of(setup, prompts))
    run = None if spec is None else perform(get_workbench().votes.start(spec, images=chosen_images()))
    if run is not None:
        SETUP.remember()
        RUN.show(run.id)


def set_up_again(run: VoteRun) -> None:
    """Set up another session as this one was, as far as the page can say it."""
    spec = run.spec
    config = spec.contestants[0].config
    # One that was asked about several images is one line.
    lines = dict.fromkeys(" ".join(prompt.text.split()) for prompt in spec.prompts)
    own = "" if spec.source else "\n".join(lines)
    choose_images(tuple(run.snapshot().images.values()))
    known = {facts.name: facts.id for facts in known_sets()}
    SETUP.revise(
        prompts=known.get(spec.source, EXAMPLE) if spec.source else NO_SET,
        own=own[:MAX_OWN_CHARS],
        models=tuple(dict.fromkeys(one.target for one in spec.contestants)),
        as_compare=False,
        shown=spec.shown,
        is_shuffled=spec.is_shuffled,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
    )
    RUN.leave()


# --- what was revealed ------------------------------------------------------------------------------------------------


def reveals() -> bool:
    """Whether each vote is followed by who wrote what."""
    return bool(st.session_state.get(_REVEALS, True))


def set_reveals(wanted: bool) -> None:
    st.session_state[_REVEALS] = wanted


def revealed_turn(run_id: str) -> int | None:
    """The turn that was voted on last, as long as the reader looks at who wrote what."""
    known = st.session_state.get(_REVEALED)
    return known[1] if known is not None and known[0] == run_id else None


def reveal(run_id: str, number: int) -> None:
    st.session_state[_REVEALED] = (run_id, number)


def go_on() -> None:
    """From what was revealed to the next turn."""
    st.session_state.pop(_REVEALED, None)
