// One clock for all pages that are opened in this tab; what it learns is drawn into the page that is open.

const FOLDED = "mlcMonitorFolded", NARROW = "(max-width: 640px)";

function begin() {
  const monitor = { root: null, data: null, told: null, isAsking: false, go: () => {} };
  const tick = () => ask(monitor);
  document.addEventListener("visibilitychange", tick);
  monitor.tick = tick;
  return monitor;
}

async function ask(monitor) {
  if (document.hidden || monitor.isAsking || !monitor.root?.isConnected) return;
  monitor.isAsking = true;
  const path = monitor.data.path;
  let told = null;
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.ok) told = await answer.json();
  } catch { /* The app is gone or busy: said by the look. */ }
  monitor.isAsking = false;
  // What was asked for another page may say more than this one may show.
  if (monitor.data.path !== path) { ask(monitor); return; }
  monitor.told = told ?? monitor.told;
  draw(monitor, told === null);
}

const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)}%`);

function size(bytes, unit = "") {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (let rest = bytes; rest >= 999.5 && at < units.length - 1; rest /= 1000) at++;
  if (unit) at = units.indexOf(unit);
  const value = bytes / 1000 ** at;
  return [value >= 99.5 || at === 0 ? value.toFixed(0) : value.toFixed(1), units[at]];
}

function part(used, whole) {
  const [of, unit] = size(whole), [now] = size(used, unit);
  return `${now} / ${of} ${unit}`;
}

const count = (say, name, n) => fill(n === 1 ? say[`${name}_one`] : say[name], { n });

function lines({ machine, loaded, requests }, say) {
  const gpus = machine.gpus.map((gpu, at) => {
    const name = machine.gpus.length > 1 ? `${say.gpu} ${at}` : say.gpu;
    return `${name} ${percent(gpu.share)} ${part(gpu.used_bytes, gpu.total_bytes)}`;
  });
  return [
    `${say.cpu} ${percent(machine.cpu_share)}`,
    `${say.memory} ${part(machine.ram_used_bytes, machine.ram_bytes)}`,
    ...gpus,
    count(say, "models", loaded) + (requests ? `, ${count(say, "requests", requests)}` : ""),
  ];
}

function draw(monitor, isAway) {
  const { told, data, root } = monitor, section = root.querySelector("section");
  section.toggleAttribute("data-away", isAway);
  if (!told) return;
  section.hidden = false;
  const { say } = data, facts = root.querySelector(".facts"), fold = root.querySelector(".fold");
  const texts = lines(told, say);
  facts.textContent = texts.join(" · ");
  facts.title = isAway ? say.away : `${say.open} (${fill(say.cpus, { n: told.machine.cpus })})`;
  const [cpu, memory] = fold.querySelectorAll("i"), { machine } = told;
  cpu.style.setProperty("--use", percent(machine.cpu_share ?? 0));
  memory.style.setProperty("--use", percent(machine.ram_used_bytes / machine.ram_bytes));
  const isFolded = section.hasAttribute("data-folded");
  fold.title = isFolded ? `${say.unfold}: ${texts.join(" · ")}` : say.fold;
  fold.setAttribute("aria-label", fold.title);
  fold.setAttribute("aria-expanded", String(!isFolded));
  drawModels(root.querySelector(".panel"), told, say);
}

function drawModels(panel, { models = [], loaded }, say) {
  const element = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const rows = models.map((model) => {
    const row = document.createElement("div"), tone = document.createElement("i");
    tone.style.setProperty("--tone", model.tone);
    const doing = model.loading ? say.loading : model.requests ? count(say, "requests", model.requests) : say.idle;
    row.append(tone, element("b", model.name), element("span", `${size(model.bytes).join(" ")} · ${doing}`));
    return row;
  });
  if (models.length && loaded > models.length) rows.push(element("div", fill(say.more, { n: loaded - models.length })));
  panel.replaceChildren(...rows);
  panel.hidden = !rows.length;
}

function isFolded() {
  const chosen = localStorage.getItem(FOLDED);
  return chosen === null ? matchMedia(NARROW).matches : chosen === "1";
}

export default function ({ data, parentElement, setTriggerValue }) {
  const monitor = (window.mlcMonitor ??= begin());
  const isOther = monitor.data?.path !== data.path;
  Object.assign(monitor, { root: parentElement, data });
  // What another page was told may be more than this one may show.
  if (isOther) monitor.told = null;
  const section = parentElement.querySelector("section"), fold = parentElement.querySelector(".fold");
  section.toggleAttribute("data-folded", isFolded());
  parentElement.querySelector(".facts").onclick = () => setTriggerValue("models", true);
  fold.onclick = () => {
    localStorage.setItem(FOLDED, section.hasAttribute("data-folded") ? "0" : "1");
    section.toggleAttribute("data-folded", isFolded());
    draw(monitor, false);
  };
  if (monitor.told) draw(monitor, false);
  monitor.clock ??= setInterval(monitor.tick, data.every_ms);
  monitor.tick();
}
