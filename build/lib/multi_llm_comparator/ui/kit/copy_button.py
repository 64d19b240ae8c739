"""A button that puts a text into the reader's clipboard, with no round trip to the server."""

from __future__ import annotations

import streamlit as st

_HTML = '<button type="button"><span class="icon" aria-hidden="true"></span></button>'
_CSS = """
:host { display: inline-block; }
button { all: unset; box-sizing: border-box; cursor: pointer; height: 1.9rem; width: 2rem; display: inline-flex;
  align-items: center; justify-content: center; border-radius: 0.5rem; color: var(--st-text-color); }
button:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
.icon { position: relative; width: 0.62rem; height: 0.72rem; top: 0.09rem; left: -0.09rem; border-radius: 0.14rem;
  border: 1.4px solid currentColor; }
.icon::after { content: ""; position: absolute; width: 0.55rem; height: 0.65rem; left: 0.1rem; top: -0.28rem;
  border: 1.4px solid currentColor; border-left: 0; border-bottom: 0; border-radius: 0.14rem; }
button.done .icon { border-color: transparent; }
button.done .icon::after { content: "✓"; border: 0; left: 0; top: -0.3rem; color: var(--st-green-color); }
"""
_JS = """
export default function({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  button.title = data.label;
  button.setAttribute("aria-label", data.label);
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(data.text);
    } catch {
      // Without https the clipboard API is missing; the old way still works.
      const area = document.createElement("textarea");
      area.value = data.text;
      area.style.cssText = "position:fixed;opacity:0";
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  };
}
"""
_component = st.components.v2.component("mlc_copy_button", html=_HTML, css=_CSS, js=_JS)


def copy_button(text: str, label: str, key: str) -> None:
    """Draw the button; ``label`` is what it says on hover and to screen readers."""
    _component(data={"text": text, "label": label}, key=key, width="content", height="content")
