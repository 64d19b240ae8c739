"""What one browser session asks of services: the next piece of work, and the run in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.pictures import is_picture
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.spec import KIND_PARAMETER, KINDS, SERVICES, ServiceSpec, ServiceType, spec_of
from multi_llm_comparator.applications.targets import usual_target
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, perform, warn
from multi_llm_comparator.ui.kit.choices import Choice
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.page_setup import PageSetup
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.workbench import get_workbench

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


def _with_kind(setup: Setup, changed: frozenset[str]) -> Setup:
    """Each service has kinds of its own."""
    return setup if setup.kind in KINDS[setup.service] else replace(setup, kind=KINDS[setup.service][0])


SETUP = PageSetup("services", Setup, follow=_with_kind)
RUN: ShownRun[ServiceRun, ServiceSnapshot] = ShownRun("services", lambda workbench: workbench.applications)


def target_choices() -> dict[str, Choice]:
    """All that can be asked: models, groups, and what is saved as a cooperation."""
    saved = get_workbench().saved_cooperations.names()
    together = [Choice(f"{COOPERATE}{name}", "group", t("services.together", name=name)) for name in saved]
    return pane_choices() | {choice.target: choice for choice in together}


def usual(*, sees: bool = False) -> str:
    """Who is asked where nobody was chosen, by the name that choices have; ``sees``: about a picture."""
    workbench = get_workbench()
    found = usual_target(workbench.models, workbench.gateway.groups, sees=sees)
    model = workbench.models.find(found) if found else None
    return model.id if model else found


def asked_target(setup: Setup) -> str:
    return usual() if setup.target is None else setup.target


def start(upload_key: str) -> None:
    """Work on what is set up now; where that is refused the reader is told why."""
    setup = SETUP.current()
    upload = st.session_state.get(upload_key)
    if upload is not None and upload.size > MAX_UPLOAD_BYTES:
        warn(t("services.too_large", limit=say.size(MAX_UPLOAD_BYTES)))
        return
    name, data = (upload.name, upload.getvalue()) if upload is not None else ("", setup.text.encode("utf-8", "replace"))
    _begin(setup, name[:300], data)


def start_example(service: ServiceType) -> None:
    """Work on the example in the reader's language."""
    setup = replace(Setup(), service=service, kind=KINDS[service][0], target=SETUP.current().target)
    _begin(setup, "", example_text(service, current_language()).encode())


def _begin(setup: Setup, name: str, data: bytes) -> None:
    if setup.target is None and is_picture(data):
        setup = replace(setup, target=usual(sees=True))
    spec = attempt(lambda: _spec(setup, name))
    run = None if spec is None else perform(get_workbench().applications.start(spec, data), timeout_s=START_S)
    if run is not None:
        RUN.show(run.id)


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


def set_up_again(run: ServiceRun) -> None:
    """Set up another piece of work as this one was; a text is there again, a file has to be chosen again."""
    spec = run.spec
    text = ""
    if not spec.name:
        data = perform(get_workbench().applications.document(run.id), run.id)
        text = data.decode("utf-8", "replace") if data is not None else ""
    assert spec.service_type in SERVICES
    SETUP.revise(
        service=spec.service_type,
        kind=spec.kind,
        target=spec.target,
        text=text,
        question=spec.question,
        language=spec.language,
        answer_tokens=spec.answer_tokens,
        context_tokens=spec.context_tokens,
    )
    RUN.leave()
