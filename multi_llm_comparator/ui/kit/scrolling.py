"""Where a page stands: at a newly sent prompt, once; a growing answer at its end, an ended one at its beginning."""

from __future__ import annotations

from collections.abc import Sequence

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


# Streamlit's own way of following an end looks at each box sixty times a second, which takes a tenth of a core from the
# models. This looks when something was added.
_FOLLOW_JS = """
const END_PX = 48;

// Who has scrolled up to read is left where they are.
function follow(box) {
  const isAtEnd = () => box.scrollTop + box.clientHeight >= box.scrollHeight - END_PX;
  let follows = isAtEnd(), isAwaited = false;
  const onScroll = () => { follows = isAtEnd(); };
  const pull = () => { isAwaited = false; if (follows) box.scrollTop = box.scrollHeight; };
  const grown = new MutationObserver(() => { if (!isAwaited) { isAwaited = true; requestAnimationFrame(pull); } });
  box.addEventListener("scroll", onScroll, { passive: true });
  grown.observe(box, { childList: true, characterData: true, subtree: true });
  return () => {
    grown.disconnect();
    box.removeEventListener("scroll", onScroll);
    if (follows) box.scrollTop = 0;
  };
}

export default function({ data }) {
  const followed = (window.mlcFollowed ??= new Map());
  window.mlcGrowing = new Set(data.growing);
  const look = (tries) => {
    let isMissing = false;
    for (const target of window.mlcGrowing) {
      const box = document.querySelector("." + target);
      if (!box) isMissing = true;
      else if (followed.get(target)?.box !== box) followed.set(target, { box, end: follow(box) });
    }
    if (isMissing && tries > 0) setTimeout(() => look(tries - 1), 60);
  };
  for (const [target, { end }] of [...followed])
    if (!window.mlcGrowing.has(target)) { followed.delete(target); end(); }
  look(30);
}
"""
_follower = st.components.v2.component("mlc_follow_ends", html="<span></span>", js=_FOLLOW_JS)


def follow_ends(growing: Sequence[str]) -> None:
    """Keep boxes with a growing text scrolled to its end, until they are not among ``growing`` any more: then back to
    its beginning.

    Args:
        growing: a class of each box.
    """
    _follower(data={"growing": list(growing)}, key="compare_follow", height="content", width="content")
