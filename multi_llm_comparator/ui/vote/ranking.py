"""The ranking: a chart with intervals, what is decided and what is not, by tag and style; votes as training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.chart_look import FAINT, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import model_label, table
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.tune.sources import Source
from multi_llm_comparator.ui.tune.state import current_draft, leave_run, set_draft
from multi_llm_comparator.ui.vote.state import RUN
from multi_llm_comparator.voting.export_markdown import RANKING_NAMES, ranking_rows
from multi_llm_comparator.voting.preference_pairs import write_pairs
from multi_llm_comparator.voting.ranking import Ranking, points
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import Tally, tally
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.voting.words import notes, say, verdict_lines
from multi_llm_comparator.workbench import get_workbench

SHOWN_VERDICTS = 12
_ROW_PX, _FRAME_PX = 34, 64
READING_S = 120.0
_SCOPES = ("session", "all")


def draw_ranking(run: VoteRun) -> None:
    """Of this session, or of all of them."""
    scope = st.segmented_control(
        t("vote.scope"),
        _SCOPES,
        default=_SCOPES[0],
        required=True,
        format_func=lambda name: t(f"vote.scope_{name}"),
        key=f"vote_scope_{run.id}",
        label_visibility="collapsed",
    )
    _draw([RUN.taken(run)] if scope == _SCOPES[0] else _all_sessions(), run.id)


def draw_ranking_of_all() -> None:
    """Where nothing is open, what all sessions so far say; nothing where there were none."""
    with st.expander(t("vote.all_ranking"), icon=":material/leaderboard:", key="vote_all", on_change="rerun") as box:
        if box.open:
            _draw(_all_sessions(), "all")


def _all_sessions() -> list[VotingSnapshot]:
    return perform(get_workbench().votes.all_sessions(), timeout_s=READING_S) or []


def _draw(sessions: Sequence[VotingSnapshot], name: str) -> None:
    tags = sorted({tag for session in sessions for tag in session.spec.tags})
    tag = ""
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"vote_filters_{name}"):
        if tags:
            tag = st.selectbox(
                t("vote.tag"),
                ["", *tags],
                format_func=lambda one: one or t("vote.any_tag"),
                key=f"vote_tag_{name}",
                width=260,
            )
        with_style = st.toggle(t("vote.style"), key=f"vote_style_{name}", help=t("vote.style_why"))
    found, ranking = _ranked(sessions, tag, with_style=with_style)
    with st.container(key="vote_ranking"):
        _draw_found(sessions, found, ranking, name)


def _ranked(sessions: Sequence[VotingSnapshot], tag: str, *, with_style: bool) -> tuple[Tally, Ranking]:
    """Computed once for each state of the sessions."""
    key = (tuple((session.id, len(session.voted), session.version) for session in sessions), tag, with_style)
    known = st.session_state.get("vote_ranked")
    if known is None or known[0] != key:
        found = tally(sessions, tag=tag)
        known = key, found, found.ranked(with_style=with_style)
        st.session_state["vote_ranked"] = known
    return known[1], known[2]


def _draw_found(sessions: Sequence[VotingSnapshot], found: Tally, ranking: Ranking, name: str) -> None:
    language = current_language()
    if ranking.standings:
        live_chart(
            chart(found, ranking, st.context.theme.type or "light"),
            f"vote_chart_{name}",
            alt=t("vote.chart_alt"),
            name="ranking",
        )
        lines = verdict_lines(found, ranking, language)
        tone = STATE_TONES["queued"].css
        shown = "".join(
            f'<p class="mlc-verdict" style="--tone:{tone}">{escape(line)}</p>' for line in lines[:SHOWN_VERDICTS]
        )
        st.html(shown)
        _draw_table(found, ranking)
    for note in notes(found, ranking, language):
        st.caption(plain(note))
    if ranking.standings:
        _draw_training(sessions, name)


def _draw_table(found: Tally, ranking: Ranking) -> None:
    language = current_language()
    rows = []
    for cells, one in zip(ranking_rows(found, ranking, language), ranking.standings, strict=True):
        rank, _, *figures = [escape(cell) for cell in cells]
        rows.append([model_label(found.labels[one.id], tone_of(found.entries[one.id].target)), rank, *figures])
    rank, model, *heads = [say(language, name) for name in RANKING_NAMES]
    # Names first: it is the first column whose words break where a window is narrow.
    st.html(table([model, rank, *heads], rows))


def chart(found: Tally, ranking: Ranking, page: str) -> Figure:
    """Points with their intervals, the best on top; an end that is not known goes on as an arrow."""
    order = list(reversed(ranking.standings))
    labels = [_short(found.labels[one.id]) for one in order]
    middle = [one.points for one in order]
    tones = [tone_of(found.entries[one.id].target).on(page) for one in order]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": list(range(len(order))),
        "marker": {"color": tones, "size": 11},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [points(one.high) - one.points for one in order],
            "arrayminus": [one.points - points(one.low) for one in order],
            "color": chart_look.MUTED[page],
            "thickness": 2,
            "width": 5,
        },
        "customdata": [[label] for label in labels],
        "hovertemplate": "%{customdata[0]}: %{x:.0f}<extra></extra>",
        "showlegend": False,
    }
    return {"data": [trace], "layout": _layout(labels, order, page)}


def _layout(labels: list[str], order: Sequence[Any], page: str) -> Figure:
    arrows = [
        {
            "x": points(one.high if sign > 0 else one.low),
            "y": place,
            "text": "→" if sign > 0 else "←",
            "showarrow": False,
            "xshift": 12 * sign,
            "font": {"size": 16, "color": chart_look.MUTED[page]},
        }
        for place, one in enumerate(order)
        for sign, is_open in ((1, one.is_open_above), (-1, one.is_open_below))
        if is_open
    ]
    return {
        **chart_look.layout(page),
        "height": _FRAME_PX + _ROW_PX * len(order),
        "margin": {"l": 8, "r": 24, "t": 8, "b": 44},
        "xaxis": {
            "title": {"text": t("vote.axis"), "font": {"size": 12}},
            "gridcolor": FAINT[page],
            "zeroline": False,
            "fixedrange": True,
        },
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(order))),
            "ticktext": labels,
            "automargin": True,
            "fixedrange": True,
            "range": [-0.6, len(order) - 0.4],
            "gridcolor": FAINT[page],
            "zeroline": False,
        },
        "annotations": arrows,
        "meta": {
            "narrow": {"xaxis": {"title": {"text": say(current_language(), "points")}, "nticks": 4, "tickangle": 0}}
        },
    }


def _short(label: str) -> str:
    """A name as a chart has room for: models of one family differ at the end."""
    return label if len(label) <= 34 else f"{label[:14]}…{label[-19:]}"


def _draw_training(sessions: Sequence[VotingSnapshot], name: str) -> None:
    with st.container(horizontal=True):
        if button("vote.train", icon="model_training", key=f"vote_train_{name}", why=True):
            _train(sessions, name)


def _train(sessions: Sequence[VotingSnapshot], name: str) -> None:
    """Open Tune with the votes as pairs of a better and a worse answer."""
    path = get_settings().home / "votes" / f"preferences-{name}.jsonl"
    if attempt(lambda: write_pairs(path, sessions)) is None:
        return
    draft = current_draft()
    changes = {**draft.changes, "method": "dpo"}
    set_draft(replace(draft, source=Source("path", str(path), path.name), mapping=None, changes=changes))
    leave_run()
    go_to("tune")
