"""What a page is set up with: kept in the session, changed by its widgets, and remembered for the next visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.i18n import t

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class PageSetup(Generic[T]):
    """A frozen dataclass in the session. Widgets that show its fields are made with :meth:`bind`.

    Args:
        page: names it in the session, and the page's words.
        first: the setup of a new session.
        remembered: the field of the preferences that has the last one; "" for none.
        at_once: every change is remembered, not only when :meth:`remember` is called.
        widgets: what keys of widgets begin with.
        follow: what else changes with a change: given the setup as it was, as a widget wants it, and the names of the
            fields that the widget changed.
    """

    def __init__(
        self,
        page: str,
        first: Callable[[], T],
        *,
        remembered: str = "",
        at_once: bool = False,
        widgets: str = "",
        follow: Callable[[T, frozenset[str]], T] = lambda setup, changed: setup,
    ) -> None:
        self._page, self._first, self._follow = page, first, follow
        self._remembered, self._at_once = remembered, at_once
        self._state, self._revision = f"{page}_setup", f"{page}_revision"
        self._widgets = widgets or f"{page}_setup"

    def current(self) -> T:
        """The setup as it is now."""
        if self._state not in st.session_state:
            st.session_state[self._state] = self._first()
        setup: T = st.session_state[self._state]
        return setup

    def change(self, **changes: Any) -> None:
        """Change what a widget was set to, and what follows from it."""
        wanted = replace(self.current(), **changes)
        self.set(self._follow(wanted, frozenset(changes)), anew=False)
        if self.current() != wanted:
            self.renew()
        if self._at_once:
            self.remember()

    def revise(self, **changes: Any) -> None:
        """Change the setup otherwise than by its widgets, which are then made anew."""
        self.change(**changes)
        self.renew()

    def set(self, setup: T, *, anew: bool = True) -> None:
        """Have another setup; ``anew`` makes the widgets that show it anew."""
        st.session_state[self._state] = setup
        if anew:
            self.renew()

    def remember(self) -> None:
        """Have the next visit begin with the setup as it is now."""
        setup = asdict(self.current())
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in setup.items()}
        preferences.update(**{self._remembered: plain})

    @property
    def revision(self) -> int:
        """How often the setup was changed otherwise than by its widgets. Those are then made anew: a value that is only
        set from here can be lost on a browser that is still busy drawing the widget."""
        return int(st.session_state.get(self._revision, 0))

    def renew(self) -> None:
        st.session_state[self._revision] = self.revision + 1

    # --- widgets ----------------------------------------------------------------------------------------------------

    def key(self, name: str) -> str:
        """The key of the widget that shows this field."""
        return f"{self._widgets}_{name}_{self.revision}"

    def bind(self, name: str, key: str = "") -> dict[str, Any]:
        """Arguments of the widget that shows this field and changes it; ``key`` is its key where it is another one."""
        key = key or self.key(name)

        def changed() -> None:
            value = st.session_state[key]
            self.change(**{name: tuple(value) if isinstance(value, list) else value})

        return {"key": key, "on_change": changed}

    def choice(
        self,
        name: str,
        words: str,
        options: Sequence[Any],
        say: Callable[[Any], str],
        *,
        why: bool = False,
        **more: Any,
    ) -> None:
        """A list to choose from; the first option stands for what is none of them.

        Args:
            name: of the field.
            words: key of the label; with ``why`` that of the tooltip has ``_why`` behind it.
            options: what may be chosen.
            say: names an option.
            more: passed on.
        """
        value = getattr(self.current(), name)
        place = options.index(value) if value in options else 0
        st.selectbox(t(words), options, place, format_func=say, **_help(words, why), **more, **self.bind(name))

    def line(self, name: str, words: str, *, why: bool = False, **more: Any) -> None:
        """A line of text; see :meth:`choice`."""
        st.text_input(t(words), getattr(self.current(), name), **_help(words, why), **more, **self.bind(name))

    def switch(self, name: str, words: str, *, why: bool = False) -> None:
        """See :meth:`choice`."""
        st.toggle(t(words), getattr(self.current(), name), **_help(words, why), **self.bind(name))

    def number(self, name: str, lowest: int, highest: int, *, words: str = "", **more: Any) -> None:
        """A field for a whole number, named and explained by the words of the page, or of another."""
        words = words or self._page
        st.number_input(
            t(f"{words}.{name}"),
            lowest,
            highest,
            min(max(getattr(self.current(), name), lowest), highest),
            **{"help": t(f"{words}.{name}_why"), **more},
            **self.bind(name),
        )

    def temperature(self) -> None:
        """A slider for the field ``temperature``."""
        value: float = getattr(self.current(), "temperature")  # noqa: B009 (what T has is the page's own affair)
        st.slider(t("param.temperature"), 0.0, 2.0, value, 0.1, **self.bind("temperature"))


def _help(words: str, why: bool) -> dict[str, Any]:
    return {"help": t(f"{words}_why")} if why else {}


def restored(fresh: T, kept: Mapping[str, Any]) -> T:
    """``fresh`` with what was kept of an earlier setup, as far as it is of the right type."""
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
    types = {one.name: type(getattr(fresh, one.name)) for one in fields(fresh)}
    return replace(fresh, **{name: given[name] for name, kind in types.items() if type(given.get(name)) is kind})
