"""Routing, as a section of the Cooperate page: who would answer a question, and how much quality counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pandas as pd
import streamlit as st

from multi_llm_comparator.routing import RoutingDecision
from multi_llm_comparator.routing.curves import Curves, LearntVerdict
from multi_llm_comparator.routing.point import choose_priority, chosen_priority
from multi_llm_comparator.routing.recorded import recorded_curves
from multi_llm_comparator.routing.surroundings import FOLDER, learning_in
from multi_llm_comparator.ui.cooperate.routing_chart import routing_chart
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts, tm
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.ui.kit.visitor import visitor
from multi_llm_comparator.workbench import get_workbench

LEARNING_S = 600.0
MAX_QUESTION_CHARS = 20_000
_OWN = "own"


def draw_routing() -> None:
    """The whole section, folded: a question to try, the point to choose, what was learnt. It is the same for everybody,
    so that admins alone see and change it."""
    if not visitor().is_admin:
        return
    with st.expander(t("routing.title"), icon=":material/alt_route:", key="routing_section"):
        st.caption(t("routing.why"))
        folder = get_workbench().settings.home / FOLDER
        priority = _draw_point(folder)
        _draw_trial(priority)
        _draw_learnt(folder, priority)
        _draw_counts()


def _draw_point(folder: Path) -> float:
    """How much quality counts: kept for the API, the commands and this page."""
    kept = chosen_priority(folder)
    usual = get_workbench().router.rules.weights.quality_priority
    priority: float = st.slider(
        t("routing.priority"),
        0.0,
        1.0,
        usual if kept is None else kept,
        0.05,
        key="routing_priority",
        help=t("routing.priority_help"),
    )
    is_other = priority != (usual if kept is None else kept)
    if button("routing.keep", icon="push_pin", key="routing_keep", disabled=not is_other):
        attempt(lambda: choose_priority(folder, priority))
        inform(t("routing.kept", priority=f"{priority:g}"))
        st.rerun()
    return priority


def _draw_trial(priority: float) -> None:
    question = st.text_input(
        t("routing.question"),
        placeholder=t("routing.example"),
        max_chars=MAX_QUESTION_CHARS,
        key="routing_question",
    )
    if not question.strip():
        return
    found = attempt(lambda: get_workbench().router.decide(question, quality_priority=priority))
    if found is None:
        return
    st.markdown(tm("routing.decided", target=found.target, task=_named("task", found.task_type)))
    st.progress(found.complexity, text=t("routing.complexity", share=f"{found.complexity:.0%}"))
    for line in _why(found):
        st.caption(plain(line))
    if found.alternatives:
        st.caption(t("routing.others"))
        st.dataframe(_others(found), hide_index=True, width="stretch", key="routing_others_table")


def _why(decision: RoutingDecision) -> list[str]:
    """What was noticed and who decided, in the reader's language; what could not be met, as whoever asks is told it."""
    analysis = decision.analysis
    signals = [f"{_named('signal', signal.name)} {signal.weight:+.2f}" for signal in analysis.signals if signal.weight]
    lines = [t("routing.signals", signals=", ".join(signals))]
    if analysis.task_words:
        lines.insert(0, t("routing.words", words=", ".join(analysis.task_words[:6])))
    lines.append(t("routing.by_learnt") if decision.decided_by == "learnt" else t("routing.by_rules"))
    return [*lines, *decision.unmet]


def _others(decision: RoutingDecision) -> pd.DataFrame:
    rows = [
        {t("routing.name"): one.target, t("routing.score"): f"{one.score:.2f}", t("routing.why_not"): one.why_not}
        for one in decision.alternatives
    ]
    return pd.DataFrame(rows)


def _named(what: str, name: str) -> str:
    """A task or sign of the rules in the reader's language; one of the user's own rules by its name."""
    return t(f"routing.{what}_{name}") if f"routing.{what}_{name}" in texts(current_language()) else name


def _draw_learnt(folder: Path, priority: float) -> None:
    has_learnt = (folder / "learnt.json").is_file()
    learning = learning_in(folder) if has_learnt else None
    learnt = learning.current() if learning is not None else None
    if learning is not None and learning.problem:
        st.warning(plain(learning.problem), icon=":material/error:")
    if learnt is None:
        st.info(t("routing.nothing_learnt"), icon=":material/school:")
    _draw_curves(learnt.curves if learnt is not None else None, priority)
    with st.container(horizontal=True, key="routing_learning"):
        if button("routing.learn_again" if has_learnt else "routing.learn", icon="school", key="routing_learn"):
            _learn(folder)
        if has_learnt and button("routing.forget", icon="delete", key="routing_forget"):
            learning_in(folder).forget()
            st.rerun()


def _draw_curves(own: Curves | None, priority: float) -> None:
    """Curves of one's own evaluations, or those of the recorded answers that come with the package, once asked for."""
    known = {**({_OWN: own} if own is not None else {}), **recorded_curves()}
    chosen = st.segmented_control(
        t("routing_curves.of"),
        list(known),
        default=_OWN if own is not None else None,
        format_func=lambda name: t("routing_curves.own") if name == _OWN else plain(name),
        key=f"routing_curves_{own is not None}",
    )
    if chosen is None:
        return
    curves = known[chosen]
    live_chart(routing_chart(curves, priority, page_tone()), "routing_chart", alt=t("routing.chart"), name="routing")
    if chosen == _OWN:
        st.caption(tm("routing.learnt_from", n=curves.learnt_from, held_out=curves.n))
    else:
        st.caption(
            tm("routing_curves.recorded", n=len(curves.singles), set=chosen, held_out=curves.n, unit=curves.unit)
        )
    verdict = curves.verdict_at(priority)
    if verdict is None:
        st.caption(t("routing_curves.beyond") if curves.verdicts else t("routing.too_few"))
    else:
        _draw_verdict(verdict)


def _draw_verdict(verdict: LearntVerdict) -> None:
    said = {
        "single": verdict.best_single,
        "gain": f"{verdict.over_single:+.3f}",
        "low": f"{verdict.over_single_low:+.3f}",
        "rules": f"{verdict.over_rules:+.3f}",
    }
    st.markdown(tm("routing.trusted", **said) if verdict.is_better else tm("routing.not_trusted", **said))


def _learn(folder: Path) -> None:
    workbench = get_workbench()
    with st.spinner(t("routing.learning")):
        learning = learning_in(folder)
        work = learning.learn_from(workbench.evaluations, workbench.router.rules)
        found = perform(asyncio.wait_for(work, LEARNING_S), timeout_s=LEARNING_S + 5)
    if found is not None:
        inform(t("routing.has_learnt", n=found.curves.learnt_from))
    st.rerun()


def _draw_counts() -> None:
    counts = get_workbench().router.get_routing_stats()
    if counts["total_requests"]:
        st.caption(
            tm(
                "routing.counts",
                n=counts["total_requests"],
                share=f"{counts['success_rate']:.0%}",
                seconds=f"{counts['average_latency']:.1f}",
            )
        )
