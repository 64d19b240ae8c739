"""Bring a newly sent prompt into view, once; after that the page stays where its reader puts it."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function({ data }) {
  const done = (window.mlcScrolledTo ??= new Set());
  if (done.has(data.mark)) return;
  done.add(data.mark);
  const look = (tries) => {
    const target = document.querySelector("." + data.target);
    if (target) target.scrollIntoView({ block: "start", behavior: "smooth" });
    else if (tries > 0) setTimeout(() => look(tries - 1), 60);
  };
  look(30);
}
"""
_component = st.components.v2.component("mlc_scroll_to", html="<span></span>", js=_JS)


def scroll_to(target: str, mark: str) -> None:
    """Scroll to the element of class ``target``, one time for each ``mark``."""
    _component(data={"target": target, "mark": mark}, key="compare_scroll", height="content", width="content")
