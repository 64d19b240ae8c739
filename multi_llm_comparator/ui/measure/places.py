"""Which cell of a table is chosen.

A browser keeps the chosen cell by its place, whatever stands there by now, and says nothing when it is clicked once
more. So the choice follows what the page shows: otherwise the first row of a narrowed list could not be opened where
the first row of the whole one had been.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def chosen_place(key: str) -> tuple[int, str] | None:
    """The row, counted from 0 as the rows were given, and the column that is chosen in a table of single cells."""
    state: Any = st.session_state.get(key)
    cells = list(state["selection"].get("cells", ())) if state else []
    return (int(cells[0][0]), str(cells[0][1])) if cells else None


def mark_place(key: str, row: int | None, column: str) -> None:
    """Have a row chosen, by its cell in ``column`` where none of it is; None: no row. Called before the table is drawn,
    or by its own callback."""
    place = chosen_place(key)
    if (None if place is None else place[0]) != row:
        st.session_state[key] = {"selection": {"cells": [] if row is None else [(row, column)]}}
