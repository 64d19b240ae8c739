"""Usage: what programs asked of the API, by key and model, over time."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.usage.view import draw_usage

with st.container(key="usage_page"):
    st.title(t("usage.title"), anchor=False)
    draw_usage()
