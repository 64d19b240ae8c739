"""Small pieces of the Tune page as HTML: a block's heading, tokens by whether they are learnt, a histogram."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.tune.sources import called

MAX_TOKENS_SHOWN = 1500
# What a token of line breaks and nothing else looks like.
_BREAK = "↵"
# As cleaning and :class:`training.data.left_out.Reason` say it: why, and the place of the first one.
_COUNTED = re.compile(r"([\d,]{1,20}) (left out|found, learnt all the same): (.*) \((.*)\)", re.DOTALL)
# As messages quote a place of this machine.
_PLACE = re.compile(r"""(['"])((?:/|[A-Za-z]:\\)[^\n]*?)\1""")


@contextmanager
def block(number: int, name: str) -> Iterator[None]:
    """One of the steps of setting up a job, in a frame with its number, its name and what it decides."""
    with st.container(border=True, key=f"tune_block_{name}"):
        said = f"<b>{escape(t(f'tune.block_{name}'))}</b><span>{escape(t(f'tune.block_{name}_why'))}</span>"
        st.html(f'<div class="mlc-tune-block"><span class="mlc-tune-number">{number}</span>{said}</div>')
        yield


def note_text(note: str) -> str:
    """A remark on data or of a job in the reader's language; in front of it there may be a file's name."""
    if counted := _COUNTED.fullmatch(note):
        count, how, why, where = counted.groups()
        words = "tune.note_left_out" if how == "left out" else "tune.note_learnt_too"
        return t(words, count=count, why=said(why), where=where)
    words, (file, colon, rest) = said(note), note.partition(": ")
    return f"{file}: {said(rest)}" if colon and words == note else words


def named_briefly(text: str) -> str:
    """The same with files and folders of this machine by their names, as the reader knows them; the whole places belong
    into details."""

    def brief(found: re.Match[str]) -> str:
        # What has no folder before it may be anything else, such as a mark in a text.
        return repr(called(found[2])) if len(Path(found[2]).parts) > 2 else found[0]

    return _PLACE.sub(brief, text)


def tokens_html(pieces: Sequence[tuple[str, bool]]) -> str:
    """Tokens in a row, each in a box of its own; those that are learnt stand out. Line breaks are seen and kept."""
    spans = []
    for text, learnt in pieces[:MAX_TOKENS_SHOWN]:
        kind = ' class="mlc-learnt"' if learnt else ""
        spans.append(f"<span{kind}>{escape(text).replace(chr(10), _BREAK + chr(10))}</span>")
    more = len(pieces) - MAX_TOKENS_SHOWN
    rest = f" … +{more:,}" if more > 0 else ""
    count = sum(is_learnt for _, is_learnt in pieces)
    legend = (
        f'<div class="mlc-tune-legend"><span><i class="mlc-learnt"></i>{escape(t("tune.learnt", n=say.count(count)))}'
        f"</span><span><i></i>{escape(t('tune.not_learnt', n=say.count(len(pieces) - count)))}</span></div>"
    )
    return f'{legend}<div class="mlc-tune-tokens">{"".join(spans)}{rest}</div>'


def histogram_html(bins: Sequence[tuple[int, int, int]], limit: int) -> str:
    """How many rows have how many tokens.

    Args:
        bins: the fewest tokens, the most, and the number of rows.
        limit: rows with more tokens are left out, and drawn so.
    """
    most = max((count for _, _, count in bins), default=0) or 1
    bars = []
    for low, high, count in bins:
        kind = ' class="mlc-over"' if low > limit else ""
        why = escape(t("tune.histogram_bar", rows=say.count(count), low=say.count(low), high=say.count(high)))
        height = 100 * count / most
        bars.append(f'<span{kind} style="height:{height:.1f}%" title="{why}"></span>')
    ends = (bins[0][0], bins[-1][1]) if bins else (0, 0)
    named = (say.count(ends[0]), escape(t("tune.histogram_axis")), say.count(ends[1]))
    axis = "".join(f"<span>{words}</span>" for words in named)
    return f'<div class="mlc-bars">{"".join(bars)}</div><div class="mlc-bars-axis">{axis}</div>'
