"""What an answer says otherwise than another one, as HTML: words gone, words come, and long equal stretches folded."""

from __future__ import annotations

from functools import lru_cache
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.differences import Fold, are_equal, folded, word_differences
from multi_llm_comparator.ui.kit.i18n import t, tn

# Of both texts together: longer ones are compared in their exports.
MAX_COMPARED_CHARS = 400_000


def draw_differences(text: str, reference: str, name: str) -> None:
    """``text`` against ``reference``, the answer of the pane ``name``."""
    if len(text) + len(reference) > MAX_COMPARED_CHARS:
        st.caption(t("diff.too_long"))
        return
    if text == reference:
        st.html(f'<p class="mlc-muted">{escape(t("diff.equal", pane=name))}</p>')
        return
    st.html(f'<div class="mlc-diff" lang="">{differences_html(reference, text)}</div>')


@lru_cache(maxsize=64)
def _pieces(a: str, b: str) -> tuple[tuple[str, str, int], ...]:
    pieces = word_differences(a, b)
    assert not are_equal(pieces)
    shown = []
    for piece in folded(pieces):
        if isinstance(piece, Fold):
            shown.append(("fold", piece.text, piece.words))
        else:
            shown.append((piece.kind, piece.text, 0))
    return tuple(shown)


def differences_html(a: str, b: str) -> str:
    """The differences of ``b`` from ``a``."""
    html = []
    for kind, text, words in _pieces(a, b):
        shown = escape(text)
        if kind == "fold":
            summary = escape(tn("diff.fold", words))
            html.append(f'<details class="mlc-fold"><summary>{summary}</summary>{shown}</details>')
        elif kind == "removed":
            html.append(f"<del>{shown}</del>")
        elif kind == "added":
            html.append(f"<ins>{shown}</ins>")
        else:
            html.append(shown)
    return "".join(html)
