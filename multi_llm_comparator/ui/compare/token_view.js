// An answer as its tokens, coloured by surprise. Everything but going on from a token happens in here.
const percent = (share) => (share >= 0.995 ? "100" : share >= 0.1 ? (100 * share).toFixed(0) : (100 * share).toFixed(1));
// Blanks that stand alone would not be seen.
const shown = (text) => (text.trim() ? text : text.replace(/ /g, "␣").replace(/\t/g, "⇥")).replace(/\n/g, "⏎\n");
const tint = (share) => Math.round(Math.min(65, -Math.log2(Math.max(share, 1e-9)) * 11));

export default function({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tokens");
  const panel = parentElement.querySelector(".panel");
  const signature = JSON.stringify([data.tokens, data.goesOn, data.say]);
  if (root.mlcSignature === signature) return;
  root.mlcSignature = signature;
  root.setAttribute("aria-label", data.say.label);

  const spans = data.tokens.map((token, place) => {
    // No button element: those are boxes, across which text does not break.
    const span = document.createElement("span");
    span.textContent = shown(token.text);
    if (token.plain) { span.className = "plain"; return span; }
    span.setAttribute("role", "button");
    span.tabIndex = -1;
    span.className = "token";
    span.style.setProperty("--tint", tint(token.share) + "%");
    if (token.unsure) span.classList.add("unsure");
    span.title = `${percent(token.share)} %`;
    span.onclick = () => select(place);
    return span;
  });
  root.replaceChildren(...spans);
  const places = data.tokens.flatMap((token, place) => (token.plain ? [] : [place]));
  const unsure = places.filter((place) => data.tokens[place].unsure);
  let at = -1;

  function select(place) {
    spans[at]?.classList.remove("chosen");
    at = place;
    spans[at].classList.add("chosen");
    spans[at].scrollIntoView({ block: "nearest" });
    tell(data.tokens[at], at);
  }

  function tell(token, place) {
    const head = document.createElement("p");
    head.textContent = `${JSON.stringify(token.text)} · ${percent(token.share)} % · ${token.logprob.toFixed(3)} nats`;
    const list = document.createElement("ol");
    token.top.forEach((one, choice) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const isOwn = one.text === token.text;
      button.type = "button";
      const word = document.createElement("code");
      word.textContent = shown(one.text);
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.style.setProperty("--share", `${100 * one.share}%`);
      const value = document.createElement("span");
      value.className = "value";
      value.textContent = `${percent(one.share)} %`;
      button.append(word, bar, value);
      button.disabled = isOwn || !one.goes || !data.goesOn;
      button.title = isOwn ? data.say.own : button.disabled ? data.say.cannot : data.say.go;
      button.onclick = () => setTriggerValue("chosen", { place: token.number, choice });
      if (isOwn) item.className = "own";
      item.append(button);
      list.append(item);
    });
    panel.replaceChildren(head, list);
  }

  const next = (among, by) => {
    if (!among.length) return;
    const ahead = by > 0 ? among.find((place) => place > at) : among.findLast((place) => place < at);
    select(ahead ?? among[by > 0 ? 0 : among.length - 1]);
  };
  root.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { n: [unsure, 1], p: [unsure, -1], ArrowRight: [places, 1], ArrowLeft: [places, -1] };
    const digit = "12345".indexOf(event.key);
    if (moves[event.key]) next(...moves[event.key]);
    else if (digit >= 0 && at >= 0) panel.querySelectorAll("button")[digit]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  panel.onkeydown = (event) => {
    if (event.key === "n" || event.key === "p") { root.focus(); root.onkeydown(event); }
  };
  panel.textContent = data.say.hint;
  if (unsure.length) select(unsure[0]);
  root.focus({ preventScroll: true });
}
