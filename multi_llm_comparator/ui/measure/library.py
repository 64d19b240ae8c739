"""The prompt library beside Compare's box: a list opens by typing ``/``, and a popover saves and deletes prompts."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.evaluation.prompt_library import MAX_NAME_CHARS, PromptLibrary, SavedPrompt
from multi_llm_comparator.evaluation.prompt_sets import MAX_PROMPT_CHARS
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t

# So many prompts of so many characters are handed to the browser.
MAX_OFFERED, MAX_OFFERED_CHARS = 300, 8_000
_EDITS = "library_edits"

# The box is Streamlit's own. A prompt gets into it the way a hand would write it: the value, then an event that tells.
_JS = """
const BOX = '[data-testid="stChatInputTextArea"]';

function begin() {
  const state = { prompts: [], label: "", at: 0, found: [] };
  const list = document.createElement("div");
  list.className = "mlc-library";
  list.setAttribute("role", "listbox");
  list.hidden = true;
  list.style.cssText = "position:fixed;z-index:1000000;max-height:45vh;overflow:auto;border-radius:.6rem;" +
    "border:1px solid color-mix(in srgb, CanvasText 20%, transparent);background:Canvas;color:CanvasText;" +
    "box-shadow:0 6px 24px rgba(0,0,0,.18);padding:.3rem;font:14px/1.4 system-ui,sans-serif";
  document.body.append(list);
  const hide = () => { list.hidden = true; };

  function put(box, text) {
    const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
    set.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    hide();
    box.focus();
    const first = text.match(/\\{\\{\\s*[\\w.-]+\\s*\\}\\}/);
    if (first) setTimeout(() => box.setSelectionRange(first.index, first.index + first[0].length), 0);
  }

  function draw(box) {
    const wanted = box.value.slice(1).trim().toLowerCase();
    const says = (p) => [p.name, ...p.tags].join("\\n").toLowerCase().includes(wanted);
    state.found = state.prompts.filter(says).slice(0, 50);
    if (!box.value.startsWith("/") || box.value.includes("\\n") || !state.found.length) { hide(); return; }
    state.at = Math.min(state.at, state.found.length - 1);
    list.replaceChildren(...state.found.map((prompt, number) => {
      const row = document.createElement("div");
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(number === state.at));
      row.style.cssText = "padding:.35rem .6rem;border-radius:.4rem;cursor:pointer;" +
        (number === state.at ? "background:color-mix(in srgb, CanvasText 10%, transparent)" : "");
      const name = document.createElement("b"), text = document.createElement("div");
      name.textContent = prompt.name;
      text.textContent = prompt.text.slice(0, 120);
      text.style.cssText = "opacity:.65;white-space:nowrap;overflow:hidden;text-overflow:ellipsis";
      row.append(name, text);
      row.onmousedown = (event) => { event.preventDefault(); put(box, prompt.text); };
      return row;
    }));
    const place = box.getBoundingClientRect();
    list.style.left = `${place.left}px`;
    list.style.width = `${Math.max(220, place.width)}px`;
    list.style.bottom = `${window.innerHeight - place.top + 8}px`;
    list.setAttribute("aria-label", state.label);
    list.hidden = false;
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches?.(BOX)) { state.at = 0; draw(event.target); }
  }, true);
  document.addEventListener("focusout", (event) => { if (event.target.matches?.(BOX)) setTimeout(hide, 150); }, true);
  document.addEventListener("keydown", (event) => {
    if (list.hidden || !event.target.matches?.(BOX) || event.isComposing) return;
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      state.at = (state.at + moves[event.key] + state.found.length) % state.found.length;
      draw(event.target);
    } else if (event.key === "Enter" || event.key === "Tab") {
      put(event.target, state.found[state.at].text);
    } else if (event.key === "Escape") {
      hide();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  return { state, hide };
}

export default function ({ data }) {
  const library = (window.mlcLibrary ??= begin());
  library.state.prompts = data.prompts;
  library.state.label = data.label;
  return () => { library.state.prompts = []; library.hide(); };
}
"""
_component = st.components.v2.component("mlc_library", html="<span></span>", js=_JS)


def draw_library() -> None:
    """To be drawn beside the box: the button, and what opens the list by ``/``."""
    prompts = attempt(PromptLibrary().list) or []
    offered = [
        {"name": prompt.name, "text": prompt.text, "tags": list(prompt.tags)}
        for prompt in prompts[:MAX_OFFERED]
        if len(prompt.text) <= MAX_OFFERED_CHARS
    ]
    data = {"prompts": offered, "label": t("library.title")}
    _component(data=data, key="compare_library", height="content", width="content")
    with st.popover(
        t("library.pick"), icon=":material/bookmark:", type="tertiary", key="icon_compare_library", on_change="rerun"
    ) as box:
        if box.open:
            _draw_saving(list(prompts))


def _draw_saving(prompts: list[SavedPrompt]) -> None:
    st.caption(t("library.hint") if prompts else t("library.none"))
    edits = int(st.session_state.get(_EDITS, 0))
    for number, prompt in enumerate(prompts[:MAX_OFFERED]):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.text(prompt.name, width="stretch")
            quiet_button(
                "library.delete", _delete, prompt.name, icon="delete", key=f"icon_library_delete_{edits}_{number}"
            )
    with st.form(f"library_form_{edits}", border=False):
        name = st.text_input(t("library.name"), max_chars=MAX_NAME_CHARS)
        text = st.text_area(t("library.text"), max_chars=MAX_PROMPT_CHARS, height=120)
        tags = st.text_input(t("library.tags"))
        if st.form_submit_button(t("library.save"), icon=":material/save:") and _save(name, text, tags):
            st.rerun()


def _save(name: str, text: str, tags: str) -> bool:
    parted = tuple(dict.fromkeys(tag.strip() for tag in tags.split(",") if tag.strip()))
    kept = attempt(lambda: PromptLibrary().save(name, text, parted))
    if kept is not None:
        st.session_state[_EDITS] = int(st.session_state.get(_EDITS, 0)) + 1
        inform(t("library.saved", name=kept.name))
    return kept is not None


def _delete(name: str) -> None:
    attempt(lambda: PromptLibrary().delete(name))
    st.session_state[_EDITS] = int(st.session_state.get(_EDITS, 0)) + 1
