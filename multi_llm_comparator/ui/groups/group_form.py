"""The form of a group: name, levels with their models and limits, what happens when a model fails, weights."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.groups.config import FallbackStrategy
from multi_llm_comparator.groups.group_entries import LIMITS, GroupEntry, LevelEntry
from multi_llm_comparator.ui.groups.group_draft import MAX_LEVELS, Draft
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

MAX_NAME_CHARS, MAX_DESCRIPTION_CHARS = 100, 1000
MAX_COUNT, MAX_RETRIES, MAX_TIMEOUT_S, MAX_USD = 1_000_000_000, 20, 86_400.0, 1_000_000.0
_STRATEGIES = tuple(strategy.value for strategy in FallbackStrategy)
_WHEN_FULL = ("wait", "next")


def ask_for_group(draft: Draft) -> tuple[str, GroupEntry]:
    """The group's name, and all of it as the form says now."""
    name = st.text_input(
        t("group_edit.name"),
        draft.known_as or "",
        key=f"groups_name_{draft.key}",
        max_chars=MAX_NAME_CHARS,
        help=t("group_edit.name_why"),
        placeholder=t("group_edit.name_example"),
    ).strip()
    description = st.text_input(
        t("group_edit.description"),
        draft.entry.description,
        key=f"groups_description_{draft.key}",
        max_chars=MAX_DESCRIPTION_CHARS,
    ).strip()
    offered = _models(draft)
    levels = [_ask_for_level(draft, number, level, offered) for number, level in list(draft.levels.items())]
    quiet_button(
        "group_edit.add_level",
        draft.add_level,
        icon="add",
        key=f"groups_add_level_{draft.key}",
        disabled=len(draft.levels) >= MAX_LEVELS,
    )
    entry = replace(draft.entry, description=description, levels=tuple(levels))
    return name, _ask_for_rules(draft, entry)


def _ask_for_level(draft: Draft, number: int, level: LevelEntry, offered: Sequence[str]) -> LevelEntry:
    key = f"{draft.key}_{number}"
    with st.container(border=True, key=f"groups_level_{key}"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                t("group_edit.level"), level.name, key=f"groups_level_name_{key}", max_chars=MAX_NAME_CHARS, width=180
            ).strip()
            models = st.multiselect(
                t("group_edit.models"),
                [*dict.fromkeys([*level.models, *offered])],
                list(level.models),
                key=f"groups_level_models_{key}",
                help=t("group_edit.models_why"),
                placeholder=t("group_edit.models_choose"),
                wrap=True,
            )
            quiet_button(
                "group_edit.remove_level",
                draft.remove_level,
                number,
                icon="close",
                key=f"icon_groups_level_remove_{key}",
                disabled=len(draft.levels) == 1,
            )
        limits = _ask_for_limits(level, key)
    return replace(level, name=name, models=tuple(models), **limits)


def _ask_for_limits(level: LevelEntry, key: str) -> dict[str, Any]:
    with st.expander(t("group_edit.limits")), st.container(horizontal=True):
        limits: dict[str, Any] = {limit: _count(limit, getattr(level, limit), f"{limit}_{key}") for limit in LIMITS}
        timeout = st.number_input(
            t("group_edit.timeout"),
            min_value=0.1,
            max_value=MAX_TIMEOUT_S,
            value=None if level.timeout is None else float(level.timeout),
            step=10.0,
            format="%g",
            key=f"groups_timeout_{key}",
            placeholder=t("group_edit.as_gateway"),
            width=170,
        )
        retries = st.number_input(
            t("group_edit.retries"),
            min_value=0,
            max_value=MAX_RETRIES,
            value=level.max_retries,
            key=f"groups_retries_{key}",
            width=170,
        )
    return {**limits, "timeout": timeout, "max_retries": int(retries)}


def _ask_for_rules(draft: Draft, entry: GroupEntry) -> GroupEntry:
    """What happens when a model fails or is full, and what the whole group may take."""
    key = draft.key
    with st.container(horizontal=True):
        strategy = st.selectbox(
            t("group_edit.strategy"),
            _STRATEGIES,
            _STRATEGIES.index(entry.fallback_strategy) if entry.fallback_strategy in _STRATEGIES else 0,
            key=f"groups_strategy_{key}",
            format_func=lambda value: t(f"groups.strategy_{value}"),
            width=260,
        )
        fallback = st.multiselect(
            t("group_edit.fallback"),
            [*dict.fromkeys([*entry.fallback_groups, *_other_groups(draft)])],
            list(entry.fallback_groups),
            key=f"groups_fallback_{key}",
            help=t("group_edit.fallback_why"),
            placeholder=t("group_edit.fallback_none"),
            wrap=True,
            width=320,
        )
        when_full = st.selectbox(
            t("group_edit.when_full"),
            _WHEN_FULL,
            _WHEN_FULL.index(entry.when_full) if entry.when_full in _WHEN_FULL else 0,
            key=f"groups_when_full_{key}",
            format_func=lambda value: t(f"group_edit.when_full_{value}"),
            width=220,
        )
    with st.expander(t("group_edit.whole")), st.container(horizontal=True):
        limits: dict[str, Any] = {limit: _count(limit, getattr(entry, limit), f"{limit}_{key}") for limit in LIMITS}
        dollars: dict[str, Any] = {
            field: _dollars(field, getattr(entry, field), key) for field in ("per_day_usd", "per_run_usd")
        }
    return replace(
        entry, fallback_strategy=strategy, fallback_groups=tuple(fallback), when_full=when_full, **limits, **dollars
    )


def _count(name: str, value: int | None, key: str) -> int | None:
    asked = st.number_input(
        t(f"group_edit.{name}"),
        min_value=1,
        max_value=MAX_COUNT,
        value=value,
        key=f"groups_{key}",
        placeholder=t("group_edit.no_limit"),
        width=170,
    )
    return None if asked is None else int(asked)


def _dollars(name: str, value: float | None, key: str) -> float | None:
    return st.number_input(
        t(f"group_edit.{name}"),
        min_value=0.0,
        max_value=MAX_USD,
        value=None if value is None else float(value),
        format="%g",
        key=f"groups_{name}_{key}",
        placeholder=t("group_edit.no_limit"),
        width=170,
    )


def ask_for_weights(draft: Draft, models: Sequence[str]) -> dict[str, int]:
    """How often each model is used beside the others, where a pool goes by weight."""
    if not models:
        return {}
    with st.expander(t("group_edit.weights")):
        st.caption(t("group_edit.weights_why"))
        with st.container(horizontal=True):
            return {
                model: int(
                    st.number_input(
                        plain(model),
                        min_value=1,
                        max_value=MAX_COUNT,
                        value=draft.weights.get(model, 1),
                        key=f"groups_weight_{draft.key}_{abs(hash(model)):x}",
                        width=200,
                    )
                )
                for model in models
            }


def show_changes(before: str, changed: Callable[[], str]) -> None:
    """What would be otherwise in the file, line by line; why not, where it cannot be written."""
    with st.expander(t("group_edit.changes")):
        try:
            after = changed()
        except MultiLLMError as exc:
            st.code(str(exc), language=None, wrap_lines=True)
            return
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
        if lines:
            st.code("\n".join(lines), language="diff", wrap_lines=True)
        else:
            st.caption(t("group_edit.no_changes"))


def _models(draft: Draft) -> list[str]:
    """Who can be in a level: what the file declares or names elsewhere, and what is on this machine."""
    config = get_workbench().gateway.groups.config
    named = [
        model for group in config.task_groups.values() for level in group.echelons.values() for model in level.models
    ]
    here = [model.name for model in get_workbench().models.get_available_models() if model.is_loadable]
    return [*dict.fromkeys([*config.models, *draft.weights, *sorted([*here, *named], key=str.casefold)])]


def _other_groups(draft: Draft) -> list[str]:
    groups = get_workbench().gateway.groups.config.task_groups
    return [name for name in groups if name != draft.known_as]
