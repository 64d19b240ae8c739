"""Keys of endpoints: which there are, one more, one less. A key goes in here and never comes out again."""

from __future__ import annotations

import streamlit as st
from pydantic import SecretStr

from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform, warn
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

MAX_KEY_CHARS, MAX_NAME_CHARS = 4096, 100


def draw_keys() -> None:
    """The names of all keys, and a form for another one."""
    st.subheader(t("keys.title"), anchor=False)
    st.caption(t("keys.why"))
    for name in attempt(KeyStore().names) or []:
        _draw_key(name)
    with st.form("settings_key_form", clear_on_submit=True, border=False):
        left, right, end = st.columns([2, 3, 1], vertical_alignment="bottom")
        name = left.text_input(
            t("keys.name"),
            key="settings_key_name",
            placeholder=t("keys.name_example"),
            max_chars=MAX_NAME_CHARS,
            autocomplete="off",
        )
        key = right.text_input(
            t("keys.key"), key="settings_key_value", type="password", max_chars=MAX_KEY_CHARS, autocomplete="off"
        )
        if end.form_submit_button(t("keys.save"), key="settings_key_save"):
            if name.strip() and key.strip():
                _save(name.strip(), SecretStr(key.strip()))
            else:
                warn(t("missing.name_and_key"))
            st.rerun()


def _draw_key(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"kept_key_{name}"):
        st.markdown(plain(f"store:{name}"), width="stretch")
        quiet_button("keys.delete", _delete, name, icon="delete", key=f"delete_kept_key_{name}")


def _save(name: str, key: SecretStr) -> None:
    def save() -> None:
        KeyStore().set(name, key)
        _tell(name)
        inform(t("keys.saved", name=name))

    attempt(save)


def _delete(name: str) -> None:
    def delete() -> None:
        KeyStore().delete(name)
        _tell(name)
        inform(t("keys.deleted", name=name))

    attempt(delete)


def _tell(name: str) -> None:
    """Requests from now on do not use what the key was before."""

    async def tell() -> None:
        get_workbench().gateway.parts.endpoints.key_changed(f"store:{name}")

    perform(tell())
