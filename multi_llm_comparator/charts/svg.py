"""Small charts as SVG: bars by group, lanes over time, graphs in layers. Sharp at any size, readable as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from multi_llm_comparator.charts.graph import Graph, Node
from multi_llm_comparator.charts.lanes import MAX_ROWS, Lanes
from multi_llm_comparator.core.readable import cut_line

# Okabe and Ito's palette: everybody can tell these apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#777777")
INK, FAINT, PAPER = "#333333", "#dddddd", "#ffffff"
WIDTH = 900
LEFT, RIGHT, TOP = 200, 90, 48
ROW, BAR = 22, 14
LAYER, CROWDED_LAYER, CROWDED_FROM = 64, 34, 24
WIDEST_GAP, LARGEST_NODE, SMALLEST_NODE, SMALLEST_LABELLED = 96.0, 16.0, 3.0, 9.0
FAILED = "#b3261e"
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    group: str = ""
    shown: str = ""


def bar_chart(title: str, bars: Sequence[Bar], *, highest: float | None = None) -> str:
    """Horizontal bars, one under the other."""
    bars = bars[:MAX_ROWS]
    root = _page(title, len(bars))
    top = highest or max((bar.value for bar in bars), default=0.0) or 1.0
    colours = colours_of(bar.group for bar in bars)
    for number, bar in enumerate(bars):
        y = TOP + number * ROW
        width = (WIDTH - LEFT - RIGHT) * max(0.0, min(1.0, bar.value / top))
        _text(root, LEFT - 8, y + 11, bar.label, anchor="end")
        _rect(root, LEFT, y, width, colours[bar.group])
        _text(root, LEFT + width + 6, y + 11, bar.shown or f"{bar.value:g}")
    return _written(root)


def lane_chart(
    title: str,
    lanes: Lanes,
    *,
    waiting: Mapping[str, str],
    tokens: str = "{tokens} tokens",
    left_out: str = "without {n} more rows",
) -> str:
    """Lanes over seconds; marked rows are bold, the colours are those of who was asked.

    Args:
        title: stands above it.
        lanes: the data.
        waiting: a word for each kind of span that is drawn pale.
        tokens: says on hover how many ``{tokens}`` the others wrote.
        left_out: says that ``{n}`` rows are not drawn.
    """
    root = _page(_with_left_out(title, lanes.left_out, left_out), len(lanes.rows) + 2)
    longest = lanes.end_s or 1.0
    scale = (WIDTH - LEFT - RIGHT) / longest
    bottom = TOP + len(lanes.rows) * ROW
    _time_axis(root, longest, scale, bottom)
    colours = colours_of(span.target for _, _, span in lanes.spans())
    for number, row in enumerate(lanes.rows):
        y = TOP + number * ROW
        label = f"{row.id}: {row.label[:22]}" if row.id else row.label
        _text(root, LEFT - 8, y + 11, label, anchor="end", bold=row.is_marked)
        for span in row.spans:
            box = _bar(root, span.start_s, span.end_s, y, scale, colours[span.target])
            if span.kind in waiting:
                box.set("fill-opacity", "0.3")
            wrote = f"{span.answered_by}, {tokens.format(tokens=span.tokens)}"
            SubElement(box, "title").text = _clean(span.error or waiting.get(span.kind, wrote))
        # Over what it predicts.
        if row.outline:
            box = _bar(root, *row.outline, y - 2, scale, "none", height=BAR + 4)
            box.set("stroke", INK)
            box.set("stroke-dasharray", "4 3")
    _legend(root, colours, bottom + ROW + 6)
    return _written(root)


def graph_chart(
    title: str, graph: Graph, *, groups: Iterable[str] = (), left_out: str = "without {n} more rows"
) -> str:
    """Nodes in layers, with arrows from one to another; marked ones are bold.

    Args:
        title: stands above it.
        graph: the data.
        groups: those that take their colours before those of the nodes.
        left_out: says that ``{n}`` nodes are not drawn.
    """
    gap = min(WIDEST_GAP, (WIDTH / 2 - 2 * LARGEST_NODE) / graph.reach) if graph.reach else WIDEST_GAP
    step = LAYER if graph.layers <= CROWDED_FROM else CROWDED_LAYER
    radius = max(SMALLEST_NODE, min(LARGEST_NODE, 0.4 * gap, 0.3 * step))
    bottom = TOP + graph.layers * step
    root = _page_of(_with_left_out(title, graph.left_out, left_out), bottom + ROW + 16)
    centres = {name: (WIDTH / 2 + n.x * gap, TOP + (n.layer + 0.5) * step) for name, n in graph.nodes.items()}
    for arrow in sorted(graph.arrows, key=lambda a: a.is_marked):
        _arrow(root, centres[arrow.start], centres[arrow.end], radius, 2.2 if arrow.is_marked else 1.0)
    colours = colours_of([*groups, *(node.group for node in graph.nodes.values())])
    for name, node in graph.nodes.items():
        _node(root, node, centres[name], radius, colours[node.group])
    used = {node.group for node in graph.nodes.values()}
    _legend(root, {name: colour for name, colour in colours.items() if name in used}, bottom + 6)
    return _written(root)


def _with_left_out(title: str, n: int, words: str) -> str:
    return f"{title} ({words.format(n=n)})" if n else title


def colours_of(groups: Iterable[str]) -> Mapping[str, str]:
    """A colour for each group, in the order in which they occur."""
    names = dict.fromkeys(groups)
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}


def _bar(root: Element, start: float, end: float, y: float, scale: float, fill: str, *, height: float = BAR) -> Element:
    return _rect(root, LEFT + start * scale, y, max(1.0, (end - start) * scale), fill, height=height)


def _node(root: Element, node: Node, centre: tuple[float, float], radius: float, colour: str) -> None:
    x, y = centre
    edge = FAILED if node.state == "failed" else INK if node.is_marked else colour
    fill = colour if node.state == "done" else PAPER
    width = 2.5 if node.is_marked or node.state == "failed" else 1.5
    circle = SubElement(root, "circle", _attributes(cx=x, cy=y, r=radius, fill=fill, stroke=edge))
    circle.set("stroke-width", str(width))
    if node.note:
        SubElement(circle, "title").text = _clean(node.note)
    if radius >= SMALLEST_LABELLED:
        label = _text(root, x, y + 4, node.label[:4], anchor="middle", bold=True)
        label.set("fill", _ink_on(fill))
        # A click or a hint meant for the node must not end at its label.
        label.set("pointer-events", "none")


def _ink_on(colour: str) -> str:
    """Dark or light, whichever can be read on ``#rrggbb``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER


def _arrow(root: Element, start: tuple[float, float], end: tuple[float, float], radius: float, width: float) -> None:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length <= 2 * radius:
        return
    ux, uy = dx / length, dy / length
    (x1, y1), (x2, y2) = (
        (start[0] + ux * radius, start[1] + uy * radius),
        (end[0] - ux * (radius + 1), end[1] - uy * (radius + 1)),
    )
    line = SubElement(root, "line", _attributes(x1=x1, y1=y1, x2=x2, y2=y2, stroke=INK))
    line.set("stroke-width", str(width))
    head, side = 4 + 2 * width, 2 + width
    corners = [(x2, y2), (x2 - ux * head - uy * side, y2 - uy * head + ux * side)]
    corners.append((x2 - ux * head + uy * side, y2 - uy * head - ux * side))
    SubElement(root, "polygon", {"points": " ".join(f"{x:.2f},{y:.2f}" for x, y in corners), "fill": INK})


def _time_axis(root: Element, longest: float, scale: float, bottom: float) -> None:
    step = _round_step(longest / 6)
    for number in range(int(longest / step) + 1):
        x = LEFT + number * step * scale
        SubElement(root, "line", _attributes(x1=x, x2=x, y1=TOP - 6, y2=bottom, stroke=FAINT))
        _text(root, x, bottom + 14, f"{number * step:g} s", anchor="middle")


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _legend(root: Element, colours: Mapping[str, str], y: float) -> None:
    x = float(LEFT)
    # What nobody was asked for has no name.
    for name, colour in ((name, colour) for name, colour in colours.items() if name):
        _rect(root, x, y, BAR, colour)
        shown = cut_line(name, 30)
        _text(root, x + BAR + 4, y + 11, shown)
        x += BAR + 24 + 7 * len(shown)


def _page(title: str, rows: int) -> Element:
    return _page_of(title, TOP + rows * ROW + 16)


def _page_of(title: str, height: float) -> Element:
    root = Element(
        "svg",
        _attributes(
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH} {height}",
            width=WIDTH,
            height=height,
            role="img",
        ),
    )
    root.set("font-family", "system-ui, sans-serif")
    root.set("font-size", "12")
    SubElement(root, "title").text = _clean(title)
    SubElement(root, "rect", _attributes(x=0, y=0, width=WIDTH, height=height, fill=PAPER))
    heading = _text(root, 12, 22, title, bold=True)
    heading.set("font-size", "15")
    return root


def _rect(root: Element, x: float, y: float, width: float, fill: str, *, height: float = BAR) -> Element:
    return SubElement(root, "rect", _attributes(x=x, y=y, width=width, height=height, fill=fill))


def _text(root: Element, x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> Element:
    found = SubElement(root, "text", _attributes(x=x, y=y, fill=INK))
    found.set("text-anchor", anchor)
    if bold:
        found.set("font-weight", "bold")
    found.text = cut_line(_clean(text), 110)
    return found


def _attributes(**values: float | str) -> dict[str, str]:
    return {name: v if isinstance(v, str) else f"{v:.2f}".rstrip("0").rstrip(".") for name, v in values.items()}


def _clean(text: str) -> str:
    """XML has no way to write control characters, and models do write them."""
    return _UNPRINTABLE.sub("�", text)


def _written(root: Element) -> str:
    return tostring(root, encoding="unicode") + "\n"
