// Panes change places: a pane's letter is dragged to another's place, or moved by arrow keys. Python does the moving.

const LETTERS = ".st-key-compare_setup .mlc-order", FOCUS_TRIES = 40, FOCUS_MS = 100, PENDING_MS = 4000;

const letters = () => [...document.querySelectorAll(LETTERS)];
const placeOf = (target) => letters().indexOf(target?.closest?.(LETTERS));
// The whole of a pane's setup takes what is dropped on it.
const under = (target) => {
  const column = target?.closest?.('.st-key-compare_setup [data-testid="stColumn"]');
  return column ? letters().indexOf(column.querySelector(".mlc-order")) : -1;
};

function begin() {
  const order = { from: -1, send: () => {}, mark: null, sentAt: -PENDING_MS };
  // What is sent before the row is drawn anew would mean other panes.
  order.move = (from, to) => {
    if (performance.now() - order.sentAt < PENDING_MS) return false;
    order.sentAt = performance.now();
    order.send({ from, to });
    return true;
  };
  const marked = (target) => {
    order.mark?.classList.remove("mlc-drop");
    order.mark = order.from >= 0 && under(target) >= 0 ? target.closest('[data-testid="stColumn"]') : null;
    order.mark?.classList.add("mlc-drop");
  };
  document.addEventListener("dragstart", (event) => {
    order.from = placeOf(event.target);
    if (order.from < 0) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", event.target.textContent);
  });
  document.addEventListener("dragover", (event) => {
    marked(event.target);
    if (order.mark) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const to = order.from >= 0 ? under(event.target) : -1;
    if (to < 0) return;
    event.preventDefault();
    if (to !== order.from) order.move(order.from, to);
  });
  document.addEventListener("dragend", () => { order.from = -1; marked(null); });
  document.addEventListener("keydown", (event) => {
    const from = placeOf(event.target), by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (from < 0 || !by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const to = from + by;
    if (to >= 0 && to < letters().length && order.move(from, to)) follow(from, to, FOCUS_TRIES);
  });
  return order;
}

// The row is drawn anew, and with it goes the focus: it is given back where the pane is now, unless somebody took it.
function follow(from, to, tries) {
  const at = document.activeElement, all = letters();
  if (!at || at === document.body || (tries === 0 && at === all[from])) all[to]?.focus({ preventScroll: true });
  else if (at !== all[from] && at !== all[to]) return;
  if (tries > 0) setTimeout(() => follow(from, to, tries - 1), FOCUS_MS);
}

export default function ({ data, setTriggerValue }) {
  const order = (window.mlcOrder ??= begin());
  order.send = (moved) => setTriggerValue("moved", moved);
  if (order.panes !== data.panes) order.sentAt = -PENDING_MS;
  order.panes = data.panes;
}
