"""What the groups are: their levels in order, the models of each with the state of their breakers, money spent."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.groups import GroupsConfig
from multi_llm_comparator.groups.config import FallbackStrategy, TaskGroup
from multi_llm_comparator.ui.groups.editor import open_editor
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES

BREAKER_TONES = {
    "closed": STATE_TONES["done"],
    "half_open": STATE_TONES["loading"],
    "open": STATE_TONES["failed"],
}


# Of the row that a visitor was led to; the page is scrolled there.
ASKED_FOR = "mlc-asked-for"


def draw_group_list(config: GroupsConfig, status: dict[str, Any], entry: str) -> None:
    """A row for each group, with a button that opens it in the editor; nothing when there is none."""
    if config.task_groups:
        st.subheader(t("groups.groups"), anchor=False)
    for name, group in config.task_groups.items():
        with st.container(
            horizontal=True, vertical_alignment="center", key=f"group_row_{abs(hash(name)):x}", wrap=False
        ):
            look = row_look("mlc-groups", name == entry)
            st.html(f"<div {look}>{group_row(name, group, status)}</div>", width="stretch")
            if quiet_button(
                "group_edit.edit", icon="edit", key=f"icon_group_edit_{abs(hash(name)):x}", values={"name": name}
            ):
                open_editor(name)
                st.rerun()


def row_look(kind: str, is_asked_for: bool) -> str:
    """The attributes of a row of this class."""
    return f'class="{kind} {ASKED_FOR}" aria-current="true"' if is_asked_for else f'class="{kind}"'


def group_row(name: str, group: TaskGroup, status: dict[str, Any]) -> str:
    """The group's name and purpose, its levels best first, and what it does when a model fails."""
    goes_down = group.fallback_strategy in (FallbackStrategy.ECHELON_DOWN, FallbackStrategy.PROVIDER_FAILOVER)
    levels = (" › " if goes_down else " · ").join(_level(echelon, group, status) for echelon in group.by_priority())
    notes = [t(f"groups.strategy_{group.fallback_strategy.value}")]
    if group.fallback_groups:
        notes.append(t("groups.then", groups=", ".join(group.fallback_groups)))
    notes += budget_notes(status["budgets"].get(name))
    return (
        f'<span class="mlc-row-title" title="{escape(group.description)}">{escape(name)}</span>'
        f"<span>{levels}</span>"
        f'<span class="mlc-muted">{escape(" · ".join(notes))}</span>'
    )


def budget_notes(budget: dict[str, Any] | None) -> list[str]:
    """What a group has spent of its day, and what one run may spend."""
    notes = []
    if budget and budget["per_day_usd"] is not None:
        limit, spent = say.dollars(budget["per_day_usd"]), budget["spent_today_usd"]
        unread = t("groups.budget_unread", limit=limit)
        notes.append(unread if spent is None else t("groups.budget", spent=say.dollars(spent), limit=limit))
    if budget and budget["per_run_usd"] is not None:
        notes.append(t("groups.budget_per_run", limit=say.dollars(budget["per_run_usd"])))
    return notes


def rule_name(rule: str) -> str:
    """What brought a request to a model, in words."""
    return t(f"groups.rule_{rule}")


def _level(echelon: str, group: TaskGroup, status: dict[str, Any]) -> str:
    models = ", ".join(_model(model, status) for model in group.echelons[echelon].models)
    return f'<span class="mlc-muted">{escape(echelon)}</span> {models}'


def _model(model: str, status: dict[str, Any]) -> str:
    """The model's name with its breaker's state as a dot; the reason on hover when it gets no requests."""
    state = status["breakers"][model]["state"]
    why = status["models"][model]["out"] or t(f"groups.state_{state}")
    tone = BREAKER_TONES["open" if status["models"][model]["out"] else state].css
    return (
        f'<span class="mlc-nowrap" title="{escape(why)}"><span class="mlc-dot" style="--tone:{tone}"></span>'
        f"{escape(model)}</span>"
    )
