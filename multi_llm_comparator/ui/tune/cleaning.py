"""The block of cleaning: each check with what it found and its switch, how long rows are, and contamination."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.training.data.contamination import Contamination, SetContamination
from multi_llm_comparator.training.data.report import RuleCount
from multi_llm_comparator.training.data.spec import MAX_ROWS
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import opener
from multi_llm_comparator.ui.kit.html_pieces import figure, table
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.tune.data import copied_data
from multi_llm_comparator.ui.tune.data_work import Cleaned
from multi_llm_comparator.ui.tune.pieces import histogram_html
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision

# The switch of each rule that has one, by the name of the rule.
SWITCHES: Mapping[str, str] = {
    "exact_duplicate": "exact_duplicates",
    "near_duplicate": "near_duplicates",
    "encoding": "encoding",
    "leftovers": "leftovers",
    "refusal": "refusals",
    "contaminated": "contaminated",
}
MAX_SETS, MAX_SETS_CHARS = 16, 4000
MAX_SHARE = 0.5


def draw_cleaning(report: Cleaned, max_tokens: int) -> None:
    """What was found, what is left, and what one may decide of it."""
    st.html(_figures(report))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _draw_rules(report.counts)
    with right:
        if report.statistics is not None:
            st.html(histogram_html(bins(report.statistics), max_tokens))
        share, most = st.columns(2, gap="small")
        with share:
            _draw_share()
        with most:
            _draw_most()
    _draw_contamination(report.contamination)


def _figures(report: Cleaned) -> str:
    pieces = [
        figure(say.count(report.read), t("tune.rows_read"), t("tune.rows_read_why")),
        figure(say.count(report.left_out), t("tune.rows_left_out"), t("tune.rows_left_out_why")),
        figure(say.count(report.train), t("tune.rows_learnt"), t("tune.rows_learnt_why")),
        figure(say.count(report.validation), t("tune.rows_validation"), t("tune.rows_validation_why")),
    ]
    if (known := report.statistics) is not None:
        pieces += [
            figure(say.count(known.tokens), t("tune.tokens_all"), t("tune.tokens_all_why")),
            figure(say.count(known.learnt_tokens), t("tune.tokens_learnt"), t("tune.tokens_learnt_why")),
        ]
    return f'<div class="mlc-strip">{"".join(pieces)}</div>'


def bins(statistics: DataStatistics) -> list[tuple[int, int, int]]:
    """The histogram as fewest tokens, most tokens and rows, without gaps between."""
    low, found = 1, []
    for most, rows in statistics.lengths:
        found.append((low, most, rows))
        low = most + 1
    return found


def _draw_rules(counts: Mapping[str, RuleCount]) -> None:
    quiet = []
    for rule, count in counts.items():
        if rule == "contaminated" or (not count.found and rule not in SWITCHES):
            continue
        if count.found:
            _draw_rule(rule, count)
        else:
            quiet.append(rule)
    if quiet:
        names = ", ".join(t(f"tune.rule_{rule}") for rule in quiet)
        st.html(f'<div class="mlc-muted">{escape(t("tune.nothing_found", rules=names))}</div>')


def _draw_rule(rule: str, count: RuleCount) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"tune_rule_{rule}"):
        if switch := SWITCHES.get(rule):
            key = f"tune_switch_{switch}_{draft_revision()}"
            st.toggle(
                t(f"tune.rule_{rule}"),
                getattr(current_draft().cleaning, switch),
                key=key,
                help=t(f"tune.rule_{rule}_why"),
                on_change=lambda: _switch(switch, bool(st.session_state[key])),
            )
        else:
            named = f'<small title="{escape(t(f"tune.rule_{rule}_why"))}">{escape(t(f"tune.rule_{rule}"))}</small>'
            st.html(named, width="content")
        words, found = "tune.found_n" if count.left_out else "tune.found_kept_n", {"n": count.found}
        opener(words, _draw_examples, count, key=f"tune_found_{rule}", type="tertiary", values=found)


def _switch(name: str, value: bool) -> None:
    change_draft(cleaning=current_draft().cleaning.model_copy(update={name: value}))


def _draw_examples(count: RuleCount) -> None:
    rows = [[say.count(one.number), escape(said(one.why)), escape(one.excerpt)] for one in count.examples]
    st.html(table([t(f"tune.example_{name}") for name in ("row", "why", "text")], rows, words=(1, 2)))


def _draw_share() -> None:
    copied = copied_data(current_draft().source, current_draft())
    if copied is not None and copied.split.path is not None:
        name = t("tune.share_file", name=Path(copied.split.path).name)
        st.html(f'<div class="mlc-muted" title="{escape(t("tune.share_file_why"))}">{escape(name)}</div>')
        return
    key = f"tune_share_{draft_revision()}"
    st.slider(
        t("tune.share"),
        0,
        int(100 * MAX_SHARE),
        round(100 * current_draft().share),
        key=key,
        format="%d %%",
        help=t("tune.share_why"),
        on_change=lambda: change_draft(share=st.session_state[key] / 100),
    )


def _draw_most() -> None:
    key = f"tune_max_rows_{draft_revision()}"
    st.number_input(
        t("tune.max_rows"),
        1,
        MAX_ROWS,
        current_draft().max_rows,
        key=key,
        placeholder=t("tune.max_rows_all"),
        help=t("tune.max_rows_why"),
        on_change=lambda: change_draft(max_rows=st.session_state[key]),
    )


# --- contamination ----------------------------------------------------------------------------------------------------


def _draw_contamination(found: Contamination | None) -> None:
    for one in found.sets if found is not None else ():
        _draw_set(one)
    sets = current_draft().evaluation_sets
    with st.popover(
        tn("tune.sets_n", len(sets)) if sets else t("tune.sets"),
        icon=":material/fact_check:",
        type="tertiary",
        key="tune_sets",
        on_change="rerun",
    ) as box:
        if not box.open:
            return
        st.caption(t("tune.sets_why"))
        key = f"tune_sets_text_{draft_revision()}"
        st.text_area(
            t("tune.sets_paths"),
            "\n".join(sets),
            key=key,
            height=110,
            max_chars=MAX_SETS_CHARS,
            placeholder=t("tune.sets_placeholder"),
            on_change=lambda: change_draft(evaluation_sets=sets_in(st.session_state[key])),
        )
        _switch_box()


def _switch_box() -> None:
    key = f"tune_switch_contaminated_{draft_revision()}"
    st.toggle(
        t("tune.rule_contaminated"),
        current_draft().cleaning.contaminated,
        key=key,
        help=t("tune.rule_contaminated_why"),
        on_change=lambda: _switch("contaminated", bool(st.session_state[key])),
    )


def sets_in(text: str) -> tuple[str, ...]:
    """One path a line, each once; a path from the home folder is made a whole one."""
    paths = (str(Path(line.strip()).expanduser()) for line in text.splitlines() if line.strip())
    return tuple(dict.fromkeys(paths))[:MAX_SETS]


def _draw_set(one: SetContamination) -> None:
    """Of one evaluation set how much is in the data, and where."""
    if not (one.exact or one.overlapping):
        st.success(tm("tune.set_clean", name=one.name, n=say.count(one.texts)), icon=":material/check_circle:")
        return
    text = tm(
        "tune.set_found",
        name=one.name,
        share=f"{one.share:.1%}",
        exact=say.count(one.exact),
        overlapping=say.count(one.overlapping),
        n=say.count(one.texts),
    )
    st.warning(text, icon=":material/warning:")
    with st.expander(t("tune.set_examples"), key=f"tune_set_{one.name}"):
        head = [t(f"tune.set_{name}") for name in ("question", "trained", "where")]
        rows = [[escape(m.question), escape(m.trained), escape(m.where)] for m in one.examples]
        st.html(table(head, rows, words=(0, 1, 2)))
