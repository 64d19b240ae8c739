"""What one browser session compares: the panes being set up, and the run in the address.

The run itself lives in the registry and in the store; a session only knows its id. The panes are a draft until a prompt
is sent, so that two tabs can prepare different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import PaneDocument, pane_document, pane_from, validated
from multi_llm_comparator.comparison.fairness import SHARED, are_same, with_same
from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.ui.compare.first_panes import first_models
from multi_llm_comparator.ui.compare.setup import Fairness, Setup, setup_from
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import inform, perform, warn
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.choices import Choice, cooperations, listed, local_choices, targets_of_groups
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.visitor import may_ask
from multi_llm_comparator.workbench import get_workbench

# What makers give recommendations for.
RECOMMENDED = ("temperature", "top_p", "top_k", "repeat_penalty")
_PANES, _RUN = "compare_panes", AddressedId("run", "compare_run")
# Prompts that another page wants asked here.
_OFFERED, MAX_OFFERED = "compare_offered", 8
# Whether the panes are still the page's own example.
_UNTOUCHED = "compare_panes_untouched"
# A run that was picked from a list: what another program made of it is wanted, not what goes on from it here.
_AS_STORED = "compare_as_stored"
_SETUP = "compare_chosen_setup"


def current_run() -> Comparison | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    workbench = get_workbench()
    if st.session_state.get(_AS_STORED) != run_id:
        run_id = workbench.runs.branch_of(run_id) or run_id
    try:
        comparison = workbench.bridge.run(workbench.comparisons.get(run_id))
    except MultiLLMError as exc:
        warn(str(exc))
        leave_run()
        return None
    if _RUN.kept() != comparison.id or _PANES not in st.session_state:
        panes, in_turn = comparison.snapshot().panes, comparison.snapshot().in_turn
        save_draft([_asking_for(pane, None) for pane in panes])
        st.session_state[_SETUP] = replace(chosen_setup(), in_turn=in_turn)
    show_run(comparison.id)
    return comparison


def followed(comparison: Comparison) -> Comparison:
    """The run as it is now: as it is stored, if another process works on it."""
    if comparison.owner is None:
        return comparison
    return perform(get_workbench().comparisons.get(comparison.id), comparison.id) or comparison


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    _RUN.keep(run_id)


def leave_run() -> None:
    """Start afresh with the same panes; the run stays in the history."""
    _RUN.keep(None)


def open_run(run_id: str) -> None:
    """Turn to another run, with its panes."""
    st.session_state.pop(_PANES, None)
    st.session_state[_AS_STORED] = run_id
    _RUN.keep(run_id)


def offer_prompts(prompts: Sequence[str]) -> None:
    """Have an empty page offer these prompts instead of its examples, until a prompt was sent."""
    st.session_state[_OFFERED] = [prompt for prompt in prompts if prompt.strip()][:MAX_OFFERED]


def offered_prompts() -> list[str]:
    """What another page wants asked here."""
    offered: list[str] = st.session_state.get(_OFFERED, [])
    return offered


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()


def draft_panes() -> list[Pane]:
    """The panes as they are set up now. At first those used last, else the page's own example, which goes on filling
    in until somebody changes it."""
    if _PANES not in st.session_state:
        remembered = _remembered()
        if get_workbench().models.is_scanning:
            # The models that a visitor used last may be the next to be found.
            return remembered or _first_choice()
        st.session_state[_PANES] = remembered or _first_choice()
        st.session_state[_UNTOUCHED] = not remembered
    elif st.session_state.get(_UNTOUCHED) and not _RUN.kept():
        st.session_state[_PANES] = _fill_in(st.session_state[_PANES])
    panes: list[Pane] = st.session_state[_PANES]
    return panes


def save_draft(panes: Sequence[Pane]) -> None:
    st.session_state[_PANES] = list(panes)
    st.session_state[_UNTOUCHED] = False


def replace_pane(pane: Pane) -> None:
    save_draft([pane if other.id == pane.id else other for other in draft_panes()])


def share_pane(pane: Pane) -> None:
    """Keep a pane whose parameters were changed; where all panes have the same, the others change with it."""
    if fairness() == "same":
        save_draft(with_same([pane if other.id == pane.id else other for other in draft_panes()], pane))
    else:
        replace_pane(pane)


def fairness() -> Fairness:
    """How the panes are set up: as was chosen, as long as they are so; else each on its own."""
    chosen = chosen_setup().fairness
    panes = draft_panes()
    if chosen == "same" and not are_same(panes):
        return "own"
    if chosen == "makers" and not all(_is_as_recommended(pane) for pane in panes):
        return "own"
    return chosen


def choose_fairness(chosen: Fairness) -> None:
    """Set up the panes so: with the first one's parameters, each with its maker's, or as they are."""
    save_setup(fairness=chosen)
    panes = draft_panes()
    if chosen == "same" and panes:
        save_draft(with_same(panes, panes[0]))
    if chosen == "makers":
        save_draft([_as_recommended(pane) for pane in panes])


def _is_as_recommended(pane: Pane) -> bool:
    theirs = recommended_for(pane)
    return all(getattr(pane.config, name) == getattr(theirs, name) for name in RECOMMENDED)


def _as_recommended(pane: Pane) -> Pane:
    theirs = recommended_for(pane)
    config = replace(pane.config, **{name: getattr(theirs, name) for name in RECOMMENDED})
    return replace(pane, config=config, by_hand=(pane.by_hand or frozenset()) - frozenset(RECOMMENDED))


def chosen_setup() -> Setup:
    """How this visitor asks all panes; at first as at the last visit."""
    if _SETUP not in st.session_state:
        st.session_state[_SETUP] = setup_from(preferences.load().compare)
    setup: Setup = st.session_state[_SETUP]
    return setup


def save_setup(**changes: Any) -> None:
    st.session_state[_SETUP] = replace(chosen_setup(), **changes)
    preferences.update(compare=asdict(st.session_state[_SETUP]))


def add_pane() -> None:
    """One more pane, with a model that no other pane has, if there is one."""
    panes = draft_panes()
    known = pane_choices()
    choices = [known[target] for target in listed(known)]
    if len(panes) >= MAX_PANES or not choices:
        return
    taken = {pane.target for pane in panes}
    choice = next((c for c in choices if c.target not in taken), choices[0])
    added = Pane.new(choice.target, recommended(choice.model))
    if fairness() == "same" and panes:
        save_draft(with_same([*panes, added], panes[0]))
    else:
        save_draft([*panes, added])


def duplicate_pane(pane_id: str) -> None:
    """One more pane beside this one, with its model and parameters."""
    panes = draft_panes()
    at = next(i for i, pane in enumerate(panes) if pane.id == pane_id)
    if len(panes) < MAX_PANES:
        save_draft([*panes[: at + 1], replace(panes[at], id=Pane.new("").id), *panes[at + 1 :]])


def move_pane(pane_id: str, by: int) -> None:
    """Change places with the pane on the left (-1) or on the right (1)."""
    at = next(i for i, pane in enumerate(draft_panes()) if pane.id == pane_id)
    place_pane(at, at + by)


def place_pane(at: int, to: int) -> None:
    """Put the pane at one place into another; answers that are there already follow it."""
    panes = list(draft_panes())
    if at == to or not (0 <= at < len(panes) and 0 <= to < len(panes)):
        return
    panes.insert(to, panes.pop(at))
    save_draft(panes)
    if (comparison := current_run()) is not None:
        order = [pane.id for pane in panes]
        asked = comparison.snapshot().panes
        ordered = sorted(asked, key=lambda pane: order.index(pane.id) if pane.id in order else len(order))
        perform(_applied(comparison, ordered), comparison.id)


def apply_to_all(pane_id: str) -> None:
    """Give all panes this one's parameters; models and loading stay."""
    panes = draft_panes()
    save_draft(with_same(panes, next(pane for pane in panes if pane.id == pane_id)))


def remove_pane(pane_id: str) -> None:
    save_draft([pane for pane in draft_panes() if pane.id != pane_id])


def change_model(pane: Pane, choice: Choice) -> None:
    """Another model: what the reader chose stays, the rest is what its makers recommend, and what changed is said."""
    # Its parameters may have been changed since it was drawn.
    pane = next((now for now in draft_panes() if now.id == pane.id), pane)
    shared = SHARED if fairness() == "same" and len(draft_panes()) > 1 else frozenset[str]()
    changed = pane.with_model(choice.target, recommended_for(pane), recommended(choice.model), shared)
    replace_pane(changed)
    if told := _changes(pane.config, changed.config, choice.model):
        inform(t("setup.changed", model=choice.label, changes="; ".join(told)))


def _changes(before: ModelConfig, after: ModelConfig, model: ModelInfo | None) -> list[str]:
    """What changed by itself with the model, such as "temperature 0.7 → 0.2, as its makers recommend"."""
    theirs = model.config.get("generation") or {} if model else {}
    told: dict[str, list[str]] = {"recommended": [], "usual": []}
    for name in RECOMMENDED:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            told["recommended" if name in theirs else "usual"].append(f"{t(f'param.{name}')} {old:g} → {new:g}")
    return [t(f"setup.as_{why}", changes=", ".join(changes)) for why, changes in told.items() if changes]


def recommended_for(pane: Pane) -> ModelConfig:
    """The parameters that the pane's model comes with."""
    choice = pane_choices().get(pane.target)
    return recommended(choice.model if choice else None)


def loadable_models() -> list[ModelInfo]:
    """The models of this machine that the visitor may ask."""
    models = get_workbench().models
    return [one for one in models.get_available_models() if one.is_loadable and may_ask(models.unique_name(one.id))]


def pane_choices() -> dict[str, Choice]:
    """All that a pane can ask, by target: the models of this machine by id, then what the task groups' file names, then
    cooperations."""
    return local_choices(loadable_models()) | targets_of_groups() | cooperations()


def ensure_run(panes: Sequence[Pane]) -> Comparison | None:
    """The open run with these panes, or a new one; None when that was refused, and the reader was told."""
    comparison = current_run()
    workbench = get_workbench()
    preferred = [pane_document(pane) for pane in panes]
    known, setup = pane_choices(), chosen_setup()
    panes = [_asking_for(p, setup.top_logprobs(is_local=_is_local(known.get(p.target)))) for p in panes]
    if comparison is None:
        comparison = perform(workbench.comparisons.create(panes, in_turn=chosen_setup().in_turn))
    elif tuple(panes) != comparison.snapshot().panes:
        comparison = comparison if perform(_applied(comparison, panes), comparison.id) else None
    if comparison is not None:
        if comparison.snapshot().in_turn != chosen_setup().in_turn:
            perform(comparison.set_in_turn(chosen_setup().in_turn), comparison.id)
        show_run(comparison.id)
        if not st.session_state.get(_UNTOUCHED):
            preferences.update(panes=preferred)
    return comparison


def _asking_for(pane: Pane, top_logprobs: int | None) -> Pane:
    """The pane with what is to be kept of its tokens; in a draft nothing is said of it."""
    return replace(pane, config=replace(pane.config, top_logprobs=top_logprobs))


def _is_local(choice: Choice | None) -> bool:
    return choice is not None and choice.model is not None


async def _applied(comparison: Comparison, panes: Sequence[Pane]) -> bool:
    await comparison.set_panes(panes)
    return True


def _remembered() -> list[Pane]:
    known = pane_choices()
    panes: list[Pane] = []
    for entry in preferences.load().panes[:MAX_PANES]:
        pane = _pane_of(entry)
        if pane is not None and pane.target in known:
            panes.append(pane)
    return panes


def _pane_of(entry: Any) -> Pane | None:
    try:
        # Other panes by these ids may be on the page already.
        pane = pane_from(validated(PaneDocument, {**entry, "id": Pane.new("").id}, "a remembered pane"))
        pane.config.validate()
    except (TypeError, ConfigurationError, DocumentError):
        return None
    return pane


def _first_choice() -> list[Pane]:
    """The page's own example. Without any model here, the first that the task groups' file names."""
    chosen = first_models(sorted(loadable_models(), key=lambda m: m.size), get_workbench().settings.models_dir)
    if not chosen:
        return [Pane.new(target) for target in list(pane_choices())[:1]]
    return _first_setup([Pane.new(model.id, recommended(model)) for model in chosen])


def _first_setup(panes: list[Pane]) -> list[Pane]:
    """Panes that nobody has touched: with the same parameters, unless each maker's are wanted."""
    return with_same(panes, panes[0]) if panes and chosen_setup().fairness == "same" else panes


def choose_models(models: Sequence[ModelInfo], *, fills_in: bool = False) -> None:
    """Set the panes to these models, with the parameters that the first one's makers recommend, or each one's.

    ``fills_in``: they are the page's own example, to which its other models come as they are made.
    """
    save_draft(_first_setup([Pane.new(model.id, recommended(model)) for model in models]))
    st.session_state[_UNTOUCHED] = fills_in


def _fill_in(panes: list[Pane]) -> list[Pane]:
    """The page's own example with what has come to it since; panes that stand there stay the same."""
    kept = {pane.target: pane for pane in panes}
    return [kept.get(pane.target, pane) for pane in _first_choice()]
