"""Widgets for single parameters of a pane, named and explained by the words of the locales under ``param``."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.ui.kit.i18n import t, tm


@dataclass(frozen=True)
class Fields:
    """``key`` is what the keys of the widgets begin with; a field's name follows, or ``widget``."""

    config: ModelConfig
    key: str

    def scale(self, name: str, lowest: float, highest: float, step: float, widget: str = "") -> float:
        value = float(getattr(self.config, name))
        key, why = f"{self.key}_{widget or name}", t(f"param.{name}_why")
        return st.slider(t(f"param.{name}"), lowest, highest, value, step, key=key, help=why)

    def number(self, name: str, lowest: int, highest: int, step: int = 1, **values: str) -> int:
        """A whole number; ``values`` are filled into its explanation."""
        value = min(int(getattr(self.config, name)), highest)
        key, why = f"{self.key}_{name}", tm(f"param.{name}_why", **values)
        return int(st.number_input(t(f"param.{name}"), lowest, highest, value, step, key=key, help=why))

    def number_or_none(
        self, name: str, lowest: int, highest: int, empty: str, step: int = 1, *, disabled: bool = False
    ) -> int | None:
        """A whole number, or nothing, which is called ``empty`` there."""
        value: int | None = getattr(self.config, name)
        number = st.number_input(
            t(f"param.{name}"),
            lowest,
            highest,
            value,
            step,
            key=f"{self.key}_{name}",
            placeholder=empty,
            help=t(f"param.{name}_why"),
            disabled=disabled,
        )
        return None if number is None else int(number)
