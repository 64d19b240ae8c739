"""The pages' words, in the language that the reader chose.

Every visible string lives in ``locales/<language>.yaml`` under a dotted key; the pages hold only keys. A key with a
``_one`` sibling has a singular.
"""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.escaping import plain

LANGUAGES: dict[Language, str] = {"en": "English", "zh": "中文"}
DEFAULT: Language = "en"
_LOCALES = Path(__file__).parent / "locales"
_STATE = "app_language"


def settle_language() -> None:
    """Fix this session's language: from the address, else chosen before, else the browser's, else English."""
    asked = st.query_params.get("lang")
    if asked in LANGUAGES:
        st.session_state[_STATE] = asked
    if _STATE not in st.session_state:
        st.session_state[_STATE] = preferences.load().language or _from_browser()


def current_language() -> Language:
    chosen = st.session_state.get(_STATE)
    return next((language for language in LANGUAGES if language == chosen), DEFAULT)


def choose_language(language: Language) -> None:
    """Switch this session, and remember the choice for the next one."""
    st.session_state[_STATE] = language
    if "lang" in st.query_params:
        st.query_params["lang"] = language
    preferences.update(language=language)


def _from_browser() -> Language:
    return "zh" if (st.context.locale or "").lower().startswith("zh") else DEFAULT


def t(key: str, /, **values: Any) -> str:
    """The text under ``key`` in the current language, with ``{names}`` filled in."""
    return translate(current_language(), key, **values)


def tn(key: str, n: int, /, **values: Any) -> str:
    """As :func:`t` for ``n`` things: takes the singular under ``key_one`` when ``n`` is 1 and the language has one."""
    return t(_counted(key, n), n=f"{n:,}", **values)


def tm(key: str, /, **values: Any) -> str:
    """As :func:`t` where Streamlit reads Markdown: the values, which others may have written, are shown as they are.

    With an ``n`` among them it takes the singular as :func:`tn` does.
    """
    return t(_counted(key, values.get("n")), **{name: plain(value) for name, value in values.items()})


def _counted(key: str, n: object) -> str:
    singular = f"{key}_one"
    return singular if n == 1 and singular in texts(current_language()) else key


def translate(language: str, key: str, /, **values: Any) -> str:
    """The text under ``key`` in ``language``.

    Raises:
        KeyError: no locale has the key; a test reads all pages and keeps this from happening.
    """
    text = texts(language)[key]
    return text.format(**values) if values else text


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of one language, by dotted key."""
    path = _LOCALES / f"{language}.yaml"
    flat: dict[str, str] = {}
    _flatten(parse_yaml(path.read_bytes()), "", flat)
    return flat


def _flatten(node: dict[str, Any], prefix: str, into: dict[str, str]) -> None:
    for name, value in node.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", into)
        else:
            into[f"{prefix}{name}"] = str(value)


def placeholders(text: str) -> set[str]:
    """The ``{names}`` that a text wants filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
