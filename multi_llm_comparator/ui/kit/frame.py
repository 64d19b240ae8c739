"""What Streamlit's own frame lacks: one theme for all pages, its own words in the reader's language, the prompt in
focus, keys that work beside a switch.

All of it stands on names inside Streamlit's pages; ``tests/browser/test_frame.py`` says when one of them changes. What
is not found is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import DEFAULT, t, texts

# Streamlit keeps the theme in the browser by the path that was opened: every path gets what was chosen on one. It does
# so while it loads, and it builds its menu anew each time that opens.
_JS = """
const THEME = /^stActiveTheme-(.*)-v(\\d+)$/;

function begin() {
  const frame = { pages: [], places: [], anywhere: "", said: new WeakMap(), focused: null };
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
    for (const change of changes) {
      for (const node of change.type === "childList" ? change.addedNodes : [change.target]) look(frame, node);
    }
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
  window.addEventListener("keydown", passOn, true);
  frame.themes = new MutationObserver(() => wearTheme(frame));
  return frame;
}

// Streamlit says only to its page whether that is dark; dialogs and menus, which lie beside it, have to know too.
function wearTheme(frame) {
  const app = document.querySelector('[data-testid="stApp"]');
  if (!app) return;
  if (frame.app !== app) {
    frame.app = app;
    frame.themes.disconnect();
    frame.themes.observe(app, { attributes: true, attributeFilter: ["class"] });
  }
  document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme;
}

const SWITCH = 'input:is([type="checkbox"], [type="radio"], [type="range"])';
const NOTICE = '[role="alertdialog"]';
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

// Streamlit fills the places where it says something of its own after they were put into the page, and anew while they
// are there.
function look(frame, node) {
  const at = node instanceof Element ? node : node.parentElement;
  nameNotice(frame, at);
  // An answer that is written changes the page many times a second: one look says that it is none of these places.
  if (!frame.anywhere || !(at?.closest(frame.anywhere) ?? node.querySelector?.(frame.anywhere))) return;
  for (const place of frame.places) {
    const found = at?.closest(place.at) ? [node] : node.querySelectorAll?.(place.at) ?? [];
    for (const one of found) translate(frame, place, one);
  }
}

// What Streamlit says in passing is a dialog without a name.
function nameNotice(frame, at) {
  const notice = at?.closest(NOTICE) ?? at?.querySelector(NOTICE);
  if (notice && notice.ariaLabel !== frame.notice) notice.ariaLabel = frame.notice;
}

// A text that was replaced is known by what Streamlit had said there: the language may be changed once more.
function translate(frame, place, node) {
  const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  for (let text = node instanceof Text ? node : texts.nextNode(); text; text = texts.nextNode()) {
    const known = frame.said.get(text);
    const english = known?.shown === text.nodeValue ? known.english : text.nodeValue;
    const shown = inWords(place.words, english);
    if (shown === english && !known) continue;
    frame.said.set(text, { english, shown });
    if (shown !== text.nodeValue) text.nodeValue = shown;
  }
}

// Sentences in which Streamlit fills something in have it in {braces}.
function inWords(words, english) {
  const plain = english.trim();
  for (const [sentence, shown] of Object.entries(words)) {
    const [before, after] = sentence.split(/\\{\\w+\\}/);
    if (after === undefined ? plain === sentence : plain.startsWith(before) && plain.endsWith(after))
      return shown.replace(/\\{\\w+\\}/, () => plain.slice(before.length, plain.length - after.length));
  }
  return english;
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
  frame.places = data.places;
  frame.notice = data.notice;
  frame.anywhere = data.places.map((place) => place.at).join(", ");
  look(frame, document.body);
  wearTheme(frame);
  focus(frame, data.page);
}
"""
# Where Streamlit says something of its own, by what the keys of its sentences begin with; the English ones are its own.
_PLACES = {
    "menu.": ("stMainMenuPopover", "stMainMenuList"),
    "frame.skip_": ("stSkipToContent",),
    "frame.pages_": ("stTopNav",),
    "frame.file_": ("stFileUploaderDropzone",),
    "frame.enter_": ("InputInstructions",),
    "frame.list_": ("stSelectboxVirtualDropdown", "stMultiSelectDropdown"),
}
_component = st.components.v2.component("mlc_frame", html="<span></span>", js=_JS)


def tend_frame(paths: Sequence[str], page: str) -> None:
    """Put it in order.

    Args:
        paths: the pages' addresses below the app's, "" for the first.
        page: the one that is open.
    """
    places = [_words_at(*place) for place in _PLACES.items()]
    data = {"pages": list(paths), "places": places, "notice": t("frame.notice"), "page": page}
    _component(data=data, key="app_frame", height="content", width="content")


def _words_at(prefix: str, places: Sequence[str]) -> dict[str, Any]:
    """What Streamlit says in these places, each sentence with the reader's."""
    at = ", ".join(f'[data-testid="{place}"]' for place in places)
    return {"at": at, "words": {said: t(key) for key, said in texts(DEFAULT).items() if key.startswith(prefix)}}
