"""Where a page stands: at a newly sent prompt, once, and an answer that has ended at its beginning."""

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


# Who has scrolled up to read is left where they are.
_OPEN_JS = """
const END_PX = 48;
export default function({ data }) {
  const known = (window.mlcOpened ??= new Set());
  for (const { target, mark } of data.boxes) {
    if (known.has(mark)) continue;
    known.add(mark);
    // What is drawn meanwhile still pulls to the end.
    for (const delay of [0, 150, 400]) setTimeout(() => {
      const box = document.querySelector("." + target);
      if (box && box.scrollTop + box.clientHeight >= box.scrollHeight - END_PX) box.scrollTop = 0;
    }, delay);
  }
}
"""
_opener = st.components.v2.component("mlc_open_at_beginning", html="<span></span>", js=_OPEN_JS)


def open_at_beginning(boxes: dict[str, str]) -> None:
    """Scroll boxes that followed a growing text back to its beginning, one time for each mark.

    Args:
        boxes: marks, by the class of the box.
    """
    data = {"boxes": [{"target": target, "mark": mark} for target, mark in boxes.items()]}
    _opener(data=data, key="compare_open", height="content", width="content")
