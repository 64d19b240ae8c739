"""A cooperation as one watches it: its state, the answer and how it was made, votes, worth, members, what ran when."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.tables import figure_table, ranking_table
from multi_llm_comparator.cooperation.words import outcome_texts, words_of
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.ui.cooperate.cards import draw_cards
from multi_llm_comparator.ui.cooperate.charts import lane_figure, vote_figure
from multi_llm_comparator.ui.cooperate.state import RUN
from multi_llm_comparator.ui.cooperate.worth import draw_worth
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import note_chip, problem, table
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.markdown import bounded, to_markdown
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone
from multi_llm_comparator.ui.kit.shown_run import watch
from multi_llm_comparator.ui.kit.theme import page_tone

POLL_S = 0.4 if available_cpus() <= 4 else 0.2
MAX_ANSWER_CHARS = 20_000
_TONES: dict[str, Tone] = {
    "queued": STATE_TONES["queued"],
    "done": STATE_TONES["done"],
    "failed": STATE_TONES["failed"],
    "stopped": STATE_TONES["stopped"],
    "interrupted": STATE_TONES["stopped"],
}


def draw_board(run: CooperationRun) -> None:
    """Everything of a run; redrawn several times a second while it is at work."""
    was_over = run.is_over

    @st.fragment(run_every=None if was_over else POLL_S)
    def live() -> None:
        show_notices()
        latest = RUN.taken(run)
        # The whole page is drawn then; this once more before it would take the cores from the models.
        if latest.is_over != was_over:
            st.rerun()
        _draw(latest)

    live()
    if was_over:
        watch(run)


def _draw(run: CooperationSnapshot) -> None:
    st.html(_status(run))
    _draw_answer(run)
    votes, worth = st.columns([3, 2], gap="medium")
    with votes:
        _draw_votes(run)
    with worth:
        draw_worth(run.spec.mode, [member.target for member in run.spec.members])
        head, rows = figure_table(run, current_language())
        if rows:
            st.html(table(head, [[escape(cell) for cell in row] for row in rows]))
    draw_cards([call for call in run.calls.values() if call.purpose != "integrate"])
    if run.calls:
        figure = lane_figure(run, None if run.is_over else now(), page_tone())
        live_chart(figure, "cooperate_lanes", alt=t("cooperate.lanes_alt"), name=f"cooperation-{run.id}")


def _status(run: CooperationSnapshot) -> str:
    word = words_of(current_language())
    tone = _TONES.get(run.stage, STATE_TONES["running"]).css
    live = "" if run.is_over else " mlc-live"
    chips = [
        f'<span class="mlc-chip{live}" style="--tone:{tone}" data-run-state="{run.stage}">'
        f"{escape(word(f'state_{run.stage}'))}</span>"
    ]
    took = say.seconds(run.wall_s if run.is_over else now() - run.created_at)
    words = [word(f"mode_{run.spec.mode}"), took, t("plan.tokens_n", n=say.count(run.tokens))]
    if run.cost_usd:
        words.append(say.dollars(run.cost_usd))
    chips.append(f'<span class="mlc-muted">{escape(" · ".join(words))}</span>')
    if (worker := run.owner) is not None:
        chips.append(note_chip(t("plan.note_elsewhere", pid=worker.pid), t("plan.elsewhere"), STATE_TONES["loading"]))
    return f'<div class="mlc-plan-status">{"".join(chips)}</div>'


def _draw_answer(run: CooperationSnapshot) -> None:
    with st.container(border=True, key="cooperate_answer"):
        if run.error and run.state == "failed":
            st.html(problem(t("cooperate.failed"), run.error))
        integrating = run.calls.get("integrate")
        text = run.answer or (integrating.text if integrating is not None else "")
        if text:
            for block in to_markdown(bounded(text, MAX_ANSWER_CHARS), is_open=not run.is_over):
                st.markdown(block, anchors=False)
        elif not run.error:
            said = words_of(current_language())(f"state_{run.stage}")
            st.html(f'<div class="mlc-waiting">{escape(said)}</div>')
    if (outcome := run.outcome) is not None:
        lines = outcome_texts(outcome, current_language())
        st.html("".join(f'<div class="mlc-muted mlc-coop-note">{escape(line)}</div>' for line in lines))


def _draw_votes(run: CooperationSnapshot) -> None:
    word = words_of(current_language())
    if run.counts:
        count = run.counts[-1]
        title = word("votes") + (f" · {word('round', n=count.round)}" if len(run.counts) > 1 else "")
        st.html(f"<b>{escape(title)}</b>")
        if count.tally.standings:
            live_chart(
                vote_figure(run, count, page_tone()),
                "cooperate_votes",
                alt=t("cooperate.votes_alt"),
                name=f"votes-{run.id}",
            )
        else:
            st.caption(t("cooperate.no_votes"))
    if run.outcome is not None and run.outcome.ranking:
        head, rows = ranking_table(run, current_language())
        st.html(f"<b>{escape(word('ranking'))}</b>")
        st.html(table(head, [[escape(cell) for cell in row] for row in rows]))
    if not run.counts and not (run.outcome and run.outcome.ranking):
        st.caption(plain(word(f"about_{run.spec.mode}")))
