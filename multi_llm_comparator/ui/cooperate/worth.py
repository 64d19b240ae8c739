"""What a mode with these members was worth, as it was measured; where it was not, that is said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

import streamlit as st

from multi_llm_comparator.core.readable import percent
from multi_llm_comparator.evaluation.cooperation_worth import Worth
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.workbench import get_workbench

# An evaluation that ends meanwhile shows within this time.
_KEPT_S = 20.0
READING_S = 30.0


def worth_of(mode: str, members: Sequence[str]) -> Worth | None:
    """The latest measurement; kept for a moment, since a page is drawn often."""
    kept: dict[tuple[str, ...], tuple[float, Worth | None]] = st.session_state.setdefault("cooperate_worths", {})
    key = (mode, *sorted(members))
    at, found = kept.get(key, (0.0, None))
    if time.monotonic() - at > _KEPT_S or key not in kept:
        found = perform(get_workbench().worths.of(mode, members), timeout_s=READING_S)
        kept[key] = (time.monotonic(), found)
    return found


def worth_line(mode: str, members: Sequence[str]) -> str:
    """Gain and cost in a line of HTML, or that nothing is measured."""
    found = worth_of(mode, members)
    if found is None:
        return f'<span class="mlc-muted">{escape(t("cooperate.worth_none"))}</span>'
    gain = found.gain
    words = t(
        "cooperate.worth_gain",
        gain=f"{100 * gain.difference:+.0f}",
        low=f"{100 * gain.low:+.0f}",
        high=f"{100 * gain.high:+.0f}",
        best=name_of(found.best_member),
    )
    cost = [
        t("cooperate.worth_tokens", n=f"{found.tokens_ratio:.1f}") if found.tokens_ratio else "",
        t("cooperate.worth_time", n=f"{found.time_ratio:.1f}") if found.time_ratio else "",
        tn("cooperate.worth_items", found.n),
    ]
    tone = _tone(found).css
    return (
        f'<span class="mlc-coop-gain" style="--tone:{tone}">{escape(words)}</span> '
        f'<span class="mlc-muted">{escape(" · ".join(filter(None, cost)))}</span>'
    )


def _tone(found: Worth) -> Tone:
    if found.gain.low > 0:
        return STATE_TONES["done"]
    return STATE_TONES["failed"] if found.gain.high < 0 else STATE_TONES["queued"]


def draw_worth(mode: str, members: Sequence[str]) -> None:
    """What the mode was worth, and the scores behind it."""
    found = worth_of(mode, members)
    st.html(
        f'<div class="mlc-coop-worth"><b>{escape(t("cooperate.worth"))}</b><div>{worth_line(mode, members)}</div></div>'
    )
    if found is not None:
        st.caption(
            tm(
                "cooperate.worth_scores",
                ours=percent(found.score),
                theirs=percent(found.best_score),
                title=found.title[:60],
            )
        )
