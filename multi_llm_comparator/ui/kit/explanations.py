"""Explanations in ``title``, for fingers and keyboards: a tap, a click or Enter shows what hovering would."""

from __future__ import annotations

import streamlit as st

_JS = """
function begin() {
  const tip = document.createElement("div");
  tip.className = "mlc-tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  const show = (target) => {
    tip.textContent = target.title;
    tip.hidden = false;
    const at = target.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const above = at.top - size.height - 8;
    tip.style.top = `${above > 4 ? above : Math.min(at.bottom + 8, innerHeight - size.height - 4)}px`;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  };
  // What is explained and does nothing else when it is clicked.
  const explained = (target) => {
    const found = target.closest?.("[title]");
    const acts = "button, a, input, textarea, select, summary, label, .mlc-plot";
    return found && found.title && !found.closest(acts) ? found : null;
  };
  document.addEventListener("click", (event) => {
    const target = explained(event.target);
    if (target) show(target); else hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const target = event.key === "Enter" && document.activeElement?.title ? explained(document.activeElement) : null;
    if (target) show(target);
  });
  document.addEventListener("scroll", hide, { capture: true, passive: true });
  return tip;
}

export default function () { window.mlcTip ??= begin(); }
"""
_component = st.components.v2.component("mlc_explanations", html="<span></span>", js=_JS)


def offer_explanations() -> None:
    """Once for each page."""
    _component(data={}, key="app_explanations", height="content", width="content")
