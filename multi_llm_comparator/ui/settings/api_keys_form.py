"""Keys of the API: which there are, what they may, a new one, shown once."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from multi_llm_comparator.core.callers import SCOPES, KeyLimits
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.requests import Priority
from multi_llm_comparator.tracking.api_keys import MAX_NAME_CHARS, ApiKey
from multi_llm_comparator.ui.kit import figures
from multi_llm_comparator.ui.kit.actions import attempt, inform, warn
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.workbench import get_workbench

DAY_S = 86_400
VALID_DAYS = (0, 7, 30, 90, 365)
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high")
_SHOWN = "settings_api_key_shown"


def draw_api_keys() -> None:
    """All keys, and a form for another one."""
    st.subheader(t("api_keys.title"), anchor=False)
    st.caption(t("api_keys.why"))
    _draw_shown()
    for key in attempt(get_workbench().store.api_keys.list) or []:
        _draw_key(key)
    with st.expander(t("api_keys.new"), icon=":material/add:", key="settings_api_key_new"):
        _draw_form()


def _draw_shown() -> None:
    """The key that was just made: here, and after that nowhere."""
    secret = st.session_state.get(_SHOWN)
    if secret is None:
        return
    with st.container(border=True, key="settings_api_key_box"):
        st.markdown(t("api_keys.copy_now"))
        st.code(secret, language=None, wrap_lines=True)
        button("api_keys.copied", _forget_shown, key="settings_api_key_copied")


def _forget_shown() -> None:
    st.session_state.pop(_SHOWN, None)


def _draw_key(key: ApiKey) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"api_key_{key.id}"):
        with st.container(width="stretch"):
            st.markdown(f"**{plain(key.name)}** · {plain(key.prefix)}…")
            st.caption(plain(" · ".join(_about(key))))
        is_valid = key.state == "valid"
        quiet_button(
            "api_keys.revoke" if is_valid else "api_keys.delete",
            _revoke if is_valid else _delete,
            key,
            icon="block" if is_valid else "delete",
            key=f"end_api_key_{key.id}",
        )


def _about(key: ApiKey) -> list[str]:
    limits = key.limits
    said = [t(f"api_keys.state_{key.state}"), ", ".join(t(f"api_keys.scope_{scope}") for scope in sorted(key.scopes))]
    if key.expires_at is not None and key.state == "valid":
        said.append(t("api_keys.expires", when=figures.moment(key.expires_at, st.context.timezone)))
    if key.last_used_at is not None:
        unit, number = figures.age(key.last_used_at, now())
        said.append(t("api_keys.used", when=tn(f"age.{unit}", number)))
    else:
        said.append(t("api_keys.unused"))
    for name in ("rpm", "tpm", "concurrency"):
        if (value := getattr(limits, name)) is not None:
            said.append(t(f"api_keys.has_{name}", n=figures.count(value)))
    if limits.budget_per_day_usd is not None:
        said.append(t("api_keys.has_budget", usd=figures.dollars(limits.budget_per_day_usd)))
    if limits.models:
        said.append(t("api_keys.has_models", names=", ".join(limits.models)))
    if limits.priority != "normal":
        said.append(t(f"api_keys.priority_{limits.priority}"))
    return said


def _draw_form() -> None:
    with st.form("settings_api_key_form", clear_on_submit=True, border=False):
        name = st.text_input(
            t("api_keys.name"),
            key="settings_api_key_name",
            placeholder=t("api_keys.name_example"),
            max_chars=MAX_NAME_CHARS,
            autocomplete="off",
        )
        left, middle, right = st.columns(3)
        scopes = left.multiselect(
            t("api_keys.scopes"),
            SCOPES,
            ["models"],
            format_func=lambda scope: t(f"api_keys.scope_{scope}"),
            key="settings_api_key_scopes",
            wrap=True,
        )
        days = middle.selectbox(
            t("api_keys.valid"),
            VALID_DAYS,
            3,
            format_func=lambda days: t("api_keys.days", n=days) if days else t("api_keys.always"),
            key="settings_api_key_days",
        )
        priority = right.selectbox(
            t("api_keys.priority"),
            PRIORITIES,
            1,
            format_func=lambda priority: t(f"api_keys.priority_{priority}"),
            key="settings_api_key_priority",
            help=t("api_keys.priority_why"),
        )
        limits = _draw_limits(priority)
        if st.form_submit_button(t("api_keys.make"), type="primary", key="settings_api_key_make"):
            if name.strip():
                _make(name, scopes, days, limits)
            else:
                warn(t("missing.name"))
            st.rerun()


def _draw_limits(priority: Priority) -> KeyLimits:
    first, second, third, fourth = st.columns(4)
    none = t("api_keys.no_limit")
    rpm = first.number_input(t("api_keys.rpm"), 1, None, None, key="settings_api_key_rpm", placeholder=none)
    tpm = second.number_input(t("api_keys.tpm"), 1, None, None, key="settings_api_key_tpm", placeholder=none)
    at_once = third.number_input(
        t("api_keys.concurrency"), 1, None, None, key="settings_api_key_concurrency", placeholder=none
    )
    usd = fourth.number_input(
        t("api_keys.budget"),
        0.0,
        None,
        None,
        key="settings_api_key_budget",
        placeholder=none,
        help=t("api_keys.budget_why"),
    )
    named = st.text_input(
        t("api_keys.models"),
        key="settings_api_key_models",
        placeholder=t("api_keys.all_models"),
        help=t("api_keys.models_why"),
        autocomplete="off",
    )
    models = tuple(name.strip() for name in named.split(",") if name.strip())
    return KeyLimits(rpm=rpm, tpm=tpm, concurrency=at_once, budget_per_day_usd=usd, priority=priority, models=models)


def _make(name: str, scopes: Sequence[str], days: int, limits: KeyLimits) -> None:
    keys = get_workbench().store.api_keys
    made = attempt(lambda: keys.create(name, scopes, valid_s=days * DAY_S or None, limits=limits))
    if made is not None:
        st.session_state[_SHOWN] = made[1].get_secret_value()


def _revoke(key: ApiKey) -> None:
    if attempt(lambda: get_workbench().store.api_keys.revoke(key.id)) is not None:
        inform(t("api_keys.revoked", name=key.name))


def _delete(key: ApiKey) -> None:
    attempt(lambda: get_workbench().store.api_keys.delete(key.id))
