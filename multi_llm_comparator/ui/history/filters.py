"""Which runs the History page lists. What is chosen stands in the address, so that a copied link lists the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.ui.history.kinds import KINDS, kind_name
from multi_llm_comparator.ui.history.rows import STATES
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.figures import zone
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.visitor import caller_name, visitor
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.workbench import get_workbench

# What a selectbox offers at most.
MAX_OFFERED = 500
# The parameters of the address; the session keeps each under this name behind "history_".
NAMES = ("search", "kind", "model", "state", "tag", "caller", "days", "from", "to")
# Spans that end today, by their number of days.
_SPANS = ("1", "7", "30", "365")
_OWN_SPAN = "own"
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)


def take_filters_from_address() -> None:
    """Begin with what the address says, where this session has not chosen otherwise since it opened the page."""
    for name in NAMES:
        key, asked = f"history_{name}", st.query_params.get(name)
        if key not in st.session_state and asked is not None:
            st.session_state[key] = _date(asked) if name in ("from", "to") else asked


def draw_search() -> None:
    st.text_input(
        t("history.search"),
        key="history_search",
        placeholder=t("history.search"),
        help=t("history.search_why"),
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
        width=340,
        on_change=_to_first_page,
    )


def draw_filters() -> RunFilter:
    """One row of choices; gives what they mean."""
    store = get_workbench().store
    models = [name for name, _ in attempt(store.all_models) or ()]
    tags = [name for name, _ in attempt(store.marks.all_tags) or ()]
    with st.container(key="history_filters", horizontal=True, vertical_alignment="bottom", gap="small"):
        _choice("kind", list(KINDS), kind_name)
        _choice("model", models, name_of, grows=True)
        _choice("state", STATES, lambda state: t(f"status.{state}"))
        _choice("tag", tags, grows=True)
        if callers := _callers():
            _choice("caller", callers, caller_name, grows=True)
        _choice("days", (*_SPANS, _OWN_SPAN), lambda span: t(f"history.days_{span}"))
        if st.session_state.get("history_days") == _OWN_SPAN:
            _draw_date("from")
            _draw_date("to")
        if has_filters():
            quiet_button("history.clear", clear_filters, icon="filter_alt_off", key="history_clear")
    _write_address()
    return _chosen()


def _callers() -> list[str]:
    """For whom there are runs, where the reader sees more than its own."""
    if not visitor().is_admin:
        return []
    return [caller for caller, _ in attempt(get_workbench().store.all_callers) or () if caller != "token"]


def clear_filters() -> None:
    for name in NAMES:
        st.session_state[f"history_{name}"] = None if name in ("from", "to") else ""
    _to_first_page()


def has_filters() -> bool:
    """Whether anything is filtered at all."""
    return any(st.session_state.get(f"history_{name}") for name in NAMES)


def _choice(name: str, options: Sequence[str], named: Callable[[str], str] = str, *, grows: bool = False) -> None:
    """A choice among ``options``. Of those that ``grows`` one may be gone, or come from a copied link: nothing is found
    then, and the page says why."""
    key = f"history_{name}"
    offered, kept = ["", *options[:MAX_OFFERED]], st.session_state.get(key) or ""
    if kept not in offered and grows:
        offered.append(kept)
    elif kept not in offered:
        st.session_state[key] = ""
    st.selectbox(
        t(f"history.by_{name}"),
        offered,
        key=key,
        format_func=lambda option: named(option) if option else t(f"history.any_{name}"),
        width=170,
        on_change=_to_first_page,
    )


def _draw_date(name: str) -> None:
    st.date_input(
        t(f"history.by_{name}"),
        value=None,
        min_value=FIRST_DAY,
        max_value=LAST_DAY,
        key=f"history_{name}",
        width=140,
        on_change=_to_first_page,
    )


def _to_first_page() -> None:
    st.session_state["history_page"] = 1


def _write_address() -> None:
    for name in NAMES:
        value = st.session_state.get(f"history_{name}")
        said = value.isoformat() if isinstance(value, date) else (value or "").strip()
        if said and st.query_params.get(name) != said:
            st.query_params[name] = said
        elif not said and name in st.query_params:
            del st.query_params[name]


def _chosen() -> RunFilter:
    chosen: dict[str, Any] = {name: st.session_state.get(f"history_{name}") for name in NAMES}
    after, before = _span(chosen["days"] or "", chosen["from"], chosen["to"])
    return RunFilter(
        kind=chosen["kind"] or None,
        model=chosen["model"] or None,
        states=(chosen["state"],) if chosen["state"] else (),
        tag=chosen["tag"] or None,
        caller=chosen["caller"] or None,
        made_after=after,
        made_before=before,
        text=(chosen["search"] or "").strip(),
    )


def _span(days: str, first: date | None, last: date | None) -> tuple[float | None, float | None]:
    """From when to when, in seconds since the epoch; days are the reader's own."""
    if days == _OWN_SPAN:
        return (None if first is None else _midnight(first)), (None if last is None else _midnight(last, 1))
    if days in _SPANS:
        today = datetime.fromtimestamp(now(), zone(st.context.timezone)).date()
        return _midnight(today, 1 - int(days)), None
    return None, None


def _midnight(day: date, later_days: int = 0) -> float:
    return datetime.combine(day + timedelta(days=later_days), time(), zone(st.context.timezone)).timestamp()


def _date(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None
