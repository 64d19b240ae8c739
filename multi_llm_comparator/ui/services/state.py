"""What one browser session asks of services: the next piece of work, and the run in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.spec import KIND_PARAMETER, KINDS, SERVICES, ServiceSpec, ServiceType, spec_of
from multi_llm_comparator.applications.targets import usual_target
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, perform, warn
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.ui.kit.choices import Choice
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.workbench import get_workbench

_SETUP, _REVISION = "services_setup", "services_revision"
_RUN = AddressedId("run", "services_run")
START_S = 60.0
COOPERATE = "cooperate:"


@dataclass(frozen=True)
class Setup:
    """The next piece of work, but for the file, which its widget holds. ``target`` None is the usual one, "" nobody."""

    service: ServiceType = "document_analysis"
    kind: str = KINDS["document_analysis"][0]
    target: str | None = None
    text: str = ""
    question: str = ""
    language: str = ""
    answer_tokens: int = 400
    context_tokens: int = 2048


def current_setup() -> Setup:
    setup: Setup = st.session_state.setdefault(_SETUP, Setup())
    return setup


def change_setup(**changes: Any) -> None:
    setup = replace(current_setup(), **changes)
    if setup.kind not in KINDS[setup.service]:
        setup = replace(setup, kind=KINDS[setup.service][0])
    st.session_state[_SETUP] = setup


def revise_setup(**changes: Any) -> None:
    """Change the setup otherwise than by its widgets, which are then made anew."""
    change_setup(**changes)
    st.session_state[_REVISION] = setup_revision() + 1


def setup_revision() -> int:
    return int(st.session_state.get(_REVISION, 0))


def target_choices() -> dict[str, Choice]:
    """All that can be asked: models, groups, and what is saved as a cooperation."""
    saved = get_workbench().saved_cooperations.names()
    together = [Choice(f"{COOPERATE}{name}", "group", t("services.together", name=name)) for name in saved]
    return pane_choices() | {choice.target: choice for choice in together}


def usual() -> str:
    """Who is asked where nobody was chosen, by the name that choices have."""
    workbench = get_workbench()
    found = usual_target(workbench.models, workbench.gateway.groups)
    model = workbench.models.find(found) if found else None
    return model.id if model else found


def asked_target(setup: Setup) -> str:
    return usual() if setup.target is None else setup.target


def start(upload_key: str) -> None:
    """Work on what is set up now; where that is refused the reader is told why."""
    setup = current_setup()
    upload = st.session_state.get(upload_key)
    if upload is not None and upload.size > MAX_UPLOAD_BYTES:
        warn(t("services.too_large", limit=say.size(MAX_UPLOAD_BYTES)))
        return
    name, data = (upload.name, upload.getvalue()) if upload is not None else ("", setup.text.encode("utf-8", "replace"))
    _begin(setup, name[:300], data)


def start_example(service: ServiceType) -> None:
    """Work on the example in the reader's language."""
    setup = replace(Setup(), service=service, kind=KINDS[service][0], target=current_setup().target)
    _begin(setup, "", example_text(service, current_language()).encode())


def _begin(setup: Setup, name: str, data: bytes) -> None:
    spec = attempt(lambda: _spec(setup, name))
    run = None if spec is None else perform(get_workbench().applications.start(spec, data), timeout_s=START_S)
    if run is not None:
        show_run(run.id)


def _spec(setup: Setup, name: str) -> ServiceSpec:
    return spec_of(
        setup.service,
        {
            KIND_PARAMETER[setup.service]: setup.kind,
            "model": asked_target(setup),
            "name": name,
            "question": setup.question if setup.kind == "questions" else "",
            "language": setup.language,
            "answer_tokens": setup.answer_tokens,
            "context_tokens": setup.context_tokens,
        },
    )


# --- the run --------------------------------------------------------------------------------------------------------


def current_run() -> ServiceRun | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    run = perform(get_workbench().applications.get(run_id), run_id, timeout_s=START_S)
    if run is None:
        leave_run()
        return None
    show_run(run.id)
    return run


def taken(run: ServiceRun) -> ServiceSnapshot:
    """The run as it is at this moment; as it is stored now, if another process is at work on it."""
    followed = perform(get_workbench().applications.get(run.id), run.id) if run.owner is not None else None
    return (followed or run).snapshot()


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    _RUN.write(run_id)


def open_run(run_id: str) -> None:
    """Turn to another run."""
    _RUN.ask(run_id)


def leave_run() -> None:
    """Set up another one; the run stays where it is."""
    _RUN.write(None)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()


def set_up_again(run: ServiceRun) -> None:
    """Set up another piece of work as this one was; a text is there again, a file has to be chosen again."""
    spec = run.spec
    text = ""
    if not spec.name:
        data = perform(get_workbench().applications.document(run.id), run.id)
        text = data.decode("utf-8", "replace") if data is not None else ""
    assert spec.service_type in SERVICES
    revise_setup(
        service=spec.service_type,
        kind=spec.kind,
        target=spec.target,
        text=text,
        question=spec.question,
        language=spec.language,
        answer_tokens=spec.answer_tokens,
        context_tokens=spec.context_tokens,
    )
    leave_run()
