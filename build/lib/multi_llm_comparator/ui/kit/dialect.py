"""What models write as Markdown, said in Streamlit's: one pass over the text, in time that grows as its length."""

from __future__ import annotations

import re
from bisect import bisect_right

from multi_llm_comparator.ui.kit.escaping import code_block, inert

MAX_INDENT = 4

_SPECIAL = re.compile(r"[`$\\:!]")
_TICKS = re.compile(r"`+")
_DIRECTIVE = re.compile(r":[a-z0-9_-]+\[")


def fence_after(line: str, fence: str) -> str:
    """The fence that is open after ``line``, "" for none, where ``fence`` was before it.

    However far in: code within lists is.
    """
    mark = line.lstrip(" ")
    if not mark.startswith(("```", "~~~")):
        return fence
    run = len(mark) - len(mark.lstrip(mark[0]))
    if fence:
        is_end = mark[0] == fence[0] and run >= len(fence) and not mark[run:].strip()
        return "" if is_end else fence
    return "" if mark[0] == "`" and "`" in mark[run:] else mark[:run]


def shown(text: str) -> str:
    """The same text with everything outside code blocks as Streamlit should read it, and nothing in it fetched."""
    return inert(_said(text))


def parts(text: str) -> list[str]:
    """As :func:`shown`, with code that only looks as if it held a picture (``vec![1]``) in parts of its own: there it
    is surely code, and can stay as it is."""
    done: list[str] = []
    lines = text.split("\n")
    begun = opened = 0
    fence = ""
    for number, said in enumerate([*lines, ""]):
        before, fence = fence, fence_after(said, fence) if number < len(lines) else ""
        if fence and not before:
            opened = number
        elif before and not fence:
            indent = len(lines[opened]) - len(lines[opened].lstrip(" "))
            code = [line[:indent].lstrip(" ") + line[indent:] for line in lines[opened + 1 : number]]
            # Further in it belongs to a list, which would be torn apart.
            if indent < MAX_INDENT and any("![" in line for line in code):
                done += [shown("\n".join(lines[begun:opened])), code_block(code, lines[opened].strip("`~ "))]
                begun = number + 1
    done.append(shown("\n".join(lines[begun:])))
    return [part for part in done if part.strip()] or [""]


def _said(text: str) -> str:
    out: list[str] = []
    plain: list[str] = []
    fence = ""
    for line in text.split("\n"):
        before, fence = fence, fence_after(line, fence)
        if not before and not fence:
            plain.append(line)
            continue
        if plain:
            out.append(_shown_plain(plain))
            plain = []
        out.append(line)
    if plain:
        out.append(_shown_plain(plain))
    return "\n".join(out)


def _shown_plain(lines: list[str]) -> str:
    return _with_breaks(_Scan("\n".join(lines)).result())


def _with_breaks(text: str) -> str:
    """A line break is one, as in all chat pages: Markdown itself would join the lines of a poem."""
    lines = text.split("\n")
    in_formula = False
    for position, line in enumerate(lines[:-1]):
        in_formula ^= line.count("$$") % 2 == 1
        if in_formula or line.endswith(("$$", "\\")) or line.startswith("#"):
            continue
        if line.strip() and lines[position + 1].strip():
            lines[position] = line.rstrip(" ") + "  "
    return "\n".join(lines)


class _Scan:
    """One text without code blocks. Each ``_on_`` method takes what stands at a place; it returns what to show for it
    and where to go on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: dict[str, int] = {}
        self._runs: dict[int, list[int]] = {}
        for run in _TICKS.finditer(text):
            self._runs.setdefault(len(run.group()), []).append(run.start())

    def result(self) -> str:
        takes = {
            "`": self._on_ticks,
            "$": self._on_dollar,
            "\\": self._on_backslash,
            ":": self._on_colon,
            "!": self._on_bang,
        }
        out: list[str] = []
        at = 0
        while found := _SPECIAL.search(self._text, at):
            out.append(self._text[at : found.start()])
            piece, at = takes[found.group()](found.start())
            out.append(piece)
        return "".join([*out, self._text[at:]])

    def _find(self, what: str, start: int) -> int:
        """Where it comes next, len(text) if not at all. Starts grow, so that the text is searched once for each."""
        known = self._next.get(what, -1)
        if known < start:
            found = self._text.find(what, start)
            known = self._next[what] = len(self._text) if found < 0 else found
        return known

    def _on_ticks(self, at: int) -> tuple[str, int]:
        """Code within a paragraph ends at the next run of as many backticks; without one they are only signs."""
        run = _TICKS.match(self._text, at)
        assert run is not None
        # After a backslash that took its first sign, a run may be the only one of its length.
        starts = self._runs.get(len(run.group()), [])
        position = bisect_right(starts, at)
        if position < len(starts) and starts[position] < self._find("\n\n", at):
            end = starts[position] + len(run.group())
            return self._text[at:end], end
        return run.group(), run.end()

    def _on_dollar(self, at: int) -> tuple[str, int]:
        """A pair of dollars is a formula, a lone one is money."""
        text = self._text
        if text.startswith("$$", at):
            end = self._find("$$", at + 3)
            return (text[at : end + 2], end + 2) if end < len(text) else (r"\$\$", at + 2)
        end = self._find("$", at + 1)
        is_formula = (
            at + 1 < end < min(len(text), self._find("\n", at))
            and not text[at + 1].isspace()
            and not (text[end - 1].isspace() or text[end - 1] == "\\")
            and not text[end + 1 : end + 2].isdigit()
        )
        return (text[at : end + 1], end + 1) if is_formula else (r"\$", at + 1)

    def _on_backslash(self, at: int) -> tuple[str, int]:
        text = self._text
        following = text[at + 1 : at + 2]
        closing = {"[": "\\]", "(": "\\)"}.get(following)
        if closing is None:
            return text[at : at + 2], at + 2
        end = self._find(closing, at + 2)
        # A formula in a line ends with its paragraph; one of its own may hold empty lines.
        if end >= (len(text) if following == "[" else min(len(text), self._find("\n\n", at))):
            return text[at : at + 2], at + 2
        inner = text[at + 2 : end].strip()
        if not inner:
            return text[at : at + 2], at + 2
        return (f"\n$$\n{inner}\n$$\n" if following == "[" else f"${inner}$"), end + 2

    def _on_colon(self, at: int) -> tuple[str, int]:
        """Streamlit's colours and badges."""
        return (r"\:" if _DIRECTIVE.match(self._text, at) else ":"), at + 1

    def _on_bang(self, at: int) -> tuple[str, int]:
        """A picture would make the browser fetch an address that the model chose: show it as a link instead."""
        return ("&#33;[", at + 2) if self._text.startswith("![", at) else ("!", at + 1)
