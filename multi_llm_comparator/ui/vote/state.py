"""What one browser session votes on: the session of votes being set up, and the one in the address.

Before a vote nothing of who stands where may leave this process: what is kept in the browser's session by Streamlit
stays here, but keys of widgets, texts and addresses are sent. They name runs, turns and places, never contestants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.example_set import example_set
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.compare.first_panes import four_ways
from multi_llm_comparator.ui.compare.state import draft_panes, loadable_models, pane_choices, recommended
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.measure.state import EXAMPLE, NO_SET, known_sets, label_of
from multi_llm_comparator.ui.measure.state import example_models as measure_example
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import CONTESTANT_IDS, MAX_CONTESTANTS, MAX_LABEL_CHARS, VotingSpec, checked_spec
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.workbench import get_workbench

_SETUP, _REVISION, _REVEALED, _REVEALS = "vote_setup", "vote_revision", "vote_revealed", "vote_reveals"
_RUN = AddressedId("run", "vote_run")
MAX_OWN_PROMPTS, MAX_OWN_CHARS = 500, 100_000


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
    models = sorted(loadable_models(), key=lambda model: model.size)
    ways = [m for m in four_ways(models, get_workbench().settings.models_dir) if m.config.get("quantization")]
    return [ways[0], ways[-1]] if len(ways) > 1 else measure_example()


def current_setup() -> Setup:
    """The setup as it is now. At first the one used last, as far as its models and sets are still there."""
    if _SETUP not in st.session_state:
        st.session_state[_SETUP] = _restored(preferences.load().vote)
    setup: Setup = st.session_state[_SETUP]
    return setup


def change_setup(**changes: Any) -> None:
    st.session_state[_SETUP] = replace(current_setup(), **changes)


def revise_setup(**changes: Any) -> None:
    """Change the setup otherwise than by its widgets, which are then made anew."""
    change_setup(**changes)
    st.session_state[_REVISION] = setup_revision() + 1


def setup_revision() -> int:
    return int(st.session_state.get(_REVISION, 0))


def _restored(kept: Mapping[str, Any]) -> Setup:
    known = pane_choices()
    fresh = Setup(models=tuple(model.id for model in example_models()))
    given = {f.name: kept[f.name] for f in fields(Setup) if f.name in kept}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    setup = replace(fresh, **{n: v for n, v in given.items() if type(v) is type(getattr(fresh, n))})
    models = tuple(target for target in setup.models if target in known) or fresh.models
    prompts = setup.prompts if setup.prompts in (EXAMPLE, NO_SET, *(s.id for s in known_sets())) else EXAMPLE
    return replace(setup, models=models, prompts=prompts)


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


def chosen_set(setup: Setup) -> PromptSet | None:
    """The set that is chosen; None for prompts of one's own, or where it cannot be read, which the reader is told."""
    if setup.prompts == NO_SET:
        return None
    return example_set() if setup.prompts == EXAMPLE else attempt(lambda: PromptSets().load(setup.prompts))


def spec_of(setup: Setup, prompts: PromptSet | None) -> VotingSpec:
    """Raises ConfigurationError: the setup cannot be voted on as it is."""
    if prompts is not None:
        rows = [{"id": row.id, "text": prompts.prompt_of(row), "tags": row.tags} for row in prompts.rows]
        asked = {"system": prompts.system, "source": prompts.name, "digest": prompts.digest}
    else:
        rows = [{"id": str(number), "text": text, "tags": ()} for number, text in enumerate(own_prompts(setup), 1)]
        asked = {}
        if len(rows) > MAX_OWN_PROMPTS:
            raise ConfigurationError(f"write at most {MAX_OWN_PROMPTS} prompts here; keep more as a prompt set")
    chosen = contestants_of(setup)
    contestants = [
        {"id": letter, "target": target, "label": label_of(target)[:MAX_LABEL_CHARS], "config": config}
        for letter, (target, config) in zip(CONTESTANT_IDS, chosen, strict=False)
    ]
    return checked_spec(
        contestants=contestants,
        prompts=rows,
        shown=max(2, min(setup.shown, len(contestants))),
        is_shuffled=setup.is_shuffled,
        **asked,
    )


def start() -> None:
    """Begin a session with the setup as it is now; where that is refused the reader is told why."""
    setup = current_setup()
    prompts = chosen_set(setup)
    if prompts is None and setup.prompts != NO_SET:
        return
    spec = attempt(lambda: spec_of(setup, prompts))
    run = None if spec is None else perform(get_workbench().votes.start(spec))
    if run is not None:
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(setup).items()}
        preferences.update(vote=plain)
        show_run(run.id)


# --- the run --------------------------------------------------------------------------------------------------------


def current_run() -> VoteRun | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    run = perform(get_workbench().votes.get(run_id), run_id, timeout_s=60.0)
    if run is None:
        leave_run()
        return None
    show_run(run.id)
    return run


def taken(run: VoteRun) -> VotingSnapshot:
    """The run as it is at this moment; as it is stored now, if another process is at work on it."""
    followed = perform(get_workbench().votes.get(run.id), run.id) if run.owner is not None else None
    return (followed or run).snapshot()


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    _RUN.write(run_id)


def open_run(run_id: str) -> None:
    """Turn to another run."""
    _RUN.ask(run_id)


def leave_run() -> None:
    """Set up another session; this one stays where it is."""
    _RUN.write(None)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()


def set_up_again(run: VoteRun) -> None:
    """Set up another session as this one was, as far as the page can say it."""
    spec = run.spec
    config = spec.contestants[0].config
    own = "" if spec.source else "\n".join(" ".join(prompt.text.split()) for prompt in spec.prompts)
    known = {facts.name: facts.id for facts in known_sets()}
    revise_setup(
        prompts=known.get(spec.source, EXAMPLE) if spec.source else NO_SET,
        own=own[:MAX_OWN_CHARS],
        models=tuple(dict.fromkeys(one.target for one in spec.contestants)),
        as_compare=False,
        shown=spec.shown,
        is_shuffled=spec.is_shuffled,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
    )
    leave_run()


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
