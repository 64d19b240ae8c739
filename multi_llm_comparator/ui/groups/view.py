"""What the gateway's parts are doing, drawn from its status: limits, models with their breakers, the last attempts."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.groups import GroupsConfig
from multi_llm_comparator.ui.groups.group_list import BREAKER_TONES, draw_group_list, row_look, rule_name
from multi_llm_comparator.ui.kit import figures
from multi_llm_comparator.ui.kit.actions import perform, show_notices
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import detail, empty, model_label, note_chip, problem, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts, tm, tn
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.workbench import Workbench, get_workbench

REFRESH_S = 1.0
ATTEMPTS_SHOWN = 30
MAX_CHARS = 300
# A local model that is not there, or whose files are wrong: no request can change that.
NOT_HERE = ("missing", "unloadable")
EXAMPLE = """task_groups:
  fast_group:
    echelon1: {models: [demo-small], timeout: 60, max_retries: 1}
    echelon2: {models: [demo-large]}
    fallback_strategy: echelon_down
"""


@st.fragment(run_every=REFRESH_S)
def draw_groups(entry: str) -> None:
    """Everything about the gateway as it is now, renewed every second. The ``entry`` that was asked for is marked."""
    show_notices()
    config, status, attempts = _look(get_workbench())
    file = status["config"]
    _draw_problems(status)
    if not config.task_groups:
        st.html(empty(t("groups.none_title"), t("groups.none", file=file["file"])))
        st.code(EXAMPLE, language="yaml")
    else:
        st.caption(tm("groups.config", file=file["file"], version=file["version"]))
    if config.task_groups or status["statistics"]["requests"]:
        _draw_figures(status)
    # A level of a group is asked by the group's name, a dot and its own.
    draw_group_list(config, status, "" if entry in status["models"] else entry.partition(".")[0])
    if status["models"]:
        _draw_models(status, entry)
    _draw_table(t("groups.limits"), limit_rows(status))
    _draw_table(t("groups.pools"), pool_rows(status))
    _draw_table(t("groups.attempts"), attempt_rows(attempts))


def _draw_problems(status: dict[str, Any]) -> None:
    for title, why in (
        (t("groups.config_refused"), status["config"]["error"]),
        (t("groups.not_shared"), status["shared_problem"]),
        (t("groups.cache_broken"), status["cache"].get("problem")),
    ):
        if why:
            st.html(problem(title, why))


def _look(workbench: Workbench) -> tuple[GroupsConfig, dict[str, Any], list[dict[str, Any]]]:
    """Configuration, status and history, read on the gateway's own event loop so that nothing changes meanwhile."""
    gateway = workbench.gateway

    async def look() -> tuple[GroupsConfig, dict[str, Any], list[dict[str, Any]]]:
        return gateway.groups.config, gateway.get_status(), gateway.get_history(ATTEMPTS_SHOWN)

    return workbench.bridge.run(look(), timeout_s=10)


def _draw_figures(status: dict[str, Any]) -> None:
    statistics = status["statistics"]
    rate = statistics["success_rate"]
    shown = [
        ("groups.requests", sum(statistics["requests"].values())),
        ("groups.success", "–" if rate is None else f"{rate:.1%}"),
        ("groups.fallbacks", sum(statistics["fallbacks"].values())),
        ("groups.retries", statistics["retries"]),
        ("groups.waiting", status["limits"]["waiting"]),
    ]
    if (cache := status["cache"])["enabled"]:
        shown.append(("groups.from_cache", cache["hits"]))
    with st.container(key="groups_figures"):
        for column, (name, value) in zip(st.columns(len(shown)), shown, strict=True):
            column.metric(t(name), value)


def _draw_models(status: dict[str, Any], entry: str) -> None:
    st.subheader(t("groups.models"), anchor=False)
    for name, model in status["models"].items():
        breaker = status["breakers"][name]
        with st.container(horizontal=True, vertical_alignment="center", key=f"group_model_{abs(hash(name)):x}"):
            st.html(model_row(name, model, breaker, name == entry), width="stretch")
            if model["out_by"] in NOT_HERE:
                # Neither leaving it alone nor using it again would change anything.
                continue
            is_used = breaker["state"] == "closed" and not model["out"]
            action = "open" if is_used else "reset"
            if quiet_button(f"groups.{action}", key=f"groups_{action}_{abs(hash(name)):x}", why=True):
                perform(_turn(name, open_it=is_used))
                st.rerun()


async def _turn(model: str, *, open_it: bool) -> None:
    gateway = get_workbench().gateway
    if open_it:
        gateway.open_breaker(model)
    else:
        gateway.reset_breaker(model)


def model_row(name: str, model: dict[str, Any], breaker: dict[str, Any], is_asked_for: bool) -> str:
    """One model: its name, its breaker's state, and why it gets no requests, or its last error."""
    state, out_by = breaker["state"], model["out_by"]
    # A closed breaker says that nothing has failed, not that the model gets requests.
    is_out = out_by not in (None, "breaker")
    word, tone = (f"out_{out_by}", BREAKER_TONES["open"]) if is_out else (f"state_{state}", BREAKER_TONES[state])
    chip = note_chip(t(f"groups.{word}"), t("groups.failures", n=breaker["failures"]), tone)
    where = t("groups.remote" if model["remote"] else "groups.local")
    told = [f"{model['provider']}, {where}" if model["remote"] else where]
    if out_by == "breaker":
        told.append(t("groups.recovers", seconds=f"{breaker['recovers_in_s']:.0f}"))
    elif model["out"]:
        told.append(said(model["out"]))
    if model["last_error"]:
        told.append(t("groups.last_error", error=said(model["last_error"])))
    muted = f'<span class="mlc-muted">{escape(" · ".join(told))}</span>'
    look = f'{row_look("mlc-model-row", is_asked_for)} data-breaker="{state}"'
    return f"<div {look}>{model_label(name, tone_of(name))} {chip} {muted}</div>"


def _draw_table(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        st.subheader(title, anchor=False)
        cells = [[_cell(value) for value in row.values()] for row in rows]
        st.html(table(list(rows[0]), cells, words=(len(rows[0]) - 1,)))


def _cell(value: object) -> str:
    text = str(value)
    return escape(text) if len(text) <= MAX_CHARS else detail(text[: MAX_CHARS - 1] + "…", text)


def limit_rows(status: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each limited level: what is taken of what."""

    def of(used: float, limit: int | None) -> str:
        return "" if limit is None else f"{used:,.0f} / {limit:,}"

    return [
        {
            t("groups.level"): key.partition(":")[2],
            t("groups.kind"): t(f"groups.level_{key.partition(':')[0]}"),
            t("groups.running"): of(level["active"], level["concurrency_limit"]),
            t("groups.per_minute"): of(level["requests_in_window"], level["rpm_limit"]),
            t("groups.tokens_per_minute"): of(level["tokens_in_window"], level["tpm_limit"]),
            t("groups.waiting"): level["waiting"],
        }
        for key, level in status["limits"]["levels"].items()
    ]


def pool_rows(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            t("groups.pool"): pool_name,
            t("groups.rotation"): _rotation(pool["rotation_strategy"]),
            t("groups.model"): name,
            t("groups.used"): instance["used"],
            t("groups.running"): instance["active"],
            t("groups.failed"): instance["failed"],
        }
        for pool_name, pool in status["pools"].items()
        for name, instance in pool["instances"].items()
    ]


def _rotation(name: str) -> str:
    """In words; a scheduler of the user's own keeps its name."""
    key = f"groups.rotation_{name}"
    return t(f"groups.rotation_{name}") if key in texts(current_language()) else name


def attempt_rows(attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last attempts, newest first."""
    return [
        {
            t("groups.when"): _age(attempt["at"]),
            t("groups.asked"): attempt["asked"],
            t("groups.model"): attempt["model"],
            t("groups.rule"): rule_name(attempt["rule"]),
            t("groups.outcome"): t(f"groups.outcome_{attempt['outcome']}"),
            t("groups.seconds"): f"{attempt['seconds']:.3f}",
            t("groups.reason"): said(attempt["message"]),
        }
        for attempt in attempts
    ]


def _age(at: float) -> str:
    unit, n = figures.age(at, now())
    return tn(f"age.{unit}", n)
