"""Results by tag, or by subject of a published task, as a table; a row opens its items in the matrix."""

from __future__ import annotations

from typing import Any

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.breakdown import TagResult, results_by_tag
from multi_llm_comparator.evaluation.measuring.crossing import headings
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import difference_words, with_interval
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.measure.opening import go_where_wanted, kept_key, open_items
from multi_llm_comparator.ui.measure.places import chosen_place, mark_place

LABEL_CHARS = 60


def draw_by_tag(snapshot: EvaluationSnapshot) -> None:
    """An expander with a row for each tag; nothing where there are fewer than two."""
    tags = {tag for item in snapshot.items for tag in item.tags}
    if len(tags) < 2:
        return
    label = tn("measure.by_tag", len(tags))
    with st.expander(label, icon=":material/table_rows:", key="measure_by_tag", on_change="rerun") as box:
        if not box.open:
            return
        found = _cached(snapshot)
        st.caption(t("measure.by_tag_why"))
        names = {key: cut_line(name, LABEL_CHARS) for key, name in headings(snapshot.spec.subjects).items()}
        st.dataframe(
            [_row(one, snapshot) for one in found],
            hide_index=True,
            key=kept_key("tags", snapshot.id),
            on_select=lambda: _open(snapshot.id, found),
            selection_mode="single-cell",
            column_config={
                "tag": st.column_config.TextColumn(t("measure.tag"), width="medium"),
                "items": st.column_config.NumberColumn(t("measure.scored"), width="small"),
                **{key: st.column_config.TextColumn(name, width="small") for key, name in names.items()},
                "differs": st.column_config.TextColumn(t("measure.differs"), width="large"),
            },
            height=min(38 + 35 * len(found), 420),
        )
    go_where_wanted(snapshot.id)


def _cached(snapshot: EvaluationSnapshot) -> tuple[TagResult, ...]:
    """Added up once for each state of the run."""
    known = st.session_state.get("measure_by_tag_found")
    if known is None or known[0] != (snapshot.id, snapshot.version):
        known = (snapshot.id, snapshot.version), results_by_tag(snapshot)
        st.session_state["measure_by_tag_found"] = known
    found: tuple[TagResult, ...] = known[1]
    return found


def _row(one: TagResult, snapshot: EvaluationSnapshot) -> dict[str, Any]:
    scores = {subject: with_interval(known) for subject, known in one.scores.items()}
    differs = difference_words(one.differences, snapshot.spec, current_language())
    return {"tag": one.tag, "items": one.items, **scores, "differs": differs}


def _open(run_id: str, found: tuple[TagResult, ...]) -> None:
    key = kept_key("tags", run_id)
    place = chosen_place(key)
    if place is not None and place[0] < len(found):
        row, column = place
        open_items(run_id, column if column in found[row].scores else "", tag=found[row].tag)
        # So that it opens once more when it is clicked once more.
        mark_place(key, None, column)
