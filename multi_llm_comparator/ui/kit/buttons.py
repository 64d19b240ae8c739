"""Buttons: the words of the locales that one shows, what a click does, with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, TypeVarTuple, Unpack

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import t, tm, tn

Ts = TypeVarTuple("Ts")


class Look(TypedDict, total=False):
    """Of a button.

    ``icon`` is the name of a Material Symbol; ``why`` adds the tooltip whose words have ``_why`` behind the label's;
    ``values`` are filled into the label, ``n`` among them as :func:`tn` does it. All else is as Streamlit has it.
    """

    icon: str
    key: str
    why: bool
    values: Mapping[str, Any]
    help: str | None
    disabled: bool
    width: Literal["content", "stretch"]
    shortcut: str | None


def button(
    words: str,
    act: Callable[[*Ts], object] | None = None,
    *args: *Ts,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    **look: Unpack[Look],
) -> bool:
    """A button. True in the run of the page that a click causes; before that, ``act`` is called with ``args``."""
    icon, values = look.pop("icon", ""), look.pop("values", {})
    if look.pop("why", False):
        look["help"] = t(f"{words}_why")
    return st.button(
        tn(words, **values) if "n" in values else tm(words, **values),
        icon=f":material/{icon}:" if icon else None,
        type=type,
        on_click=act,
        args=args,
        **look,
    )


def main_button(words: str, act: Callable[[*Ts], object] | None = None, *args: *Ts, **look: Unpack[Look]) -> bool:
    """The one that a reader came for."""
    return button(words, act, *args, type="primary", **look)


def quiet_button(words: str, act: Callable[[*Ts], object] | None = None, *args: *Ts, **look: Unpack[Look]) -> bool:
    """One among others, without a border."""
    return button(words, act, *args, type="tertiary", **look)
