"""A Plotly chart that is redrawn in place while its data grows, and tells which point was clicked.

``st.plotly_chart`` builds a new chart for every change of its data, which flickers several times a second and forgets
what was selected; ``Plotly.react`` changes the one that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from multi_llm_comparator.ui.kit.assets import PLOTLY_URL
from multi_llm_comparator.ui.kit.i18n import t

_HTML = '<div class="mlc-plot"></div>'
_CSS = """
.mlc-plot { width: 100%; }
.mlc-picks .nsewdrag, .mlc-picks .point path { cursor: pointer; }
.mlc-picks.mlc-zooms .nsewdrag { cursor: ew-resize; }
/* Beside the plot, not over its legend. */
.mlc-zooms .modebar-container { top: 2rem !important; }
.mlc-plot .modebar { opacity: 0; transition: opacity 0.15s; }
.mlc-plot:hover .modebar { opacity: 1; }
"""
_JS = """
const library = (url) => (window.mlcPlotly ??= new Promise((done, failed) => {
  if (window.Plotly) { done(window.Plotly); return; }
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => done(window.Plotly);
  script.onerror = () => { window.mlcPlotly = undefined; failed(new Error(url)); };
  document.head.append(script);
}));

const zooms = (figure) => figure.layout.dragmode === "zoom";
// Where fingers scroll, dragging is not for zooming.
const isTouch = () => matchMedia("(pointer: coarse)").matches;

const config = (Plotly, { name, say }, figure) => ({
  displaylogo: false, doubleClick: false, displayModeBar: true, showTips: false,
  modeBarButtons: [[
    ...(zooms(figure) ? [{ name: "whole", title: say.whole, icon: Plotly.Icons.home, click: () => zoom(Plotly) }] : []),
    { name: "png", title: say.png, icon: Plotly.Icons.camera,
      click: (chart) => Plotly.downloadImage(chart, { format: "png", scale: 2, filename: name }) },
  ]],
});

// Charts that lie above each other show the same stretch of time; without one, all of it.
function zoom(Plotly, range) {
  for (const box of document.querySelectorAll(".mlc-zooms")) {
    box.mlcZoom = range;
    if (!box.layout) continue;
    const shown = box.layout.xaxis.range, wanted = range ?? box.mlcWhole;
    if (shown[0] !== wanted[0] || shown[1] !== wanted[1]) Plotly.relayout(box, { "xaxis.range": [...wanted] });
  }
}

// What a chart changes about its layout where there is little room: layout.meta.narrow, by axis.
const NARROW_PX = 520;
const fitted = (layout, width) => {
  if (width < NARROW_PX)
    for (const [name, change] of Object.entries(layout.meta?.narrow ?? {}))
      layout[name] = { ...layout[name], ...change };
  return layout;
};

// A browser that is slower than the data draws the latest, not every one; what has not changed is not drawn at all.
async function draw(Plotly, box) {
  while (box.mlcWanted) {
    await box.mlcHeld;
    const wanted = box.mlcWanted, { text } = wanted;
    box.mlcWanted = undefined;
    if (text === box.mlcDrawn) continue;
    const figure = JSON.parse(text);
    fitted(figure.layout, box.clientWidth);
    if (zooms(figure) && isTouch()) figure.layout.dragmode = false;
    box.classList.toggle("mlc-zooms", zooms(figure));
    box.mlcWhole = figure.layout.xaxis?.range;
    // What was zoomed to stays while a run goes on, and not beyond it.
    const isNew = box.mlcName !== wanted.name;
    box.mlcName = wanted.name;
    if (box.mlcZoom && !isNew) figure.layout.xaxis.range = [...box.mlcZoom];
    box.style.height = figure.layout.height + "px";
    const page = getComputedStyle(box);
    figure.layout.font = { ...figure.layout.font, family: page.fontFamily, color: page.color };
    await Plotly.react(box, figure.data, figure.layout, config(Plotly, wanted, figure));
    box.mlcDrawn = text;
    if (isNew) zoom(Plotly);
    if (!box.mlcIsBound) { box.mlcIsBound = true; bind(Plotly, box); }
    await new Promise((next) => setTimeout(next, 50));
  }
}

function bind(Plotly, box) {
  box.on("plotly_click", (event) => {
    const named = event.points.find((point) => point.customdata?.[0]);
    if (named) box.mlcPick(String(named.customdata[0]));
  });
  // Drawing anew would take what is being dragged out of one's hand.
  box.addEventListener("pointerdown", () => {
    box.mlcHeld = new Promise((released) => {
      for (const end of ["pointerup", "pointercancel", "blur"])
        addEventListener(end, () => setTimeout(released, 50), { once: true, capture: true });
    });
  }, { capture: true });
  box.on("plotly_relayout", (change) => {
    if ("xaxis.range[0]" in change) zoom(Plotly, [change["xaxis.range[0]"], change["xaxis.range[1]"]]);
  });
  box.on("plotly_doubleclick", () => zoom(Plotly));
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.isConnected && box.clientWidth !== width) { width = box.clientWidth; Plotly.Plots.resize(box); }
  }).observe(box);
}

export default function({ data, parentElement, setTriggerValue }) {
  if (!data.figure) { library(data.library).catch(() => {}); return; }
  const box = parentElement.querySelector(".mlc-plot");
  box.setAttribute("role", "figure");
  box.setAttribute("aria-label", data.alt);
  box.style.minHeight = data.height + "px";
  box.classList.toggle("mlc-picks", data.picks);
  box.mlcPick = (point) => setTriggerValue("picked", point);
  box.mlcWanted = { text: data.figure, name: data.name, say: data.say };
  if (box.mlcIsBusy) return;
  box.mlcIsBusy = true;
  library(data.library).then((Plotly) => draw(Plotly, box)).catch((error) => { box.textContent = String(error); })
    .finally(() => { box.mlcIsBusy = false; });
}
"""
# In JSON, what is neither blank nor a bracket behind the name may be an escaped blank.
_LINK = re.compile(r"<(?=a[\s>\\])", re.IGNORECASE)
_component = st.components.v2.component("mlc_live_chart", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def as_json(figure: dict[str, Any]) -> str:
    """A figure for the browser, without links: of ``<a href=…>`` in any text Plotly makes one, whoever wrote it."""
    return _LINK.sub("&lt;", json.dumps(figure))


def live_chart(
    figure: dict[str, Any], key: str, *, alt: str, name: str, on_pick: Callable[[str], None] | None = None
) -> None:
    """Draw it.

    Args:
        figure: data and layout of Plotly; the first entry of a point's ``customdata`` names what a click picks. With
            the drag mode "zoom" a stretch of the x axis can be looked at closely.
        key: as for every widget.
        alt: what the chart shows, for those who cannot see it.
        name: of the file, when it is saved as a picture.
        on_pick: called with what was clicked; None where there is nothing to pick.
    """

    def picked() -> None:
        if on_pick is not None and (point := st.session_state[key].get("picked")):
            on_pick(point)

    _component(
        data={
            "figure": as_json(figure),
            "height": figure["layout"]["height"],
            "alt": alt,
            "name": name,
            "say": {"png": t("chart.save_png"), "whole": t("chart.whole")},
            "picks": on_pick is not None,
            "library": PLOTLY_URL,
        },
        key=key,
        on_picked_change=picked,
        width="stretch",
        height="content",
    )


def prepare_charts(key: str) -> None:
    """Have the browser fetch what charts need, before the first one is drawn."""
    _component(data={"library": PLOTLY_URL}, key=key, width="stretch", height="content")
