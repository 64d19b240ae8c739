"""What a page shows, kept in its address for a reload or a copied link, and in the session for the way back to it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

# A browser hears of a changed address with the answer to what it sent, and sends the old one until then.
_HEARD_WITHIN_S = 10.0


@dataclass(frozen=True)
class AddressedId:
    """The id of something shown: ``parameter`` in the address, ``key`` in the session."""

    parameter: str
    key: str

    def read(self) -> str | None:
        """The address's id, else the session's. One that the page left a moment ago is not the reader's wish."""
        kept = self.kept()
        asked = st.query_params.get(self.parameter)
        if not asked or asked == kept:
            return kept
        if self._was_left(asked):
            self.keep(kept)
            return kept
        return asked

    def kept(self) -> str | None:
        """The session's id, as far as :meth:`keep` has heard of it."""
        kept: str | None = st.session_state.get(self.key)
        return kept

    def keep(self, value: str | None) -> None:
        """Keep another id, or none."""
        asked = st.query_params.get(self.parameter)
        if asked and asked != value:
            st.session_state[f"{self.key}_left"] = (asked, time.monotonic())
        elif value and self._was_left(value):
            del st.session_state[f"{self.key}_left"]
        if value:
            st.session_state[self.key] = value
            if asked != value:
                st.query_params[self.parameter] = value
        else:
            st.session_state.pop(self.key, None)
            st.query_params.pop(self.parameter, None)

    def ask(self, value: str) -> None:
        """Turn to another id as a link to it would: :meth:`read` returns it, the session still has the last one."""
        self.keep(value)
        st.session_state.pop(self.key, None)

    def _was_left(self, value: str) -> bool:
        left, at = st.session_state.get(f"{self.key}_left", (None, 0.0))
        return bool(value == left and time.monotonic() - at < _HEARD_WITHIN_S)
