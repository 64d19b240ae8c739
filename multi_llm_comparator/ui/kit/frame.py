"""What Streamlit's own frame lacks: one theme for all pages, its menu in the reader's language, the prompt in focus,
keys that work beside a switch.

All of it stands on names inside Streamlit's pages; ``tests/browser/test_frame.py`` says when one of them changes. What
is not found is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import DEFAULT, t, texts

# Streamlit keeps the theme in the browser by the path that was opened: every path gets what was chosen on one. It does
# so while it loads, and it builds its menu anew each time that opens.
_JS = """
const THEME = /^stActiveTheme-(.*)-v(\\d+)$/;

function begin() {
  const frame = { pages: [], words: {}, focused: null };
  const set = Storage.prototype.setItem;
  Storage.prototype.setItem = function (key, value) {
    set.call(this, key, value);
    const found = this === window.localStorage && THEME.exec(key);
    if (!found) return;
    const parts = found[1].split("/"), last = parts.pop();
    const base = frame.pages.includes(last) ? parts.join("/") : found[1].replace(/\\/$/, "");
    for (const page of frame.pages) set.call(this, `stActiveTheme-${base}/${page}-v${found[2]}`, value);
  };
  new MutationObserver((changes) => {
    for (const added of changes.flatMap((change) => [...change.addedNodes])) translate(frame, added);
  }).observe(document.body, { childList: true });
  window.addEventListener("keydown", passOn, true);
  return frame;
}

const SWITCH = 'input:is([type="checkbox"], [type="radio"], [type="range"])';
const ELSEWHERE = '[role="dialog"], [data-testid="stPopoverBody"]';

// Streamlit takes no plain key for a button while any input has the focus. A switch, a choice or a slider keeps it
// after a click though it takes no letters: a letter that is pressed there is said once more, of the page.
function passOn(event) {
  const at = event.composedPath()[0], isLetter = event.key?.length === 1 && event.key !== " ";
  if (!event.isTrusted || !isLetter || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!at.matches?.(SWITCH) || at.closest(ELSEWHERE)) return;
  event.stopImmediatePropagation();
  if (!document.body.dispatchEvent(new KeyboardEvent(event.type, event))) event.preventDefault();
}

const MENU = '[data-testid="stMainMenuPopover"], [data-testid="stMainMenuList"]';

// The menu is filled after it was put into the page, and filled anew while it is open.
function translate(frame, added) {
  if (!(added instanceof Element)) return;
  const say = () => {
    for (const menu of [...(added.matches(MENU) ? [added] : []), ...added.querySelectorAll(MENU)]) {
      const texts = document.createTreeWalker(menu, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode, word = frame.words[text.nodeValue.trim()];
        if (word && word !== text.nodeValue) text.nodeValue = word;
      }
    }
  };
  say();
  new MutationObserver(say).observe(added, { childList: true, subtree: true, characterData: true });
}

// Once for each page that is opened; where a finger would have to call the keyboard, it stays away.
function focus(frame, page) {
  if (frame.focused === page || matchMedia("(pointer: coarse)").matches) return;
  frame.focused = page;
  const look = (tries) => {
    const box = document.querySelector('[data-testid="stChatInputTextArea"]:not([disabled])');
    const isFree = !document.activeElement || document.activeElement.matches("body, a, button, main");
    if (box && isFree) box.focus({ preventScroll: true });
    else if (!box && tries > 0 && frame.focused === page) setTimeout(() => look(tries - 1), 100);
  };
  look(50);
}

export default function ({ data }) {
  const frame = (window.mlcFrame ??= begin());
  frame.pages = data.pages;
  frame.words = data.words;
  focus(frame, data.page);
}
"""
_component = st.components.v2.component("mlc_frame", html="<span></span>", js=_JS)


def tend_frame(paths: Sequence[str], page: str) -> None:
    """Put it in order.

    Args:
        paths: the pages' addresses below the app's, "" for the first.
        page: the one that is open.
    """
    words = {said: t(key) for key, said in texts(DEFAULT).items() if key.startswith("menu.")}
    data = {"pages": list(paths), "words": words, "page": page}
    _component(data=data, key="app_frame", height="content", width="content")
