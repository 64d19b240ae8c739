"""Text of others (models, files, endpoints, imported runs, addresses) where Streamlit reads Markdown.

Streamlit draws pictures and diagrams from Markdown nearly everywhere: in texts, labels, tooltips, toasts, titles. Both
can make a browser fetch an address, and an address can carry a conversation out. So what others wrote gets there only
through here: :func:`plain` for names and messages, :func:`inert` for what may have a form.
"""

from __future__ import annotations

import html
import re

# Takes no room and is no letter: what it parts is seen as before, and is markup no more.
JOINER = "\u2060"

_FENCE = re.compile(r"(`{3,}|~{3,})([^\n]+)")
_DIAGRAM = re.compile("(m)(ermaid)", re.IGNORECASE)
_MASKS = re.compile(r"[&\\]")
_BREAKS = re.compile(r"\r\n?")
# Signs that could begin something wherever they stand, those that do before a letter or digit, and those that do at
# the beginning of a line.
_MARKUP = re.compile(
    r"[\\`*\[\]$~|^]|(?<![^\W_])_|_(?![^\W_])|<(?=[a-zA-Z/!?])|&(?=[#a-zA-Z])|:(?=[a-z0-9_-]+[\[:])"
    r"|^(?:[#>=+-]|\d{1,9}[.)])",
    re.ASCII | re.MULTILINE,
)


def plain(text: object) -> str:
    """Markdown that shows ``text`` as it is: every sign of it, and nothing but signs. Line breaks are kept."""
    lines = (line.strip() for line in str(text).splitlines())
    return "  \n".join(filter(None, (_MARKUP.sub(_escaped, line) for line in lines)))


def _escaped(match: re.Match[str]) -> str:
    sign = match.group()
    return f"{sign[:-1]}\\{sign[-1]}"


def inert(markdown: str) -> str:
    """The same Markdown, with nothing in it that is fetched: no picture, no diagram, whatever stands around it.

    What a picture or a fence is depends on all that comes before it, and every reader of Markdown has its own ideas
    about that. So nothing is decided here: where one could begin, signs that belong together are parted.
    """
    text = _BREAKS.sub("\n", markdown).replace("![", f"!{JOINER}[")
    return _FENCE.sub(_without_diagram, text) if "```" in text or "~~~" in text else text


def _without_diagram(match: re.Match[str]) -> str:
    fence, rest = match.groups()
    rest = _DIAGRAM.sub(rf"\1{JOINER}\2", rest)
    if _MASKS.search(rest) and "mermaid" in html.unescape(rest.replace("\\", "")).lower():
        rest = _MASKS.sub(JOINER, rest)
    return fence + rest


def code_block(lines: list[str], language: str) -> str:
    """A block of code that ends where it ends, whatever is in it; to be drawn by itself."""
    longest = max((len(run) for line in lines for run in re.findall("`{3,}", line)), default=2)
    fence = "`" * (longest + 1)
    word = language if re.fullmatch(r"[\w+#.-]{1,30}", language, re.ASCII) and "mermaid" not in language.lower() else ""
    return "\n".join((fence + word, *lines, fence))
