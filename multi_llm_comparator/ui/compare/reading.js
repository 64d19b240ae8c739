// Answers opened wide, one to four beside each other, with keys; announcements for screen readers. All of it happens in
// the browser: opening an answer costs no redraw, and an answer can be read wide while it is written.

const TYPING = "input, textarea, select, [contenteditable=''], [contenteditable='true'], [role='combobox'], [role='slider'], [role='spinbutton'], [role='listbox'], [role='menu']";
const LONG_SCREENS = 3, OUTLINE_WORDS = 9, TEND_MS = 1000;

function begin() {
  const state = { data: null, turn: null, panes: [], together: true, said: new Map(), back: null };
  state.style = document.head.appendChild(document.createElement("style"));
  state.live = element("div", { className: "mlc-unseen", role: "status" });
  state.live.setAttribute("aria-live", "polite");
  document.body.append(state.live);
  window.addEventListener("keydown", (event) => onKey(state, event), true);
  document.addEventListener("click", (event) => onClick(state, event));
  document.addEventListener("scroll", (event) => onScroll(state, event), { capture: true, passive: true });
  setInterval(() => tend(state), TEND_MS);
  return state;
}

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

const answersOf = (turn) => document.querySelector(`.st-key-turn_answers_${turn}`);
const cardsOf = (turn) => [...(answersOf(turn)?.querySelectorAll(`[class*="st-key-card_${turn}_"]`) ?? [])];
const textOf = (card) => card?.querySelector('[class*="st-key-text_"]');
const letter = (pane) => "ABCD"[pane - 1];
const turns = () => [...document.querySelectorAll('[class*="st-key-turn_answers_"]')]
  .map((box) => Number(/st-key-turn_answers_(\d+)/.exec(box.className)[1]));

// The turn that one looks at: the last whose prompt stands in the upper part of the page, or the last that is visible.
function currentTurn() {
  const all = turns(), seen = all.filter((turn) => answersOf(turn).getBoundingClientRect().top < innerHeight * 0.75);
  return seen.at(-1) ?? all[0] ?? null;
}

// --- reading ---------------------------------------------------------------------------------------------------------

function read(state, turn, panes) {
  const there = cardsOf(turn).length;
  panes = [...new Set(panes)].filter((pane) => pane >= 1 && pane <= there).sort();
  if (!panes.length) { close(state); return; }
  if (state.turn === null) state.back = document.activeElement;
  state.turn = turn;
  state.panes = panes;
  document.documentElement.dataset.mlcReading = panes.length;
  const page = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
  const box = `html[data-mlc-reading] .st-key-turn_answers_${turn}`;
  const hidden = [1, 2, 3, 4].filter((pane) => !panes.includes(pane))
    .map((pane) => `${box} [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] [class*="st-key-card_"]) > [data-testid="stColumn"]:nth-child(${pane})`);
  state.style.textContent = `${box} { position: fixed; inset: 0; z-index: 999995; background: ${page}; visibility: visible;
    padding: 3.4rem 1.2rem 1rem; overflow: hidden; height: 100dvh !important; max-width: none; }
    ${hidden.length ? `${hidden.join(", ")} { display: none; }` : ""}`;
  drawBar(state);
  tend(state);
  textOf(cardsOf(turn)[panes[0] - 1])?.focus({ preventScroll: true });
}

function close(state) {
  if (state.turn === null) return;
  state.turn = null;
  state.panes = [];
  delete document.documentElement.dataset.mlcReading;
  delete document.documentElement.dataset.mlcOutline;
  state.style.textContent = "";
  document.querySelector(".mlc-reader")?.remove();
  document.querySelector(".mlc-outline")?.remove();
  if (state.back?.isConnected) state.back.focus({ preventScroll: true });
}

function toggle(state, pane) {
  const turn = state.turn ?? currentTurn();
  if (turn === null) return;
  read(state, turn, state.panes.includes(pane) ? state.panes.filter((one) => one !== pane) : [...state.panes, pane]);
}

function all(state) {
  const turn = state.turn ?? currentTurn();
  if (turn !== null) read(state, turn, [1, 2, 3, 4]);
}

function step(state, by) {
  const known = turns(), at = known.indexOf(state.turn ?? currentTurn()), next = known[at + by];
  if (next === undefined) return;
  if (state.turn !== null) read(state, next, state.panes);
  else document.querySelector(`.st-key-turn_prompt_${next}`)?.scrollIntoView({ block: "start" });
}

function drawBar(state) {
  document.querySelector(".mlc-reader")?.remove();
  const { say } = state.data, count = cardsOf(state.turn).length;
  const button = (text, label, isPressed, work) => {
    const made = element("button", { type: "button", textContent: text, title: label, onclick: work });
    made.setAttribute("aria-label", label);
    if (isPressed !== null) made.setAttribute("aria-pressed", String(isPressed));
    return made;
  };
  const bar = element("div", { className: "mlc-reader" });
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", say.reading);
  for (let pane = 1; pane <= count; pane++)
    bar.append(button(letter(pane), say.pane.replace("{letter}", letter(pane)), state.panes.includes(pane), () => toggle(state, pane)));
  if (count > 1) bar.append(button(say.all, say.all_why, state.panes.length === count, () => all(state)));
  if (state.panes.length > 1)
    bar.append(button(say.together, say.together_why, state.together, () => { state.together = !state.together; drawBar(state); }));
  bar.append(button(say.outline, say.outline_why, Boolean(document.querySelector(".mlc-outline")), () => outline(state)));
  bar.append(element("span", { className: "mlc-room" }));
  bar.append(button("?", say.keys, null, () => showKeys(state)), button(say.close, say.close_why, null, () => close(state)));
  document.body.append(bar);
}

// Answers of different lengths are held together by how far each is read.
function onScroll(state, { target }) {
  if (state.turn === null || !state.together || state.isPulling || !target.matches?.('[class*="st-key-text_"]')) return;
  const cards = state.panes.map((pane) => cardsOf(state.turn)[pane - 1]);
  if (!cards.some((card) => textOf(card) === target)) return;
  const room = target.scrollHeight - target.clientHeight, part = room > 0 ? target.scrollTop / room : 0;
  state.isPulling = true;
  for (const box of cards.map(textOf))
    if (box && box !== target) box.scrollTop = part * (box.scrollHeight - box.clientHeight);
  requestAnimationFrame(() => requestAnimationFrame(() => { state.isPulling = false; }));
}

// --- outline ---------------------------------------------------------------------------------------------------------

// Headings; of a long answer without any, the beginnings of its paragraphs.
function places(box) {
  const headings = [...box.querySelectorAll("h1, h2, h3, h4, h5, h6")];
  if (headings.length > 1 || box.scrollHeight < LONG_SCREENS * box.clientHeight) return headings;
  return [...box.querySelectorAll("p, ol > li:first-child, ul > li:first-child")];
}

function outline(state) {
  const old = document.querySelector(".mlc-outline");
  old?.remove();
  document.documentElement.toggleAttribute("data-mlc-outline", !old);
  if (!old) {
    const list = element("nav", { className: "mlc-outline" });
    list.setAttribute("aria-label", state.data.say.outline);
    for (const pane of state.panes) {
      const box = textOf(cardsOf(state.turn)[pane - 1]), found = box ? places(box) : [];
      if (state.panes.length > 1) list.append(element("b", { textContent: letter(pane) }));
      if (!found.length) list.append(element("i", { textContent: state.data.say.no_outline }));
      for (const place of found) {
        const words = place.textContent.trim().split(/\s+/), isCut = words.length > OUTLINE_WORDS || place.textContent.length > 60;
        const text = words.slice(0, OUTLINE_WORDS).join(" ").slice(0, 60) + (isCut ? "…" : "");
        const depth = /^H(\d)$/.exec(place.tagName)?.[1] ?? 1;
        const entry = element("button", { type: "button", textContent: text, onclick: () => {
          box.scrollTop += place.getBoundingClientRect().top - box.getBoundingClientRect().top - 8;
        } });
        entry.style.paddingLeft = `${0.4 + 0.7 * (depth - 1)}rem`;
        list.append(entry);
      }
    }
    document.body.append(list);
    list.querySelector("button")?.focus();
  }
  drawBar(state);
}

// --- keys ------------------------------------------------------------------------------------------------------------

function showKeys(state) {
  document.querySelector("dialog.mlc-keys")?.remove();
  const { say, keys, figures } = state.data;
  const pairs = (rows) => element("dl", {}, ...rows.flatMap(([name, text]) => [
    element("dt", {}, element("kbd", { textContent: name })), element("dd", { textContent: text })]));
  const close = element("button", { type: "button", textContent: say.close });
  const box = element("dialog", { className: "mlc-keys" },
    element("h2", { textContent: say.keys }), pairs(keys), element("h2", { textContent: say.figures }), pairs(figures), close);
  box.setAttribute("aria-label", say.keys);
  close.onclick = () => box.close();
  box.onclose = () => box.remove();
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  // The button at its end has the focus now.
  box.scrollTop = 0;
}

// The answer that keys act on: the one that has the focus, or the only one that is open.
function actedOn(state, focused) {
  const card = focused?.closest?.('[class*="st-key-card_"]');
  if (card) return card;
  return state.turn !== null && state.panes.length === 1 ? cardsOf(state.turn)[state.panes[0] - 1] : null;
}

// Buttons of components lie in a tree of their own, which selectors do not look into.
function press(selector, within = document) {
  const found = within?.querySelector(selector);
  const host = () => [...(found?.querySelectorAll("*") ?? [])].find((one) => one.shadowRoot);
  const button = found?.matches("button") ? found : found?.querySelector("button") ?? host()?.shadowRoot.querySelector("button");
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

const ACTIONS = {
  r: ['[class*="st-key-retry_"]', '[class*="st-key-icon_again_"]'],
  g: ['[class*="st-key-go_on_"]', '[class*="st-key-icon_go_on_"]'],
  e: ['[class*="st-key-icon_rewrite_"]'],
  i: ['[class*="st-key-icon_look_"]'],
  m: ['[class*="st-key-icon_mark_"]'],
  t: ['[class*="st-key-icon_tokens_"]'],
  u: ['[class*="st-key-icon_another_"]'],
  ",": ['[class*="st-key-icon_earlier_"]'],
  ".": ['[class*="st-key-icon_later_"]'],
  b: ['[class*="st-key-choose_"]'],
  x: ['[class*="st-key-stop_"]'],
};

// From one pane to the next as the reference, and then to none.
function nextReference() {
  const buttons = [...document.querySelectorAll('.st-key-compare_reference [role="radio"]')];
  const at = buttons.findIndex((button) => button.getAttribute("aria-checked") === "true");
  const next = buttons[at + 1] ?? buttons[at];
  if (!next) return false;
  next.click();
  return true;
}

// A word that is gone and the one in its place are one change.
const changesOf = (box) => [...box.querySelectorAll(".mlc-diff ins, .mlc-diff del")]
  .filter((one) => one.offsetParent && !(one.tagName === "INS" && one.previousSibling?.nodeName === "DEL"));

// From one difference to the next, in the answer that has the focus, or in all of the turn.
function stepChange(state, by, target) {
  const card = target?.closest?.('[class*="st-key-card_"]');
  const box = card?.querySelector(".mlc-diff") ? card : answersOf(state.turn ?? currentTurn());
  const found = box ? changesOf(box) : [];
  if (!found.length) return false;
  const at = found.findIndex((one) => one.classList.contains("mlc-at"));
  const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length;
  for (const old of document.querySelectorAll(".mlc-diff .mlc-at")) old.classList.remove("mlc-at");
  found[next].classList.add("mlc-at");
  found[next].scrollIntoView({ block: "center" });
  const sign = found[next].closest('[class*="st-key-card_"]')?.querySelector(".mlc-letter")?.textContent ?? "";
  state.live.textContent = state.data.say.change.replace("{letter}", sign).replace("{n}", next + 1).replace("{all}", found.length);
  return true;
}

function onKey(state, event) {
  const target = event.composedPath()[0];
  if (!state.data?.isOpen() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog.mlc-keys[open]")) return;
  // Whatever shadow it stands in.
  const isElsewhere = event.composedPath().some((one) => one.matches?.('[role="dialog"], [data-testid="stPopoverBody"]'));
  if (event.key === "Escape" && !isElsewhere) {
    if (target.matches?.('[data-testid="stChatInputTextArea"]')) { target.blur(); return; }
    if (document.querySelector(".mlc-outline")) outline(state);
    else if (state.turn !== null) close(state);
    else return;
    taken(event);
    return;
  }
  if (isElsewhere || target.matches?.(TYPING) || target.isContentEditable) return;
  if (answer(state, event.key, target)) taken(event);
}

function taken(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

function answer(state, key, target) {
  if (/^[1-4]$/.test(key)) { toggle(state, Number(key)); return true; }
  if (key === "0" || key === "a") { all(state); return true; }
  if (key === "j" || key === "k") { step(state, key === "j" ? 1 : -1); return true; }
  if (key === "?") { showKeys(state); return true; }
  if (key === "d") return nextReference();
  if (key === "n" || key === "p") return stepChange(state, key === "n" ? 1 : -1, target);
  if (key === "/") { close(state); document.querySelector('[data-testid="stChatInputTextArea"]')?.focus(); return true; }
  if (state.turn !== null && key === "o") { outline(state); return true; }
  if (state.turn !== null && key === "s") { state.together = !state.together; drawBar(state); return true; }
  const card = actedOn(state, target);
  if (!card) return key === "r" || key === "c";  // Streamlit's own: run the page anew, clear its cache
  if (key === "c") { press('[class*="st-key-copy_"]', card); return true; }
  return (ACTIONS[key] ?? []).some((selector) => press(selector, card)) || key === "r";
}

function onClick(state, event) {
  const opener = event.target.closest?.(".mlc-open");
  if (!opener) return;
  const turn = Number(/st-key-card_(\d+)_/.exec(opener.closest('[class*="st-key-card_"]')?.className ?? "")?.[1]);
  if (!Number.isNaN(turn)) state.turn === turn ? toggle(state, Number(opener.dataset.mlcPane)) : read(state, turn, [Number(opener.dataset.mlcPane)]);
}

// --- for screen readers and keyboards --------------------------------------------------------------------------------

// Streamlit draws its boxes without names. This adds them, once a second, and tells what has become of answers.
function tend(state) {
  if (!state.data?.isOpen()) { close(state); return; }
  if (state.turn !== null && !answersOf(state.turn)) close(state);
  const news = [];
  for (const card of document.querySelectorAll('[class*="st-key-card_"]')) {
    const chip = card.querySelector("[data-state]"), sign = card.querySelector(".mlc-letter")?.textContent ?? "";
    const name = `${sign} ${card.querySelector(".mlc-name")?.textContent ?? ""}`.trim();
    const box = textOf(card), key = /st-key-card_\S+/.exec(card.className)[0];
    if (box && box.getAttribute("aria-label") !== name) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", name);
    }
    const now = chip?.dataset.state;
    if (now && state.said.has(key) && state.said.get(key) !== now && ["running", "done", "stopped", "failed"].includes(now))
      news.push(`${sign}: ${chip.textContent}`);
    if (now) state.said.set(key, now);
  }
  if (news.length) state.live.textContent = news.join(". ");
}

export default function ({ data, parentElement }) {
  const state = (window.mlcReading ??= begin());
  const root = parentElement.host ?? parentElement;
  state.data = { ...data, isOpen: () => root.isConnected };
  tend(state);
  if (state.turn !== null) drawBar(state);
}
