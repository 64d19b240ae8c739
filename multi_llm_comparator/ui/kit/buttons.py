"""Buttons: the words of the locales that one shows, what a click does, with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, TypeVarTuple, Unpack

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import t, tm

Ts = TypeVarTuple("Ts")


class _State(TypedDict, total=False):
    type: Literal["primary", "secondary", "tertiary"]
    help: str | None
    disabled: bool
    width: Literal["content", "stretch"]


class State(_State, total=False):
    """What a button takes whose symbol and key are given already."""

    why: bool
    values: Mapping[str, Any]


class _Streamlit(_State, total=False):
    key: str
    shortcut: str | None


class Look(_Streamlit, total=False):
    """What else :func:`button` takes."""

    icon: str
    why: bool
    values: Mapping[str, Any]


def button(
    words: str,
    act: Callable[[*Ts], object] | None = None,
    *args: *Ts,
    icon: str = "",
    why: bool = False,
    values: Mapping[str, Any] | None = None,
    **look: Unpack[_Streamlit],
) -> bool:
    """A button. True in the run of the page that a click causes; before that, ``act`` is called with ``args``.

    Args:
        words: the label's key in the locales.
        icon: the name of a Material Symbol.
        why: there is a tooltip too; its key has ``_why`` behind the label's.
        values: what the label is filled in with; ``n`` chooses the singular.
        look: as Streamlit has it.
    """
    if why:
        look["help"] = t(f"{words}_why")
    return st.button(tm(words, **(values or {})), icon=_symbol(icon), on_click=act, args=args, **look)  # type: ignore[arg-type]


def main_button(words: str, act: Callable[[*Ts], object] | None = None, *args: *Ts, **look: Unpack[Look]) -> bool:
    """The one that a reader came for."""
    look["type"] = "primary"
    return button(words, act, *args, **look)


def quiet_button(words: str, act: Callable[[*Ts], object] | None = None, *args: *Ts, **look: Unpack[Look]) -> bool:
    """One among others, without a border."""
    look["type"] = "tertiary"
    return button(words, act, *args, **look)


def opener(
    words: str,
    draw: Callable[[*Ts], object],
    *args: *Ts,
    key: str,
    icon: str = "",
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    values: Mapping[str, Any] | None = None,
) -> None:
    """A button that opens what ``draw`` draws with ``args``, which is not done before."""
    label = tm(words, **(values or {}))
    with st.popover(label, icon=_symbol(icon), type=type, key=key, on_change="rerun") as box:
        if box.open:
            draw(*args)


def _symbol(icon: str) -> str | None:
    return f":material/{icon}:" if icon else None
